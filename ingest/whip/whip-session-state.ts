/** The states of a WHIP session (RFC 9725) and their transitions. */
import type { TransitionTable } from '../../core/lifecycle/state-machine.ts';

/** answered: the 201 is sent. connected: DTLS is up and the publisher is attached to its broadcast. */
export type WhipSessionState = 'answered' | 'connected' | 'closed';

export type WhipSessionEvent = 'dtls-connected' | 'deleted' | 'timed-out' | 'publisher-ended';

export const WHIP_SESSION_TRANSITIONS = {
	answered: { 'dtls-connected': 'connected', deleted: 'closed', 'timed-out': 'closed', 'publisher-ended': 'closed' },
	connected: { 'dtls-connected': 'connected', deleted: 'closed', 'publisher-ended': 'closed' },
	closed: {},
} as const satisfies TransitionTable<WhipSessionState, WhipSessionEvent>;
