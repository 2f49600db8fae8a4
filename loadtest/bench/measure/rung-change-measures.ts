/** A change of the picture's size in one element, measured by a log of pictures and silences. Pure. */
import type { ShownFrame } from '../../clients/chromium/bench-page.ts';
import { FRAME_NUMBER_RANGE } from '../../source/time-pattern.ts';

/** What a viewer notices within a second of a moment. */
export type Disturbance = {
	/** Longest time without a new picture, in milliseconds. */
	gapMs: number;
	/** Pictures of the source that were never shown. Those that only our reader missed do not count. */
	missingCount: number;
	/** Pictures that were shown again after newer ones. */
	repeatedCount: number;
	/** Longest silence, in milliseconds. */
	quietMs: number;
};

export type RungChange = Disturbance & {
	/** From the choice to the first picture of the new size, in milliseconds. */
	tookMs: number;
	/** Pictures of the source between the last one of the old size and the first one of the new size. */
	missingAtChangeCount: number;
};

type QuietStretch = { fromMs: number; durationMs: number };

const AROUND_MS = 1000;

/** The first change to that height after that time; undefined when there is none. */
export function measureRungChange(
	frames: readonly ShownFrame[],
	quiet: readonly QuietStretch[],
	asked: { atMs: number; heightPixels: number },
): RungChange | undefined {
	const at = frames.findIndex(
		({ shownAtMs, heightPixels }, index) => index > 0 && shownAtMs >= asked.atMs && heightPixels === asked.heightPixels,
	);
	if (at < 0) {
		return undefined;
	}
	const { shownAtMs } = frames[at]!;
	return {
		...measureDisturbance(frames, quiet, shownAtMs),
		tookMs: shownAtMs - asked.atMs,
		missingAtChangeCount: missingBetween(frames[at - 1]!, frames[at]!),
	};
}

/** Also of a moment without a change, for comparison. */
export function measureDisturbance(
	frames: readonly ShownFrame[],
	quiet: readonly QuietStretch[],
	atMs: number,
): Disturbance {
	const isNear = (ms: number): boolean => Math.abs(ms - atMs) <= AROUND_MS;
	const near = frames.filter(({ shownAtMs }) => isNear(shownAtMs));
	const result: Disturbance = { gapMs: 0, missingCount: 0, repeatedCount: 0, quietMs: 0 };
	let newest: ShownFrame | undefined;
	for (const frame of near) {
		const step = newest === undefined ? 1 : stepOf(newest, frame);
		if (newest !== undefined && step > 0) {
			result.gapMs = Math.max(result.gapMs, frame.shownAtMs - newest.shownAtMs);
			result.missingCount += missingBetween(newest, frame);
		}
		result.repeatedCount += step < 0 ? 1 : 0;
		// The same picture again, as after a seek, is still the newest one.
		newest = step > 0 ? frame : { ...newest!, presentedCount: frame.presentedCount };
	}
	const silences = quiet.filter(({ fromMs, durationMs }) => isNear(fromMs) || isNear(fromMs + durationMs));
	result.quietMs = Math.max(0, ...silences.map(({ durationMs }) => durationMs));
	return result;
}

function stepOf(from: ShownFrame, to: ShownFrame): number {
	const step = (to.frameNumber - from.frameNumber + FRAME_NUMBER_RANGE) % FRAME_NUMBER_RANGE;
	return step > FRAME_NUMBER_RANGE / 2 ? step - FRAME_NUMBER_RANGE : step;
}

function missingBetween(from: ShownFrame, to: ShownFrame): number {
	const unreadCount = Math.max(0, to.presentedCount - from.presentedCount - 1);
	return Math.max(0, stepOf(from, to) - 1 - unreadCount);
}
