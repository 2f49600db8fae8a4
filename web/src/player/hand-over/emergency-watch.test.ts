/** What counts as an emergency, and what does not. */
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../../../core/testing/fake-clock.ts';
import { PlayedMoments } from '../measure/alignment.ts';
import { EmergencyWatch, type WatchedPlayback } from './emergency-watch.ts';

function setUp(change: Partial<WatchedPlayback> = {}) {
	const clock = new FakeClock();
	const delay = {
		lastMediaAtMs: 0 as number | undefined,
		hasConnected: true,
		setTarget() {},
		playedSound: () => undefined,
	};
	const playback: WatchedPlayback = {
		tier: 'webrtc',
		state: 'playing',
		error: undefined,
		delay,
		shownMoments: new PlayedMoments(),
		lineVerdict: () => 'plays',
		...change,
	};
	return { clock, delay, playback, watch: new EmergencyWatch(clock) };
}

describe('EmergencyWatch', () => {
	it('doubts a connection after 400 ms without media, and believes it again', async () => {
		const { clock, delay, playback, watch } = setUp();
		playback.shownMoments.add({ captureTimeMs: 1, playedAtMs: 0 });
		await clock.advance(390);
		expect(watch.check(playback, 'live')).toBeUndefined();
		await clock.advance(20);
		expect(watch.check(playback, 'live')).toBe('connection-lost');
		expect(watch.cause).toBe('connection-lost');
		delay.lastMediaAtMs = clock.monotonicMs();
		expect(watch.check(playback, 'live')).toBe('recovered');
		expect(watch.check(playback, 'live')).toBeUndefined();
	});

	it('calls a picture that the line does not carry an emergency, though packets arrive', () => {
		const { playback, watch } = setUp({ lineVerdict: () => 'line-too-poor', state: 'stalled' });
		expect(watch.check(playback, 'live')).toBe('line-too-poor');
		for (const lineVerdict of ['source-gone', 'source-slow', 'machine-busy', 'plays'] as const) {
			expect(watch.check({ ...playback, lineVerdict: () => lineVerdict }, 'live')).not.toBe('line-too-poor');
		}
	});

	it('is calm while there is no publisher', async () => {
		const { clock, playback, watch } = setUp();
		await clock.advance(5000);
		expect(watch.check(playback, 'interrupted')).toBeUndefined();
		expect(watch.check(playback, 'offline')).toBeUndefined();
	});

	it('calls a path blocked when it was never found, and lost when it was', async () => {
		const { clock, delay, playback, watch } = setUp({ state: 'connecting' });
		delay.hasConnected = false;
		await clock.advance(1400);
		expect(watch.check(playback, 'live')).toBeUndefined();
		await clock.advance(200);
		expect(watch.check(playback, 'live')).toBe('blocked');
		delay.hasConnected = true;
		expect(watch.check(playback, 'live')).toBe('connection-lost');
	});

	it('takes errors for what they are: LL-HLS is left only for good', () => {
		const undecodable = { kind: 'undecodable', detail: '', fatal: true } as const;
		const { watch, playback } = setUp();
		const failed = (tier: 'webrtc' | 'll-hls', error: WatchedPlayback['error']): WatchedPlayback => ({
			...playback,
			tier,
			state: 'error',
			error,
			delay: undefined,
		});
		expect(watch.check(failed('ll-hls', undecodable), 'live')).toBe('undecodable');
		expect(watch.check(failed('ll-hls', { ...undecodable, fatal: false }), 'live')).toBe('recovered');
		expect(watch.check(failed('webrtc', { kind: 'unreachable', detail: '', fatal: false }), 'live')).toBe(
			'connection-lost',
		);
		expect(watch.check(failed('webrtc', { kind: 'unsupported', detail: '', fatal: true }), 'live')).toBe('unsupported');
	});
});
