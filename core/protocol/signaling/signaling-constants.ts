/**
 * The signaling socket's address, limits, reasons and close codes, apart from its messages: pages need these, and no
 * schemas.
 */

/** Version of the messages; the first of them names it. */
export const SIGNALING_PROTOCOL = 1;
/** Address of the socket. */
export const SIGNALING_PATH = '/api/v1/signaling';
/** Longest frame that the server reads, in bytes. */
export const MAX_SIGNALING_MESSAGE_BYTES = 16_384;
/** Characters of one chat message. */
export const MAX_CHAT_TEXT_LENGTH = 500;

/** Why the server closes a socket (RFC 6455 §7.4.2: 4000–4999 are ours), and whether the viewer should come again. */
export const SIGNALING_CLOSE_CODES = {
	serverStopping: { code: 4000, reconnects: true },
	heartbeatMissed: { code: 4001, reconnects: true },
	tooSlow: { code: 4002, reconnects: true },
	busy: { code: 4003, reconnects: true },
	replaced: { code: 4004, reconnects: false },
	malformedMessage: { code: 4005, reconnects: false },
	protocolUnsupported: { code: 4006, reconnects: false },
	channelNotFound: { code: 4007, reconnects: false },
	joinTimeout: { code: 4008, reconnects: true },
	tooManyMessages: { code: 4009, reconnects: true },
	signedOut: { code: 4010, reconnects: true },
} as const satisfies Record<string, { code: number; reconnects: boolean }>;
/** A name in {@link SIGNALING_CLOSE_CODES}. */
export type SignalingCloseReason = keyof typeof SIGNALING_CLOSE_CODES;

/** Names in chat of those without an account begin so; no account's does. */
export const GUEST_NAME_PREFIX = 'guest-';
