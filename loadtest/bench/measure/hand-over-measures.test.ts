/** Tests of the measures with logs of known gaps and jumps. */
import { describe, expect, it } from 'vitest';
import { measureHandOver, measureLatencyErrors } from './hand-over-measures.ts';
import type { ShownFrame } from '../../clients/chromium/bench-page.ts';

function frames(fromMs: number, toMs: number, latencyMs: number, elementIndex: number): ShownFrame[] {
	return Array.from({ length: Math.round((toMs - fromMs) / 40) }, (_unused, index) => ({
		frameNumber: index,
		captureTimeMs: fromMs + index * 40 - latencyMs,
		shownAtMs: fromMs + index * 40,
		presentedCount: index,
		widthPixels: 1280,
		heightPixels: 720,
		elementIndex,
	}));
}

describe('measureHandOver', () => {
	const log = [...frames(0, 2000, 900, 0), ...frames(2040, 4000, 870, 1)];

	it('finds the swap, its gap and what was skipped', () => {
		const measure = measureHandOver(log, [], [], 100)!;
		expect(measure).toMatchObject({ presentedGapMs: 80, contentJumpMs: 30, audioGapMs: 0, swappedAtMs: 2040 });
		expect(measure.soundJumpMs).toBeUndefined();
	});

	it('measures the longest silence near the swap, and the jump between the sounds before and after', () => {
		const quiet = [
			{ fromMs: 100, durationMs: 500 },
			{ fromMs: 2000, durationMs: 35 },
			{ fromMs: 2100, durationMs: 5 },
		];
		const heard = [
			{ captureTimeMs: 1000, heardAtMs: 1900 },
			{ captureTimeMs: 2000, heardAtMs: 2850 },
		];
		expect(measureHandOver(log, quiet, heard, 0)).toMatchObject({ audioGapMs: 35, soundJumpMs: 50 });
	});

	it('is undefined where nothing was swapped', () => {
		expect(measureHandOver(log, [], [], 2100)).toBeUndefined();
		expect(measureHandOver([], [], [], 0)).toBeUndefined();
	});
});

describe('measureLatencyErrors', () => {
	it('compares a claim with the pictures of the second before', () => {
		const log = frames(0, 4000, 900, 0);
		const claims = [
			{ atMs: 2000, tier: 'll-hls', latencyMs: 912 },
			{ atMs: 3000, tier: 'webrtc', latencyMs: 50 },
		];
		expect(measureLatencyErrors(log, claims, 'll-hls')).toEqual([12]);
	});

	it('leaves out seconds with two playbacks or without pictures', () => {
		const log = [...frames(0, 2000, 900, 0), ...frames(2000, 4000, 100, 1)];
		const claims = [2500, 9000].map((atMs) => ({ atMs, tier: 'll-hls', latencyMs: 900 }));
		expect(measureLatencyErrors(log, claims, 'll-hls')).toEqual([]);
	});
});
