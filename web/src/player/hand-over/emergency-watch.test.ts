/** When a shown leg counts as an emergency. */
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../../../core/testing/fake-clock.ts';
import type { ChannelState } from '../../../../core/protocol/api/channel-description.ts';
import { EmergencyWatch, type WatchedLeg } from './emergency-watch.ts';

function setUp(change: Partial<WatchedLeg> = {}) {
	const clock = new FakeClock();
	const delay = { lastMediaAtMs: 0 as number | undefined, hasConnected: true, isSoundAlone: false };
	const leg: WatchedLeg = {
		tier: 'webrtc',
		state: 'playing',
		error: undefined,
		delay,
		latestMs: undefined,
		lineVerdict: 'plays',
		...change,
	};
	const watch = new EmergencyWatch();
	const check = (checked: WatchedLeg, channelState: ChannelState) =>
		watch.check(checked, channelState, clock.monotonicMs());
	return { clock, delay, leg, watch, check };
}

describe('EmergencyWatch', () => {
	it('reports a lost connection after 400 ms without media, and its recovery', async () => {
		const { clock, delay, leg, watch, check } = setUp({ latestMs: 1 });
		await clock.advance(390);
		expect(check(leg, 'live')).toBeUndefined();
		await clock.advance(20);
		expect(check(leg, 'live')).toBe('connection-lost');
		expect(watch.cause).toBe('connection-lost');
		delay.lastMediaAtMs = clock.monotonicMs();
		expect(check(leg, 'live')).toBe('recovered');
		expect(check(leg, 'live')).toBeUndefined();
	});

	it('waits a second for the sound alone, which may come rarely', async () => {
		const { clock, delay, leg, check } = setUp({ latestMs: 1 });
		delay.isSoundAlone = true;
		await clock.advance(990);
		expect(check(leg, 'live')).toBeUndefined();
		await clock.advance(20);
		expect(check(leg, 'live')).toBe('connection-lost');
	});

	it('reports a line that is too poor although packets arrive', () => {
		const { leg, check } = setUp({ lineVerdict: 'line-too-poor', state: 'stalled' });
		expect(check(leg, 'live')).toBe('line-too-poor');
		for (const lineVerdict of ['source-gone', 'source-slow', 'machine-busy', 'plays'] as const) {
			expect(check({ ...leg, lineVerdict }, 'live')).not.toBe('line-too-poor');
		}
	});

	it('reports nothing while there is no publisher', async () => {
		const { clock, leg, check } = setUp();
		await clock.advance(5000);
		expect(check(leg, 'interrupted')).toBeUndefined();
		expect(check(leg, 'offline')).toBeUndefined();
	});

	it('reports a path as blocked when it never connected, and as lost when it did', async () => {
		const { clock, delay, leg, check } = setUp({ state: 'connecting' });
		delay.hasConnected = false;
		await clock.advance(1400);
		expect(check(leg, 'live')).toBeUndefined();
		await clock.advance(200);
		expect(check(leg, 'live')).toBe('blocked');
		delay.hasConnected = true;
		expect(check(leg, 'live')).toBe('connection-lost');
	});

	it('maps errors to causes, and leaves LL-HLS only after a fatal one', () => {
		const undecodable = { kind: 'undecodable', detail: '', fatal: true } as const;
		const { leg, check } = setUp();
		const failed = (tier: 'webrtc' | 'll-hls', error: WatchedLeg['error']): WatchedLeg => ({
			...leg,
			tier,
			state: 'error',
			error,
			delay: undefined,
		});
		expect(check(failed('ll-hls', undecodable), 'live')).toBe('undecodable');
		expect(check(failed('ll-hls', { ...undecodable, fatal: false }), 'live')).toBe('recovered');
		expect(check(failed('webrtc', { kind: 'unreachable', detail: '', fatal: false }), 'live')).toBe('connection-lost');
		expect(check(failed('webrtc', { kind: 'unsupported', detail: '', fatal: true }), 'live')).toBe('unsupported');
	});

	it('gives a leg its time again when it connects to the next broadcast, and not when it lost the old one', async () => {
		const { clock, delay, leg, watch, check } = setUp({ latestMs: 1 });
		await clock.advance(10_000);
		delay.lastMediaAtMs = clock.monotonicMs();
		expect(check(leg, 'live')).toBeUndefined();
		const connecting: WatchedLeg = { ...leg, state: 'connecting', latestMs: undefined };
		await clock.advance(1400);
		expect(check(connecting, 'live')).toBeUndefined();
		await clock.advance(60_000);
		expect(check({ ...leg, state: 'ended' }, 'live')).toBeUndefined();
		expect(check(connecting, 'starting')).toBeUndefined();
		await clock.advance(1400);
		expect(check(connecting, 'live')).toBeUndefined();
		await clock.advance(200);
		expect(check(connecting, 'live')).toBe('connection-lost');
		watch.restart(clock.monotonicMs());
		expect(check(connecting, 'live')).toBe('recovered');
		await clock.advance(1600);
		expect(check(connecting, 'live')).toBe('connection-lost');
		// A rebuilt connection is no news.
		expect(check(leg, 'live')).toBe('connection-lost');
		await clock.advance(100);
		expect(check(connecting, 'live')).toBe('connection-lost');
	});
});
