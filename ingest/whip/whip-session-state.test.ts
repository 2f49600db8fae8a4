/** Tests of a WHIP session's states: every pair of state and event, and that it always can close and never comes back. */
import { describe, expect, it } from 'vitest';
import { reachableStates, StateMachine } from '../../core/lifecycle/state-machine.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { WHIP_SESSION_TRANSITIONS, type WhipSessionEvent, type WhipSessionState } from './whip-session-state.ts';

const EVENTS: readonly WhipSessionEvent[] = ['dtls-connected', 'deleted', 'timed-out', 'publisher-ended'];

/** State → the state after each event, in the order of EVENTS; `-` where the event is ignored. */
const EXPECTED: Record<WhipSessionState, string> = {
	answered: 'connected closed closed closed',
	connected: 'connected closed - closed',
	closed: '- - - -',
};

describe('WHIP_SESSION_TRANSITIONS', () => {
	it.each(Object.keys(EXPECTED) as WhipSessionState[])('answers every event in %s', (initial) => {
		const next = EVENTS.map((event) => {
			const machine = new StateMachine<WhipSessionState, WhipSessionEvent>({
				table: WHIP_SESSION_TRANSITIONS,
				initial,
				logger: new RecordingLogger(),
			});
			return machine.handle(event) ? machine.state : '-';
		});
		expect(next.join(' ')).toBe(EXPECTED[initial]);
	});

	it('can close from every state and leaves `closed` by nothing', () => {
		for (const state of Object.keys(WHIP_SESSION_TRANSITIONS) as WhipSessionState[]) {
			expect(reachableStates<WhipSessionState, WhipSessionEvent>(WHIP_SESSION_TRANSITIONS, state)).toContain('closed');
		}
		expect(reachableStates<WhipSessionState, WhipSessionEvent>(WHIP_SESSION_TRANSITIONS, 'closed')).toEqual(
			new Set(['closed']),
		);
	});
});
