/** Tests of the states of the count over all nodes. */
import { expect, it } from 'vitest';
import { reachableStates } from '../../../core/lifecycle/state-machine.ts';
import { PRESENCE_TRANSITIONS, type PresenceEvent, type PresenceState } from './presence.ts';

const events: readonly PresenceEvent[] = ['bus-failed', 'bus-returned', 'others-read', 'settled'];
const table: Record<PresenceState, Partial<Record<PresenceEvent, PresenceState>>> = PRESENCE_TRANSITIONS;
const states = Object.keys(table) as PresenceState[];

it('goes from each state by each event where it should', () => {
	const rows = states.map((state) => [state, ...events.map((event) => table[state][event] ?? '-')]);
	expect(rows).toEqual([
		// bus-failed, bus-returned, others-read, settled
		['summing', 'alone', 'settling', 'summing', '-'],
		['alone', 'alone', 'settling', 'summing', '-'],
		['settling', 'settling', 'settling', 'settling', 'alone'],
	]);
});

it('counts all nodes again from wherever it is, but not before the bus has settled', () => {
	for (const state of states) {
		expect([...reachableStates(table, state)].sort()).toEqual([...states].sort());
	}
	expect(states.filter((state) => (Object.values(table[state]) as string[]).includes('summing'))).toEqual([
		'summing',
		'alone',
	]);
});
