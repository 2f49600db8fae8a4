/** Errors of publishing. */
import type { ErrorTable } from './error-table.ts';

export const PUBLISHING_ERRORS = {
	STREAM_KEY_REFUSED: {
		httpStatus: 401,
		message: 'The stream key was not accepted. Copy it again from your dashboard.',
	},
	STREAM_KEY_MISSING: {
		httpStatus: 401,
		message: 'A stream key is needed: send it as "Authorization: Bearer <stream key>".',
	},
	STREAM_KEY_NOT_FOUND: { httpStatus: 404, message: 'The channel has no such stream key; it may have been revoked.' },
	TAKE_OVERS_TOO_FREQUENT: {
		httpStatus: 429,
		message:
			'Encoders with this stream key keep replacing one another; the one on air stays. Stop the other, or try again in %s s.',
	},
	PUBLISHING_NOT_ALLOWED: {
		httpStatus: 403,
		message: 'This channel may not publish here: %s.',
	},
	BROADCASTS_FULL: {
		httpStatus: 503,
		message:
			'The server cannot take another broadcast now: it carries %s at once. Try again when one has ended. An operator can raise ingest.maxBroadcasts.',
	},
	SDP_MALFORMED: { httpStatus: 400, message: 'The SDP offer cannot be read: %s.' },
	SDP_OFFER_UNSUPPORTED: { httpStatus: 422, message: 'The SDP offer cannot be accepted: %s.' },
	SESSION_NOT_FOUND: { httpStatus: 404, message: 'There is no such session; it may have ended.' },
	RTMP_PROTOCOL_ERROR: { httpStatus: 400, message: 'The RTMP connection broke the protocol: %s.' },
	TRANSCODER_FAILED: { httpStatus: 500, message: 'FFmpeg failed (%s): %s' },
} as const satisfies ErrorTable;
