/** Walks every pair of state and event. */
import { describe, expect, it } from 'vitest';
import { reachableStates } from '../../../../core/lifecycle/state-machine.ts';
import { PLAYBACK_TRANSITIONS, canHandle, type PlaybackEvent, type PlaybackState } from './playback-state.ts';

const STATES = Object.keys(PLAYBACK_TRANSITIONS) as PlaybackState[];
const EVENTS: PlaybackEvent[] = [
	'started',
	'frame-shown',
	'frames-missed',
	'channel-live',
	'channel-interrupted',
	'channel-offline',
	'broadcast-ended',
	'failed',
	'retried',
	'stopped',
];

describe('playback states', () => {
	it('has exactly these transitions', () => {
		const table = STATES.map((state) =>
			[state, ...EVENTS.map((event) => (PLAYBACK_TRANSITIONS[state] as Record<string, string>)[event] ?? '-')].join(
				' ',
			),
		);
		expect(table).toEqual([
			'idle connecting - - - - - - - - stopped',
			'connecting - playing - - interrupted offline ended error - stopped',
			'playing - - stalled - - - ended error - stopped',
			'stalled - playing - - interrupted - ended error - stopped',
			'interrupted - playing - connecting - offline ended error - stopped',
			'offline - playing - connecting interrupted - - error - stopped',
			'ended - playing - connecting interrupted - - error - stopped',
			'error - playing - - interrupted offline ended - connecting stopped',
			'stopped - - - - - - - - - -',
		]);
	});

	it.each(STATES)('can be stopped from %s, and not be left then', (state) => {
		expect(reachableStates<PlaybackState, PlaybackEvent>(PLAYBACK_TRANSITIONS, state)).toContain('stopped');
		expect(Object.keys(PLAYBACK_TRANSITIONS.stopped)).toEqual([]);
	});

	it.each(STATES.filter((state) => state !== 'stopped' && state !== 'idle' && state !== 'playing'))(
		'plays as soon as a frame is shown in %s',
		(state) => {
			expect(canHandle(state, 'frame-shown')).toBe(true);
		},
	);
});
