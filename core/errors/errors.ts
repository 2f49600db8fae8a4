/** The table of all expected failures, and the one error class that carries a code of it. */

/**
 * Code → HTTP status and message. `%s` is filled in order. Codes are never reused; docs/errors.md lists them all.
 * Messages name the thing and say what to do; they never hold a stream key or a token. @internal for tests
 */
export const ERROR_CODES = {
	// Channels, broadcasts and playback.
	CHANNEL_NOT_FOUND: { httpStatus: 404, message: 'There is no channel "%s". Check the spelling of the address.' },
	CHANNEL_OFFLINE: { httpStatus: 404, message: 'Channel "%s" is offline. Try again when it is live.' },
	NOTHING_PUBLISHED: { httpStatus: 409, message: 'Channel "%s" is not live yet. Try again in a moment.' },
	BROADCAST_STARTING: { httpStatus: 503, message: 'Channel "%s" is starting. Try again in a moment.' },
	DELIVERY_DIRECTIVE_INVALID: { httpStatus: 400, message: 'The playlist request is not valid: %s.' },
	PLAYLIST_TIMED_OUT: { httpStatus: 503, message: 'The requested part did not appear in time.' },
	HELD_REQUESTS_FULL: { httpStatus: 503, message: 'The request cannot be held: %s. Try again in a moment.' },
	MEDIA_NOT_FOUND: { httpStatus: 404, message: 'There is no such segment or part; it may have left the window.' },
	SFU_UNAVAILABLE: { httpStatus: 503, message: 'The WebRTC tier cannot take this session: %s. LL-HLS still plays.' },
	// Publishing.
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
	PUBLISHING_NOT_ALLOWED: { httpStatus: 403, message: 'This channel may not publish here: %s.' },
	BROADCASTS_FULL: {
		httpStatus: 503,
		message:
			'The server cannot take another broadcast now: it carries %s at once. Try again when one has ended, or raise ingest.maxBroadcasts.',
	},
	SDP_MALFORMED: { httpStatus: 400, message: 'The SDP offer cannot be read: %s.' },
	SDP_OFFER_UNSUPPORTED: { httpStatus: 422, message: 'The SDP offer cannot be accepted: %s.' },
	SESSION_NOT_FOUND: { httpStatus: 404, message: 'There is no such session; it may have ended.' },
	RTMP_PROTOCOL_ERROR: { httpStatus: 400, message: 'The RTMP connection broke the protocol: %s.' },
	TRANSCODER_FAILED: { httpStatus: 500, message: 'FFmpeg failed (%s): %s' },
	// Accounts, log-ins and permissions.
	SIGN_IN_REQUIRED: { httpStatus: 401, message: 'Log in first; your session may have ended.' },
	LOGIN_REFUSED: { httpStatus: 401, message: 'Name or password is wrong.' },
	REFRESH_REFUSED: { httpStatus: 401, message: 'The session has ended. Log in again.' },
	FORBIDDEN: { httpStatus: 403, message: 'Your account may not do this: %s.' },
	CSRF_REFUSED: {
		httpStatus: 403,
		message: 'The request came from another site. Send the header "x-spillway-csrf: 1" when it is yours.',
	},
	NAME_TAKEN: { httpStatus: 409, message: 'The name "%s" is taken. Choose another.' },
	LIMIT_REACHED: { httpStatus: 409, message: 'There can be no more: %s.' },
	USER_NOT_FOUND: { httpStatus: 404, message: 'There is no user "%s".' },
	TOO_MANY_ATTEMPTS: { httpStatus: 429, message: 'Too many wrong attempts. Wait %s s and try again.' },
	ACCOUNTS_BUSY: { httpStatus: 503, message: 'Too many people are logging in at this moment. Try again shortly.' },
	// Chat.
	CHAT_READ_ONLY: { httpStatus: 403, message: 'You can read here, but not write: %s.' },
	CHAT_BANNED: { httpStatus: 403, message: 'You are banned from this chat.' },
	CHAT_TIMED_OUT: { httpStatus: 403, message: 'A moderator has paused you. You can write again in %s s.' },
	CHAT_TOO_FAST: { httpStatus: 429, message: 'That was too fast. Try again in %s s.' },
	CHAT_SLOW_MODE: { httpStatus: 429, message: 'Slow mode: one message every %s s. Try again in %s s.' },
	CHAT_DUPLICATE: { httpStatus: 429, message: 'That was just said. Change it, or try again in %s s.' },
	CHAT_WORD_BLOCKED: { httpStatus: 422, message: 'The message holds a word that this channel does not allow.' },
	CHAT_MESSAGE_INVALID: { httpStatus: 400, message: 'The message cannot be sent: %s.' },
	CHAT_MODERATION_REFUSED: { httpStatus: 403, message: 'That was not done: %s.' },
	CHAT_TARGET_UNKNOWN: { httpStatus: 404, message: 'There is no %s in this chat.' },
	// Any request.
	REQUEST_INVALID: { httpStatus: 400, message: 'The request is not valid: %s.' },
	CONTENT_TYPE_UNSUPPORTED: { httpStatus: 415, message: 'The content type must be "%s", but is "%s".' },
	METHOD_NOT_ALLOWED: { httpStatus: 405, message: 'This address does not take %s.' },
	BODY_TOO_LARGE: { httpStatus: 413, message: 'The body is larger than %s bytes.' },
	ROUTE_NOT_FOUND: { httpStatus: 404, message: 'There is nothing at "%s".' },
	RATE_LIMITED: { httpStatus: 429, message: 'Too many requests. Wait %s s and try again.' },
	ORIGIN_REFUSED: {
		httpStatus: 403,
		message: 'Pages of this origin may not connect here. An operator can allow it with http.allowedOrigins.',
	},
	SOCKETS_FULL: { httpStatus: 503, message: 'There are too many connections at this moment. Try again shortly.' },
	// The server, its data folder, database and bus.
	DATABASE_UNAVAILABLE: { httpStatus: 503, message: 'The database does not answer. Try again in a moment.' },
	BUS_UNAVAILABLE: { httpStatus: 503, message: 'The message bus does not answer. Try again in a moment.' },
	DATA_FOLDER_UNWRITABLE: {
		httpStatus: 503,
		message: 'The data folder cannot be written: %s. Make room or repair the disk.',
	},
	DATA_FOLDER_LOCKED: {
		httpStatus: 500,
		message: 'The data folder "%s" is in use by process %s. Stop it, or choose another folder.',
	},
	CONFIG_INVALID: { httpStatus: 500, message: 'The configuration is not valid: %s' },
	SERVER_STOPPING: { httpStatus: 503, message: 'The server is stopping. Try again in a moment.' },
	INTERNAL_ERROR: { httpStatus: 500, message: 'Something broke on our side. Quote request id %s when you report it.' },
} as const satisfies Readonly<Record<string, { httpStatus: number; message: string }>>;

export type ErrorCode = keyof typeof ERROR_CODES;

/** An expected failure. Its code decides the HTTP status; any other thrown value is a bug of ours. */
export class SpillwayError extends Error {
	override readonly name = 'SpillwayError';
	readonly code: ErrorCode;
	readonly httpStatus: number;
	/** Seconds after which to try again, where known; becomes `Retry-After`. */
	readonly retryAfterSeconds: number | undefined;

	constructor(
		code: ErrorCode,
		details: readonly (string | number)[] = [],
		options: { cause?: unknown; retryAfterSeconds?: number } = {},
	) {
		const rest = [...details];
		super(
			ERROR_CODES[code].message.replaceAll('%s', () => String(rest.shift() ?? '')),
			options.cause === undefined ? undefined : { cause: options.cause },
		);
		this.code = code;
		this.httpStatus = ERROR_CODES[code].httpStatus;
		this.retryAfterSeconds = options.retryAfterSeconds;
	}
}

/** Text of anything thrown, for logs. */
export function errorMessage(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}
