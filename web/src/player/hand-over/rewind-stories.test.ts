/** Pauses and rewinding: what the viewer sees, what is opened for it, and what the server gets. */
import { describe, expect, it } from 'vitest';
import { EPOCH_MS, setUp } from './testing/hand-over-rig.ts';

type Rig = ReturnType<typeof setUp>;

/** Each one is in real time, for two seconds. */
async function inRealTime(): Promise<Rig & { backMs: (seconds: number) => number; latestMs: () => number }> {
	const rig = setUp();
	const { clock, stage, signaling, play } = rig;
	await play({ when: () => signaling.decide('webrtc', 'fits'), forMs: 2000, then: ['show webrtc'] });
	return {
		...rig,
		backMs: (seconds) => EPOCH_MS + clock.monotonicMs() - seconds * 1000,
		latestMs: () => stage.watched!.moments.latest!.captureTimeMs,
	};
}

const nothing = (): void => undefined;
const WATCH_BEHIND = ['open ll-hls', 'send pinned: true', 'swap', 'watch ll-hls'];

describe('a viewer who pauses in real time', () => {
	it('continues at the same picture, without a seat, and is back in real time within two seconds', async () => {
		const { stage, signaling, handOver, chooser, play, latestMs } = await inRealTime();
		const pausedAtMs = latestMs();
		await play(
			{ when: () => handOver.setPaused(true), forMs: 4000, then: [] },
			{ when: () => handOver.setPaused(false), forMs: 800, then: WATCH_BEHIND },
		);
		expect(latestMs() - pausedAtMs).toBeLessThan(300);
		expect([handOver.isBehindLive, handOver.settings.isPaused]).toEqual([true, false]);
		await play(
			{ when: () => signaling.decide('ll-hls', 'pinned'), forMs: 5000, then: [] },
			{ when: () => chooser.goLive(), forMs: 40, then: ['send pinned: false'] },
			{
				when: () => signaling.decide('webrtc', 'fits'),
				forMs: 1000,
				then: ['open webrtc', 'swap', 'watch webrtc'],
			},
		);
		expect(stage.watched!.pictureBehindMs).toBeLessThan(500);
		expect([handOver.isBehindLive, handOver.reading.state]).toEqual([false, 'settled']);
	});

	it('returns to live after a moment', async () => {
		const { stage, handOver, play } = await inRealTime();
		await play(
			{ when: () => handOver.setPaused(true), forMs: 900, then: [] },
			{ when: () => handOver.setPaused(false), forMs: 1000, then: [] },
		);
		expect([stage.watched!.tier, handOver.isBehindLive]).toEqual(['webrtc', false]);
	});

	it('loses the seat after some seconds, and continues in what is kept after a minute', async () => {
		const { stage, signaling, handOver, play, latestMs } = await inRealTime();
		const pausedAtMs = latestMs();
		await play(
			{ when: () => handOver.setPaused(true), forMs: 9900, then: [] },
			{ when: nothing, forMs: 200, then: ['leave-elsewhere', 'rest', 'send pinned: true'] },
			{ when: () => signaling.decide('ll-hls', 'pinned'), forMs: 60_000, then: [] },
			{ when: () => handOver.setPaused(false), forMs: 800, then: ['open ll-hls', 'swap', 'watch ll-hls'] },
		);
		expect(latestMs() - pausedAtMs).toBeLessThan(300);
		expect(stage.watched!.isKept).toBe(true);
	});

	it('pauses again on the way, and continues at the first picture', async () => {
		const { handOver, play, latestMs } = await inRealTime();
		const pausedAtMs = latestMs();
		await play(
			{ when: () => handOver.setPaused(true), forMs: 3000, then: [] },
			{ when: () => handOver.setPaused(false), forMs: 100, then: WATCH_BEHIND.slice(0, 2) },
			{ when: () => handOver.setPaused(true), forMs: 20_000, then: ['swap', 'watch ll-hls'] },
			{ when: () => handOver.setPaused(false), forMs: 120, then: [] },
		);
		expect(latestMs() - pausedAtMs).toBeLessThan(300);
	});

	it('watches on at live when nothing comes from there', async () => {
		const { stage, handOver, play } = await inRealTime();
		await play(
			{ when: () => handOver.setPaused(true), forMs: 4000, then: [] },
			{
				when: () => {
					handOver.setPaused(false);
					stage.pending!.isFed = false;
				},
				forMs: 13_000,
				then: ['open ll-hls', 'send pinned: true', 'close the second', 'rewinding failed', 'send pinned: false'],
			},
		);
		expect([stage.watched!.tier, stage.watched!.isPaused, handOver.isBehindLive]).toEqual(['webrtc', false, false]);
		expect(stage.watched!.pictureBehindMs).toBeLessThan(500);
	});
});

