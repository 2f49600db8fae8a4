/** Tests of a broadcast's states: every pair of state and event, and that it always can end and never comes back. */
import { describe, expect, it } from 'vitest';
import { reachableStates, StateMachine } from '../../core/lifecycle/state-machine.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { BROADCAST_TRANSITIONS, type BroadcastEvent, type BroadcastState } from './broadcast-state.ts';

const EVENTS: readonly BroadcastEvent[] = [
	'media-began',
	'media-stopped',
	'unpublished',
	'grace-window-expired',
	'start-failed',
	'server-stopped',
];

/** State → the state after each event, in the order of EVENTS; `-` where the event is ignored. */
const EXPECTED: Record<BroadcastState, string> = {
	starting: 'live starting ended ended ended ended',
	live: 'live interrupted ended ended - ended',
	interrupted: 'live interrupted ended ended - ended',
	ended: '- - - - - -',
};

describe('BROADCAST_TRANSITIONS', () => {
	it.each(Object.keys(EXPECTED) as BroadcastState[])('answers every event in %s', (initial) => {
		const next = EVENTS.map((event) => {
			const machine = new StateMachine<BroadcastState, BroadcastEvent>({
				table: BROADCAST_TRANSITIONS,
				initial,
				logger: new RecordingLogger(),
			});
			return machine.handle(event) ? machine.state : '-';
		});
		expect(next.join(' ')).toBe(EXPECTED[initial]);
	});

	it('can end from every state and leaves `ended` by nothing', () => {
		for (const state of Object.keys(BROADCAST_TRANSITIONS) as BroadcastState[]) {
			expect(reachableStates<BroadcastState, BroadcastEvent>(BROADCAST_TRANSITIONS, state)).toContain('ended');
		}
		expect(reachableStates<BroadcastState, BroadcastEvent>(BROADCAST_TRANSITIONS, 'ended')).toEqual(new Set(['ended']));
	});

	it('can be live again after an interruption', () => {
		expect(reachableStates<BroadcastState, BroadcastEvent>(BROADCAST_TRANSITIONS, 'interrupted')).toContain('live');
	});
});
