/** Metrics from frames and counts. */
import { describe, expect, it } from 'vitest';
import { PlaybackMetrics, type ShownFrame } from './playback-metrics.ts';

function frameAt(shownAtMs: number, latencyMs: number | undefined): ShownFrame {
	return {
		shownAtMs,
		captureTimeMs: latencyMs === undefined ? undefined : 1_000_000 + shownAtMs - latencyMs,
		displayedAtServerMs: 1_000_000 + shownAtMs,
		widthPixels: 1280,
		heightPixels: 720,
	};
}

describe('PlaybackMetrics', () => {
	it('is undefined before the first frame, rather than zero', () => {
		expect(new PlaybackMetrics(0).read(5000)).toEqual({
			widthPixels: undefined,
			heightPixels: undefined,
			frameRate: undefined,
			latencyMs: undefined,
			latencyP95Ms: undefined,
			bitrateBps: undefined,
			framesShownCount: 0,
			framesDroppedCount: 0,
			stallCount: 0,
			stalledForMs: 0,
			firstFrameAfterMs: undefined,
		});
	});

	it('reads the last second: median latency, frame rate, size', () => {
		const metrics = new PlaybackMetrics(500);
		for (let index = 0; index < 90; index++) {
			// Two seconds at 700 ms, one at 100 ms: only the last counts.
			metrics.frameShown(frameAt(1000 + index * (1000 / 30), index < 60 ? 700 : 100));
		}
		const reading = metrics.read(1000 + 89 * (1000 / 30));
		expect(reading.latencyMs).toBeCloseTo(100, 6);
		expect(reading.frameRate).toBeCloseTo(30, 6);
		expect([reading.widthPixels, reading.heightPixels]).toEqual([1280, 720]);
		expect(reading.framesShownCount).toBe(90);
		expect(reading.firstFrameAfterMs).toBe(500);
		expect(reading.stallCount).toBe(0);
	});

	it('counts gaps over 250 ms as stalls, and a pause as none', () => {
		const metrics = new PlaybackMetrics(0);
		metrics.frameShown(frameAt(0, 50));
		metrics.frameShown(frameAt(250, 50));
		metrics.frameShown(frameAt(900, 50));
		expect(metrics.read(900)).toMatchObject({ stallCount: 1, stalledForMs: 650 });
		metrics.pauseObserved();
		metrics.frameShown(frameAt(20_000, 50));
		expect(metrics.read(20_000)).toMatchObject({ stallCount: 1, stalledForMs: 650 });
	});

	it('ignores frames whose capture time is unknown or absurd', () => {
		const metrics = new PlaybackMetrics(0);
		metrics.frameShown(frameAt(0, undefined));
		metrics.frameShown(frameAt(33, 9_000_000));
		expect(metrics.read(40).latencyMs).toBeUndefined();
		metrics.frameShown(frameAt(66, 80));
		expect(metrics.read(70).latencyMs).toBeCloseTo(80, 6);
	});

	it('computes the bitrate over three seconds, and again after a reconnect', () => {
		const metrics = new PlaybackMetrics(0);
		for (let atMs = 0; atMs <= 10_000; atMs += 1000) {
			metrics.bytesReceived(atMs, (atMs / 1000) * 250_000);
		}
		expect(metrics.read(10_000).bitrateBps).toBe(2_000_000);
		expect(metrics.read(14_000).bitrateBps).toBeUndefined();
		metrics.bytesReceived(11_000, 0);
		expect(metrics.read(11_000).bitrateBps).toBeUndefined();
		metrics.bytesReceived(12_000, 125_000);
		expect(metrics.read(12_000).bitrateBps).toBe(1_000_000);
	});
});
