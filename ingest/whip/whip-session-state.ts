/** The states of a WHIP session (RFC 9725), and what moves it from one to the next. */
import type { TransitionTable } from '../../core/lifecycle/state-machine.ts';

/** answered: the 201 is out. connected: DTLS is up and the publisher is handed to its broadcast. */
export type WhipSessionState = 'answered' | 'connected' | 'closed';

/** What happens to a session. */
export type WhipSessionEvent = 'dtls-connected' | 'deleted' | 'timed-out' | 'publisher-ended';

export const WHIP_SESSION_TRANSITIONS = {
	answered: { 'dtls-connected': 'connected', deleted: 'closed', 'timed-out': 'closed', 'publisher-ended': 'closed' },
	connected: { 'dtls-connected': 'connected', deleted: 'closed', 'publisher-ended': 'closed' },
	closed: {},
} as const satisfies TransitionTable<WhipSessionState, WhipSessionEvent>;
