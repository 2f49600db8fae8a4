/** Every pair of state and event. */
import { describe, expect, it } from 'vitest';
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

	it('handles the events of the table and no others', () => {
		expect([canHandle('error', 'retried'), canHandle('playing', 'retried')]).toEqual([true, false]);
	});
});
