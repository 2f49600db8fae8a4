/** The states of one RTMP connection and the reasons for its end. Data only. */
import type { TransitionTable } from '../../core/lifecycle/state-machine.ts';
import type { PublisherEndReason } from '../publisher/publisher.ts';

/**
 * Why a connection ended, with or without a publisher on it. `unpublished`: FCUnpublish, deleteStream or closeStream,
 * after which the connection may publish again; or an end of sequence before the connection ended. `timed-out`: also
 * when the encoder does not read our answers. After `worker-died` the encoder gets no answer, so that it reconnects.
 */
export type RtmpSessionEndReason =
	| PublisherEndReason
	/** The key was not accepted, or the request is not supported. */
	| 'refused'
	/** A bug of this server; logged as an error. */
	| 'internal-error';

export type RtmpSessionState =
	/** C0, C1 and C2 are awaited. */
	| 'handshaking'
	/** `connect` is awaited. */
	| 'connecting'
	/** `publish` is awaited. */
	| 'connected'
	/** The stream key is being checked. */
	| 'authorizing'
	| 'publishing'
	| 'closed';

export type RtmpSessionEvent =
	| 'handshake-completed'
	| 'connect-accepted'
	| 'publish-requested'
	| 'publish-accepted'
	/** The encoder has unpublished; the connection stays. */
	| 'publish-ended'
	| RtmpSessionEndReason;

const ENDS_ANYWHERE = {
	'connection-lost': 'closed',
	'timed-out': 'closed',
	'protocol-error': 'closed',
	'server-shutdown': 'closed',
	'internal-error': 'closed',
} as const;

export const RTMP_SESSION_TRANSITIONS = {
	handshaking: { 'handshake-completed': 'connecting', ...ENDS_ANYWHERE },
	connecting: { 'connect-accepted': 'connected', refused: 'closed', ...ENDS_ANYWHERE },
	connected: { 'publish-requested': 'authorizing', refused: 'closed', ...ENDS_ANYWHERE },
	authorizing: { 'publish-accepted': 'publishing', refused: 'closed', ...ENDS_ANYWHERE },
	publishing: {
		'publish-ended': 'connected',
		unpublished: 'closed',
		'media-unusable': 'closed',
		replaced: 'closed',
		'key-revoked': 'closed',
		'bitrate-too-high': 'closed',
		'worker-died': 'closed',
		...ENDS_ANYWHERE,
	},
	closed: {},
} as const satisfies TransitionTable<RtmpSessionState, RtmpSessionEvent>;
