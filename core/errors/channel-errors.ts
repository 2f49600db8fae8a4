/** Errors of channels, broadcasts and playback. */
import type { ErrorTable } from './error-table.ts';

export const CHANNEL_ERRORS = {
	CHANNEL_NOT_FOUND: { httpStatus: 404, message: 'There is no channel "%s". Check the spelling of the address.' },
	CHANNEL_OFFLINE: { httpStatus: 404, message: 'Channel "%s" is offline. Try again when it is live.' },
	NOTHING_PUBLISHED: { httpStatus: 409, message: 'Channel "%s" is not live yet. Try again in a moment.' },
	BROADCAST_STARTING: { httpStatus: 503, message: 'Channel "%s" is starting. Try again in a moment.' },
	DELIVERY_DIRECTIVE_INVALID: { httpStatus: 400, message: 'The playlist request is not valid: %s.' },
	PLAYLIST_TIMED_OUT: { httpStatus: 503, message: 'The requested part did not appear in time.' },
	HELD_REQUESTS_FULL: { httpStatus: 503, message: 'The request cannot be held: %s. Try again in a moment.' },
	MEDIA_NOT_FOUND: { httpStatus: 404, message: 'There is no such segment or part; it may have left the window.' },
	STILL_NOT_FOUND: { httpStatus: 404, message: 'There is no picture of channel "%s" yet. Try again in some seconds.' },
	SFU_UNAVAILABLE: { httpStatus: 503, message: 'The WebRTC tier cannot take this session: %s. LL-HLS still plays.' },
} as const satisfies ErrorTable;