describe('a viewer who rewinds', () => {
	it.each([
		[20, false],
		[7000, true],
	])('watches %i s back, and keeps live until that picture is there', async (seconds, isKept) => {
		const { stage, handOver, play, backMs, latestMs } = await inRealTime();
		const wantedMs = backMs(seconds);
		await play(
			{ when: () => handOver.seek(wantedMs), forMs: 300, then: WATCH_BEHIND.slice(0, 2) },
			{ when: nothing, forMs: 500, then: WATCH_BEHIND.slice(2) },
		);
		expect(latestMs() - wantedMs).toBeLessThan(300);
		expect(stage.watched!.isKept).toBe(isKept);
	});

	it('jumps on in the same playback as far as it reaches, and opens another beyond', async () => {
		const { stage, handOver, play, backMs } = await inRealTime();
		await play(
			{ when: () => handOver.seek(backMs(20)), forMs: 1000, then: WATCH_BEHIND },
			{ when: () => handOver.seek(backMs(30)), forMs: 1000, then: ['seek 30 s back'] },
			{ when: () => handOver.seek(backMs(300)), forMs: 1000, then: ['open ll-hls', 'swap', 'watch ll-hls'] },
			{ when: () => handOver.seek(backMs(100)), forMs: 1000, then: ['seek 100 s back'] },
		);
		expect(stage.watched!.isKept).toBe(true);
	});

	it('stays paused where they jump to in a pause', async () => {
		const { handOver, play, backMs, latestMs } = await inRealTime();
		await play({ when: () => handOver.setPaused(true), forMs: 2000, then: [] });
		const wantedMs = backMs(300);
		await play({ when: () => handOver.seek(wantedMs), forMs: 20_000, then: WATCH_BEHIND });
		expect([handOver.settings.isPaused, Math.abs(latestMs() - wantedMs) < 50]).toEqual([true, true]);
		await play({ when: () => handOver.setPaused(false), forMs: 200, then: [] });
		expect(latestMs() - wantedMs).toBeLessThan(300);
	});

	it('is not moved by the server, and goes to LL-HLS when there is no seat', async () => {
		const { stage, signaling, handOver, chooser, play, backMs } = await inRealTime();
		await play(
			{ when: () => handOver.seek(backMs(300)), forMs: 1000, then: WATCH_BEHIND },
			{ when: () => signaling.decide('webrtc', 'fits'), forMs: 1000, then: [] },
			{ when: () => signaling.decide('ll-hls', 'seats-full'), forMs: 1000, then: [] },
			{
				when: () => chooser.goLive(),
				forMs: 2000,
				// The server's decision stays the same, and so it sends none.
				then: ['send pinned: false', 'open ll-hls', 'swap', 'watch ll-hls'],
			},
		);
		expect([stage.watched!.tier, handOver.isBehindLive]).toEqual(['ll-hls', false]);
	});

	it('gets LL-HLS when WebRTC does not come on the way to live', async () => {
		const { stage, signaling, handOver, chooser, play, backMs } = await inRealTime();
		await play({ when: () => handOver.seek(backMs(300)), forMs: 1000, then: WATCH_BEHIND });
		signaling.decide('ll-hls', 'pinned');
		await play(
			{ when: () => chooser.goLive(), forMs: 40, then: ['send pinned: false'] },
			{
				when: () => {
					signaling.decide('webrtc', 'fits');
					stage.pending!.isFed = false;
				},
				forMs: 15_000,
				then: ['open webrtc', 'close the second', 'open ll-hls', 'gave up webrtc', 'swap', 'watch ll-hls'],
			},
		);
		expect(handOver.isBehindLive).toBe(false);
	});

	it('is taken along before the live window leaves them behind', async () => {
		const { stage, handOver, play, backMs } = await inRealTime();
		await play(
			{ when: () => handOver.seek(backMs(29)), forMs: 1000, then: WATCH_BEHIND },
			// At half the speed.
			{
				when: () => (stage.watched!.pictureBehindMs = 46_000),
				forMs: 1500,
				then: ['open ll-hls', 'swap', 'watch ll-hls'],
			},
		);
		expect(stage.watched!.isKept).toBe(true);
		expect(Math.abs(stage.jumpsMs.at(-1) ?? 0)).toBeLessThan(1000);
	});

	it.each([
		['what they watch breaks off', 'error', 'live', ['rewinding failed', 'send pinned: false']],
		['another broadcast follows the one they watch', 'ended', 'live', ['send pinned: false']],
		['the broadcast that they watch is over', 'ended', 'offline', []],
	] as const)('when %s', async (_what, state, channelState, then) => {
		const { stage, handOver, play, backMs } = await inRealTime();
		await play({ when: () => handOver.seek(backMs(300)), forMs: 1000, then: WATCH_BEHIND });
		await play({
			when: () => {
				stage.watched!.isFed = false;
				stage.watched!.state = state;
				handOver.channelReported(channelState);
			},
			forMs: 100,
			then: [...then],
		});
	});
});
