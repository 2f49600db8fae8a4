/** Latency, smoothness and lip sync from a log of shown pictures and heard bursts. Pure arithmetic. */
import { percentile } from '../../../core/percentiles.ts';
import type { HeardSound, ShownFrame } from '../../clients/chromium/bench-page.ts';
import type { SentFrame } from '../../source/source-loop.ts';
import { FRAME_NUMBER_RANGE } from '../../source/time-pattern.ts';

/** Percentiles of one kind of sample; absent where nothing was measured. */
export type Spread = { p50: number; p95: number; count: number };

/** What one viewer saw within a window. Times in milliseconds. A figure that was not measured is absent, never zero. */
export type WatchSummary = {
	/** Capture of a picture → the same picture shown. */
	glassToGlassMs?: Spread;
	/** Different pictures that were read. */
	shownCount: number;
	/** Pictures that the browser showed while our reader was late. */
	unreadCount: number;
	/** Pictures of the source that were not shown. */
	skippedCount: number;
	/** Pictures presented again although they were on the screen already. */
	repeatedCount: number;
	/** Older pictures after newer ones. */
	outOfOrderCount: number;
	/** Pictures of the source that the window expects. */
	sentCount: number;
	/** Shown or unread, of those sent: 0–1. */
	shownRatio?: number;
	/** Longest time without a new picture. */
	longestFreezeMs: number;
	/** Latency of the sound minus that of the picture: positive when the sound is late. p95 is of its magnitude. */
	audioVideoSkewMs?: Spread;
};

/** The time, on the bench's clock, that a summary is about. */
type WatchWindow = { fromMs: number; toMs: number };

/** The p50, p95 and count of samples; undefined for none. */
export function spreadOf(samples: readonly number[]): Spread | undefined {
	if (samples.length === 0) {
		return undefined;
	}
	return { p50: percentile(samples, 50), p95: percentile(samples, 95), count: samples.length };
}

/** Summarises the pictures and bursts within the window. `sent` is the source's own log. */
export function summariseWatch(
	shown: readonly ShownFrame[],
	heard: readonly HeardSound[],
	sent: readonly SentFrame[],
	window: WatchWindow,
): WatchSummary {
	const inWindow = shown.filter((frame) => frame.shownAtMs >= window.fromMs && frame.shownAtMs <= window.toMs);
	const order = countOrder(inWindow);
	const latencies = order.fresh.map((frame) => frame.shownAtMs - frame.captureTimeMs);
	const glassToGlassMs = spreadOf(latencies);
	const expected = expectedFrames(sent, window, glassToGlassMs);
	const seen = new Set(shown.map((frame) => frame.frameNumber));
	const missingCount = expected.filter((frame) => !seen.has(frame.frameNumber)).length;
	const unreadCount = Math.min(order.unreadCount, missingCount);
	const skippedCount = missingCount - unreadCount;
	const skews = heard
		.filter((sound) => sound.heardAtMs >= window.fromMs && sound.heardAtMs <= window.toMs)
		.map((sound) => skewOf(sound, shown))
		.filter((skew) => skew !== undefined);
	const signed = spreadOf(skews);
	return {
		...(glassToGlassMs === undefined ? {} : { glassToGlassMs }),
		shownCount: new Set(inWindow.map((frame) => frame.frameNumber)).size,
		unreadCount,
		skippedCount,
		repeatedCount: order.repeatedCount,
		outOfOrderCount: order.outOfOrderCount,
		sentCount: expected.length,
		...(expected.length === 0 ? {} : { shownRatio: (expected.length - skippedCount) / expected.length }),
		longestFreezeMs: Math.max(...pictureGapsMs(order.fresh, window.fromMs, window.toMs)),
		...(signed === undefined ? {} : { audioVideoSkewMs: { ...signed, p95: percentile(skews.map(Math.abs), 95) } }),
	};
}

/** Times between pictures within two moments, both of which count as pictures. */
export function pictureGapsMs(frames: readonly ShownFrame[], fromMs: number, toMs: number): number[] {
	const moments = [fromMs, ...frames.map(({ shownAtMs }) => shownAtMs).filter((ms) => ms > fromMs && ms < toMs), toMs];
	return moments.slice(1).map((ms, index) => ms - moments[index]!);
}

/** From the viewer's action to the first picture shown, in milliseconds; undefined when none was. */
export function firstFrameMs(shown: readonly ShownFrame[], clickedAtMs: number): number | undefined {
	const first = shown.find((frame) => frame.shownAtMs >= clickedAtMs);
	return first === undefined ? undefined : first.shownAtMs - clickedAtMs;
}

type Order = { fresh: ShownFrame[]; repeatedCount: number; outOfOrderCount: number; unreadCount: number };

// `fresh` holds the pictures that were new when they were shown.
function countOrder(frames: readonly ShownFrame[]): Order {
	const order: Order = { fresh: [], repeatedCount: 0, outOfOrderCount: 0, unreadCount: 0 };
	let previous: ShownFrame | undefined;
	for (const frame of frames) {
		const step = previous === undefined ? 1 : frameStep(previous.frameNumber, frame.frameNumber);
		if (previous !== undefined && frame.elementIndex === previous.elementIndex) {
			order.unreadCount += Math.max(0, frame.presentedCount - previous.presentedCount - 1);
		}
		if (step === 0) {
			order.repeatedCount++;
		} else if (step < 0) {
			order.outOfOrderCount++;
		} else {
			order.fresh.push(frame);
		}
		if (step !== 0) {
			previous = frame;
		} else if (previous !== undefined) {
			previous = { ...previous, presentedCount: frame.presentedCount };
		}
	}
	return order;
}

function frameStep(from: number, to: number): number {
	const step = (to - from + FRAME_NUMBER_RANGE) % FRAME_NUMBER_RANGE;
	return step > FRAME_NUMBER_RANGE / 2 ? step - FRAME_NUMBER_RANGE : step;
}

// Pictures that reach the screen within the window at the median latency. The end of the window counts with the p95 and
// a margin: pictures that are still under way when the log ends are not skipped.
function expectedFrames(sent: readonly SentFrame[], window: WatchWindow, latency: Spread | undefined): SentFrame[] {
	if (latency === undefined) {
		return sent.filter((frame) => frame.captureTimeMs >= window.fromMs && frame.captureTimeMs <= window.toMs);
	}
	const fromMs = window.fromMs - latency.p50;
	const toMs = window.toMs - latency.p95 - 100;
	return sent.filter((frame) => frame.captureTimeMs >= fromMs && frame.captureTimeMs <= toMs);
}

// The sound's latency minus that of the pictures captured within half a second of it.
function skewOf(sound: HeardSound, shown: readonly ShownFrame[]): number | undefined {
	const latencies = shown
		.filter((frame) => Math.abs(frame.captureTimeMs - sound.captureTimeMs) <= 500)
		.map((frame) => frame.shownAtMs - frame.captureTimeMs);
	return latencies.length < 3 ? undefined : sound.heardAtMs - sound.captureTimeMs - percentile(latencies, 50);
}
