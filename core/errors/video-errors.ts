/** Errors of recordings, videos and clips, and of the stores that hold them. */
import type { ErrorTable } from './error-table.ts';

export const VIDEO_ERRORS = {
	VIDEO_NOT_FOUND: { httpStatus: 404, message: 'There is no such video; it may have been deleted, or it is private.' },
	VIDEO_GONE: {
		httpStatus: 410,
		message: 'The video is no longer at this address. Open its page again for the present one.',
	},
	CLIP_NOT_FOUND: {
		httpStatus: 404,
		message: 'There is no such clip; it may have been deleted, or its video is private.',
	},
	CLIP_GONE: {
		httpStatus: 410,
		message: 'The clip is no longer at this address. Open its page again for the present one.',
	},
	CLIP_NOT_RECORDED: {
		httpStatus: 409,
		message: 'There is nothing to clip: the broadcast of channel "%s" is not recorded. Its owner can choose that.',
	},
	CLIP_MOMENT_MISSING: { httpStatus: 409, message: 'Nothing is recorded of that moment: %s.' },
	CLIP_LENGTH_INVALID: { httpStatus: 409, message: 'A clip is %s to %s s long, but this one is %s s.' },
	CLIP_UNFINISHED: {
		httpStatus: 409,
		message: 'The last picture of the clip is still being recorded. Try again in some seconds.',
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
