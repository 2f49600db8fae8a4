/** Address, limits and close codes of the signaling socket. Without schemas, which are too large for the pages. */

/** Version of the messages; `join` has it. */
export const SIGNALING_PROTOCOL = 1;
export const SIGNALING_PATH = '/api/v1/signaling';
/** Longest frame that the server reads. */
export const MAX_SIGNALING_MESSAGE_BYTES = 16_384;
/** Header of a WHEP request with the id of the viewer on the signaling socket, so that a viewer is counted once. */
export const VIEWER_HEADER = 'x-spillway-viewer';

/** Why the server closes a socket (RFC 6455 §7.4.2: 4000–4999 are ours), and whether the viewer should reconnect. */
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
export type SignalingCloseReason = keyof typeof SIGNALING_CLOSE_CODES;

/** Prefix of chat names of viewers without an account; no account's name has it. */
export const GUEST_NAME_PREFIX = 'guest-';
