/** The states of one RTMP connection and why it ends. Data only. */
import type { TransitionTable } from '../../core/lifecycle/state-machine.ts';

/** Why an accepted publisher ended: the same words as for publishers of any protocol. */
export type RtmpPublisherEndReason =
	/**
	 * A clean stop: FCUnpublish, deleteStream or closeStream, after which the connection may publish again; or an end of sequence
	 * before the connection ended.
	 */
	| 'unpublished'
	/** The connection ended without a word, or a bug of ours ended it; either way the encoder may come back. */
	| 'connection-lost'
	/** Nothing came for the idle time, or the encoder does not read what we send. */
	| 'timed-out'
	/** It sent what cannot be read or is beyond the bounds. */
	| 'protocol-error'
	/** Another publisher took over. */
	| 'replaced'
	/** Its key is no longer valid. */
	| 'key-revoked'
	/** It sent more than one publisher may. */
	| 'bitrate-too-high'
	/** It sends nothing that we can use. */
	| 'media-unusable'
	/** What its media went through is gone. It is not told, so that it comes back. */
	| 'worker-died'
	| 'server-shutdown';

/** Why a connection ended, with or without a publisher on it. */
export type RtmpSessionEndReason =
	| RtmpPublisherEndReason
	/** The key was not accepted, or it asked for something that we do not do. */
	| 'refused'
	/** A bug of ours; logged as an error. */
	| 'internal-error';

/** Where a connection stands. */
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

/** What moves it. */
export type RtmpSessionEvent =
	| 'handshake-completed'
	| 'connect-accepted'
	| 'publish-requested'
	| 'publish-accepted'
	/** The encoder said goodbye; the connection stays. */
	| 'publish-ended'
	| RtmpSessionEndReason;

const ENDS_ANYWHERE = {
	'connection-lost': 'closed',
	'timed-out': 'closed',
	'protocol-error': 'closed',
	'server-shutdown': 'closed',
	'internal-error': 'closed',
} as const;

/** The transitions. */
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
