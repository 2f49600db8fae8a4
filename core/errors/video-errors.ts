/** Errors of recordings, videos and clips, and of the stores that hold them. */
import type { ErrorTable } from './error-table.ts';

export const VIDEO_ERRORS = {
	VIDEO_NOT_FOUND: { httpStatus: 404, message: 'There is no such video; it may have been deleted, or it is private.' },
	VIDEO_GONE: {
		httpStatus: 410,
		message: 'The video is no longer at this address. Open its page again for the present one.',
	},
	CLIP_NOT_EXPORTED: { httpStatus: 500, message: 'The clip cannot be made into a file: %s.' },
	OBJECT_NOT_FOUND: { httpStatus: 404, message: 'There is no such object in the store: %s.' },
	OBJECT_STORE_UNAVAILABLE: {
		httpStatus: 503,
		message: 'The store of recordings cannot be used now: %s. Try again in some seconds.',
	},
	OBJECT_STORE_FULL: {
		httpStatus: 507,
		message: 'There is no room for more recordings: %s. Delete some, or raise the limit.',
	},
} as const satisfies ErrorTable;
