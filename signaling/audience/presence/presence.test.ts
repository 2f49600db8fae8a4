/** Tests of the states of the viewer count over all nodes. */
import { expect, it } from 'vitest';
import { PRESENCE_TRANSITIONS, type PresenceEvent, type PresenceState } from './presence.ts';

const events: readonly PresenceEvent[] = ['bus-failed', 'bus-returned', 'others-read', 'settled'];
const table: Record<PresenceState, Partial<Record<PresenceEvent, PresenceState>>> = PRESENCE_TRANSITIONS;

it('returns to counting all nodes from every state, but not before the bus has settled', () => {
	const rows = Object.entries(table).map(([state, row]) => [state, ...events.map((event) => row[event] ?? '-')]);
	expect(rows).toEqual([
		// bus-failed, bus-returned, others-read, settled
		['summing', 'alone', 'settling', 'summing', '-'],
		['alone', 'alone', 'settling', 'summing', '-'],
		['settling', 'settling', 'settling', 'settling', 'alone'],
	]);
});
