/** The test of every transition table: the effect of each event in each state. */
import { describe, expect, it } from 'vitest';
import { reachableStates, StateMachine, type TransitionTable } from '../../core/lifecycle/state-machine.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';

/**
 * `expected`: state → the state after each event, in the order of `events`; `-` where the event is ignored. `last`: a
 * state that is reachable from every other one and is never left.
 */
export function describeTransitions<Table extends Record<string, object>>(
	title: string,
	transitions: Table,
	rows: { events: readonly string[]; expected: Record<keyof Table & string, string>; last?: keyof Table & string },
): void {
	const { events, expected, last } = rows;
	const table = transitions as TransitionTable<string, string>;
	const states = Object.keys(table);
	describe(title, () => {
		it.each(states)('answers every event in %s', (initial) => {
			const next = events.map((event) => {
				const machine = new StateMachine({ table, initial, logger: new RecordingLogger() });
				return machine.handle(event) ? machine.state : '-';
			});
			expect(next.join(' ')).toBe(expected[initial]);
			expect(Object.keys(table[initial]!).filter((event) => !events.includes(event))).toEqual([]);
		});

		if (last !== undefined) {
			it('reaches its last state from every state, and never leaves it', () => {
				expect(states.filter((state) => !reachableStates(table, state).has(last))).toEqual([]);
				expect([...reachableStates(table, last)]).toEqual([last]);
			});
		}
	});
}
