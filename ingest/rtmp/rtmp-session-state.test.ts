/** Tests of rtmp-session-state.ts. */
import { describe, expect, it } from 'vitest';
import { reachableStates, type TransitionTable } from '../../core/lifecycle/state-machine.ts';
import { RTMP_SESSION_TRANSITIONS, type RtmpSessionEvent, type RtmpSessionState } from './rtmp-session-state.ts';

const table: TransitionTable<RtmpSessionState, RtmpSessionEvent> = RTMP_SESSION_TRANSITIONS;
const states = Object.keys(table) as RtmpSessionState[];
const always: RtmpSessionEvent[] = [
	'connection-lost',
	'internal-error',
	'protocol-error',
	'server-shutdown',
	'timed-out',
];

describe('RTMP_SESSION_TRANSITIONS', () => {
	it('has exactly these events in each state', () => {
		expect(Object.fromEntries(states.map((state) => [state, Object.keys(table[state]).sort()]))).toEqual({
			handshaking: [...always, 'handshake-completed'].sort(),
			connecting: [...always, 'connect-accepted', 'refused'].sort(),
			connected: [...always, 'publish-requested', 'refused'].sort(),
			authorizing: [...always, 'publish-accepted', 'refused'].sort(),
			publishing: [
				...always,
				'bitrate-too-high',
				'key-revoked',
				'media-unusable',
				'publish-ended',
				'replaced',
				'unpublished',
				'worker-died',
			].sort(),
			closed: [],
		});
	});

	it('reaches closed from each state and every state from the first', () => {
		for (const state of states) {
			expect(reachableStates(table, state)).toContain('closed');
		}
		expect([...reachableStates(table, 'handshaking')].sort()).toEqual([...states].sort());
	});

	it('publishes only behind a checked key', () => {
		const before = states.filter((state) => Object.values(table[state]).includes('publishing'));
		expect(before).toEqual(['authorizing']);
	});
});
