/** How a viewer follows a line that becomes narrower and wide again. Pure. */
import { median } from '../../../core/percentiles.ts';
import { bytesToBps } from '../../../core/units.ts';
import type { ShownFrame } from '../../clients/chromium/bench-page.ts';
import { findFreezes, latencyOf, type LineSample, stallBoundMs, usualIntervalMs } from './line-figures.ts';

/** Epoch milliseconds: the line is wide from the first on, narrow from the second, wide again from the third. */
export type StepTimes = { fromMs: number; narrowAtMs: number; wideAtMs: number; toMs: number };

/** Milliseconds; undefined: never. */
export type StepFigures = {
	/** Height that is shown at the end of the first wide stretch. */
	topHeightPixels: number;
	lowestHeightPixels: number;
	/** From the narrow line to the first smaller picture. */
	smallerAfterMs: number | undefined;
	/** From the wide line until the top height is shown for good; undefined also where it was never left. */
	topAgainAfterMs: number | undefined;
	/** Pictures later than the W3C's bound for a freeze: how many, all together beyond the usual interval, and most. */
	stallCount: number;
	stalledMs: number;
	longestStallMs: number;
	/** Median in the first wide stretch. */
	latencyBeforeMs: number | undefined;
	highestLatencyMs: number | undefined;
	/** From the wide line until the latency is as before for {@link HELD_SECONDS}. */
	latencyBackAfterMs: number | undefined;
	/** Bits a second, of each stretch. */
	sentBps: number[];
	receivedBps: number[];
	resentBps: number[];
};

/** The latency is "as before" when it is above by no more than this, or by a tenth. */
const LATENCY_MARGIN_MS = 100;
const LATENCY_MARGIN_RATIO = 0.1;
const SECOND_MS = 1000;
/** The end of the first stretch shows the top. */
const TOP_MS = 5000;
const HELD_SECONDS = 3;

export function stepFigures(
	pictures: readonly ShownFrame[],
	samples: readonly LineSample[],
	times: StepTimes,
): StepFigures {
	const { fromMs, narrowAtMs, wideAtMs, toMs } = times;
	const within = (from: number, to: number): ShownFrame[] =>
		pictures.filter(({ shownAtMs }) => shownAtMs > from && shownAtMs <= to);
	const usualMs = usualIntervalMs(pictures, { fromMs, toMs: narrowAtMs });
	const stalls = findFreezes(pictures, { fromMs, toMs }, { usualMs, boundMs: stallBoundMs(usualMs) });
	const topHeightPixels = Math.max(0, ...within(narrowAtMs - TOP_MS, narrowAtMs).map(heightOf));
	const narrow = within(narrowAtMs, toMs);
	const smaller = narrow.find((picture) => heightOf(picture) < topHeightPixels);
	const after = within(wideAtMs, toMs);
	const isTop = (picture: ShownFrame): boolean => heightOf(picture) >= topHeightPixels;
	const stretches = [
		[fromMs, narrowAtMs],
		[narrowAtMs, wideAtMs],
		[wideAtMs, toMs],
	] as const;
	const rates = (name: 'downBytes' | 'receivedBytes' | 'resentBytes'): number[] =>
		stretches.map(([from, to]) => rateOf(samples, name, from, to));
	const before = within(fromMs, narrowAtMs).filter(isRead).map(latencyOf);
	const latencyBeforeMs = before.length === 0 ? undefined : median(before);
	const latencies = narrow.filter(isRead).map(latencyOf);
	return {
		topHeightPixels,
		lowestHeightPixels: Math.min(topHeightPixels, ...narrow.map(heightOf)),
		smallerAfterMs: smaller === undefined ? undefined : smaller.shownAtMs - narrowAtMs,
		topAgainAfterMs: smaller === undefined ? undefined : forGood(after, wideAtMs, isTop),
		stallCount: stalls.length,
		stalledMs: stalls.reduce((sum, { durationMs }) => sum + durationMs, 0),
		longestStallMs: Math.max(0, ...stalls.map(({ durationMs }) => durationMs)),
		latencyBeforeMs,
		highestLatencyMs: latencies.length === 0 ? undefined : latencies.reduce((most, value) => Math.max(most, value)),
		latencyBackAfterMs: latencyBeforeMs === undefined ? undefined : latencyBack(after, wideAtMs, latencyBeforeMs),
		sentBps: rates('downBytes'),
		receivedBps: rates('receivedBytes'),
		resentBps: rates('resentBytes'),
	};
}

function heightOf({ heightPixels }: ShownFrame): number {
	return heightPixels;
}

function isRead({ frameNumber }: ShownFrame): boolean {
	return frameNumber >= 0;
}

// The time of the first picture after the last one that is not as wanted.
function forGood(
	pictures: readonly ShownFrame[],
	sinceMs: number,
	isWanted: (picture: ShownFrame) => boolean,
): number | undefined {
	const last = pictures.findLastIndex((picture) => !isWanted(picture));
	const first = pictures[last + 1];
	return first === undefined ? undefined : first.shownAtMs - sinceMs;
}

// By medians of a second, because single pictures are late for other reasons.
function latencyBack(pictures: readonly ShownFrame[], sinceMs: number, beforeMs: number): number | undefined {
	const boundMs = beforeMs + Math.max(LATENCY_MARGIN_MS, beforeMs * LATENCY_MARGIN_RATIO);
	const secondOf = ({ shownAtMs }: ShownFrame): number => Math.floor((shownAtMs - sinceMs) / SECOND_MS);
	const seconds = Map.groupBy(pictures.filter(isRead), secondOf);
	let heldCount = 0;
	for (const second of Array.from({ length: Math.max(0, ...seconds.keys()) + 1 }).keys()) {
		const shown = seconds.get(second);
		heldCount = shown !== undefined && median(shown.map(latencyOf)) <= boundMs ? heldCount + 1 : 0;
		if (heldCount === HELD_SECONDS) {
			return (second + 1 - HELD_SECONDS) * SECOND_MS;
		}
	}
	return undefined;
}

function rateOf(
	samples: readonly LineSample[],
	name: 'downBytes' | 'receivedBytes' | 'resentBytes',
	fromMs: number,
	toMs: number,
): number {
	const within = samples.filter(({ atMs }) => atMs >= fromMs && atMs <= toMs);
	const [first, last] = [within[0], within.at(-1)];
	return first === undefined || last === undefined
		? 0
		: Math.round(bytesToBps(last.counts[name] - first.counts[name], last.atMs - first.atMs));
}
