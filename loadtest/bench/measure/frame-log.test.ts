/** Tests of the log arithmetic. */
import { describe, expect, it } from 'vitest';
import { firstFrameMs, spreadOf, summariseWatch, type WatchSummary } from './frame-log.ts';
import { FRAME_NUMBER_RANGE } from '../../source/time-pattern.ts';
import type { SentFrame } from '../../source/source-loop.ts';
import type { ShownFrame } from '../../clients/chromium/bench-page.ts';

const START_MS = 1_700_000_000_000;
const FRAME_MS = 1000 / 30;

function sentFrames(count: number, firstNumber = 0): SentFrame[] {
	return Array.from({ length: count }, (_, index) => ({
		frameNumber: (firstNumber + index) % FRAME_NUMBER_RANGE,
		captureTimeMs: START_MS + index * FRAME_MS,
	}));
}

function showAll(sent: readonly SentFrame[], latencyMs: (index: number) => number): ShownFrame[] {
	return sent.map((frame, index) => ({
		...frame,
		shownAtMs: frame.captureTimeMs + latencyMs(index),
		presentedCount: index + 1,
		widthPixels: 1280,
		heightPixels: 720,
		elementIndex: 0,
	}));
}

const WINDOW = { fromMs: START_MS + 1000, toMs: START_MS + 9000 };

function summarise(shown: readonly ShownFrame[], sent: readonly SentFrame[]): WatchSummary {
	return summariseWatch(shown, [], sent, WINDOW);
}

describe('summariseWatch', () => {
	it('gives latency percentiles, and no loss, for an even stream', () => {
		const sent = sentFrames(300);
		const summary = summarise(
			showAll(sent, () => 80),
			sent,
		);
		expect(summary.glassToGlassMs?.p50).toBeCloseTo(80, 3);
		expect(summary.glassToGlassMs?.p95).toBeCloseTo(80, 3);
		expect(summary).toMatchObject({
			skippedCount: 0,
			repeatedCount: 0,
			outOfOrderCount: 0,
			unreadCount: 0,
			shownRatio: 1,
		});
		expect(summary.longestFreezeMs).toBeCloseTo(FRAME_MS, 1);
		expect(summary.audioVideoSkewMs).toBeUndefined();
	});

	it('counts skipped pictures and the freeze they leave', () => {
		const sent = sentFrames(300);
		const shown = showAll(sent, () => 50).filter((frame) => frame.frameNumber < 100 || frame.frameNumber >= 112);
		const renumbered = shown.map((frame, index) => ({ ...frame, presentedCount: index + 1 }));
		const summary = summarise(renumbered, sent);
		expect(summary.skippedCount).toBe(12);
		expect(summary.longestFreezeMs).toBeCloseTo(13 * FRAME_MS, 1);
		expect(summary.shownRatio).toBeCloseTo(1 - 12 / summary.sentCount, 6);
	});

	it('does not count pictures as skipped that the browser showed while the reader was late', () => {
		const sent = sentFrames(300);
		const shown = showAll(sent, () => 50).filter((frame) => frame.frameNumber % 10 !== 5);
		const summary = summarise(shown, sent);
		expect(summary.skippedCount).toBe(0);
		expect(summary.unreadCount).toBeGreaterThanOrEqual(20);
		expect(summary.shownRatio).toBe(1);
	});

	it('counts repeats and steps back', () => {
		const sent = sentFrames(300);
		const shown = showAll(sent, () => 50);
		shown.splice(151, 0, { ...shown[150]!, shownAtMs: shown[150]!.shownAtMs + 16 });
		shown.splice(202, 0, { ...shown[190]!, shownAtMs: shown[201]!.shownAtMs + 1 });
		expect(summarise(shown, sent)).toMatchObject({ repeatedCount: 1, outOfOrderCount: 1, skippedCount: 0 });
	});

	it('reports a stream that stops as one long freeze and as skipped pictures', () => {
		const sent = sentFrames(300);
		const summary = summarise(showAll(sent, () => 50).slice(0, 150), sent);
		expect(summary.longestFreezeMs).toBeCloseTo(9000 - (149 * FRAME_MS + 50), 1);
		expect(summary.skippedCount).toBeGreaterThan(110);
		const nothing = summarise([], sent);
		expect(nothing).toMatchObject({ shownCount: 0, shownRatio: 0, longestFreezeMs: 8000 });
		expect(nothing.glassToGlassMs).toBeUndefined();
	});

	it('measures the skew against the pictures around each burst', () => {
		const sent = sentFrames(300);
		const shown = showAll(sent, (index) => (index < 150 ? 80 : 200));
		const heard = [2, 3, 7, 8].map((second) => ({
			captureTimeMs: START_MS + second * 1000,
			heardAtMs: START_MS + second * 1000 + (second < 5 ? 80 : 200) + (second % 2 === 0 ? 10 : -30),
		}));
		const skew = summariseWatch(shown, heard, sent, WINDOW).audioVideoSkewMs;
		expect(skew?.count).toBe(4);
		expect(skew?.p50).toBeCloseTo(-10, 3);
		expect(skew?.p95).toBeCloseTo(30, 3);
	});

	it('counts no loss at the wrap of the frame number', () => {
		const sent = sentFrames(300, FRAME_NUMBER_RANGE - 150);
		const summary = summarise(
			showAll(sent, () => 40),
			sent,
		);
		expect(summary).toMatchObject({ outOfOrderCount: 0, skippedCount: 0 });
		expect(summary.longestFreezeMs).toBeCloseTo(FRAME_MS, 1);
	});
});

describe('firstFrameMs and spreadOf', () => {
	it('counts from the click, and gives no figure without samples', () => {
		const shown = showAll(sentFrames(10), () => 30);
		expect(firstFrameMs(shown, START_MS - 200)).toBeCloseTo(230, 3);
		expect(firstFrameMs([], START_MS)).toBeUndefined();
		expect(spreadOf([])).toBeUndefined();
		expect(spreadOf([1, 2, 3, 4, 5])).toEqual({ p50: 3, p95: 4.8, count: 5 });
	});
});
