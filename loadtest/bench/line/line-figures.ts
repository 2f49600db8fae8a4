/** What a viewer had on a line, from the pictures that were shown and from samples of the line. Pure. */
import { median, percentile } from '../../../core/percentiles.ts';
import { bytesToBps } from '../../../core/units.ts';
import type { ShownFrame } from '../../clients/chromium/bench-page.ts';
import { STARVATION_BOUNDS } from '../measure/self-watch.ts';
import type { Line } from './line.ts';
import type { LineCounts } from './shaped-line.ts';

/** A viewer notices a picture that stays longer than this. */
export const FREEZE_MS = 500;
/** W3C webrtc-stats, freezeCount: a picture later than three times the usual interval, or by this much. */
const STALL_FACTOR = 3;
const STALL_EXTRA_MS = 150;
/** Of the seconds. A browser that starts makes some busy ones. */
const MAX_BUSY_SHARE = 0.1;

/** One look at the line and the player. */
export type LineSample = {
	atMs: number;
	line: Line;
	counts: LineCounts;
	/** Absent where the page is not the product's. */
	player?: { tier: string; state: string; latencyMs: number | undefined };
	/** Why the viewer is in their tier, by the server's newest decision. */
	reason: string | undefined;
	/** What the page says. */
	said: string;
	/** Of this machine, since the sample before; undefined where it is not known. */
	busyRatio: number | undefined;
};

export type Freeze = {
	/** Epoch milliseconds. */
	fromMs: number;
	/** Beyond the usual interval between two pictures. */
	durationMs: number;
	/** False: the picture still stood at the end. */
	isOver: boolean;
	/** What the page said meanwhile, without repetitions. */
	said: string[];
};

/** Stretches without sound; epoch milliseconds. */
export type QuietStretch = { fromMs: number; durationMs: number };

/** Each second. Rates in bits of IP packets, or of payload for what was sent again. */
export type LineRow = {
	atSeconds: number;
	lineBps: number | undefined;
	lossRatio: number;
	pictureCount: number;
	/** Of the newest picture. */
	size: string | undefined;
	frozenMs: number;
	quietMs: number | undefined;
	latencyMs: number | undefined;
	/** The latency that the page shows. */
	claimedLatencyMs: number | undefined;
	/** As the server sent it. */
	sentBps: number;
	/** What passed the line. */
	receivedBps: number;
	resentBps: number;
	lostPackets: number;
	droppedPackets: number;
	tier: string | undefined;
	state: string | undefined;
	reason: string | undefined;
	said: string;
	busyRatio: number | undefined;
};

export type Window = { fromMs: number; toMs: number };

/** Pictures whose content was new, ascending. One that could not be read counts as new. */
export function freshPictures(frames: readonly ShownFrame[], unreadable: readonly ShownFrame[] = []): ShownFrame[] {
	const all = [...frames, ...unreadable].toSorted((a, b) => a.shownAtMs - b.shownAtMs);
	return all.filter(
		({ frameNumber }, index) => frameNumber < 0 || index === 0 || frameNumber !== all[index - 1]!.frameNumber,
	);
}

/** The usual time between two pictures within the window. */
export function usualIntervalMs(pictures: readonly ShownFrame[], { fromMs, toMs }: Window): number {
	const times = pictures.map(({ shownAtMs }) => shownAtMs).filter((ms) => ms >= fromMs && ms <= toMs);
	return median(times.slice(1).map((ms, index) => ms - times[index]!));
}

/** How late a picture must be for a stall, which is shorter than what a viewer notices as frozen. */
export function stallBoundMs(usualMs: number): number {
	return Math.max(STALL_FACTOR * usualMs, usualMs + STALL_EXTRA_MS);
}

/** Gaps above the bound; both ends of the window count as pictures. */
export function findFreezes(
	pictures: readonly ShownFrame[],
	{ fromMs, toMs }: Window,
	{ usualMs, boundMs, samples = [] }: { usualMs: number; boundMs: number; samples?: readonly LineSample[] },
): Freeze[] {
	const times = pictures.map(({ shownAtMs }) => shownAtMs).filter((ms) => ms > fromMs && ms < toMs);
	const moments = [fromMs, ...times, toMs];
	return moments.slice(1).flatMap((ms, index) => {
		const beganMs = moments[index]!;
		if (ms - beganMs <= boundMs) {
			return [];
		}
		const during = samples.filter(({ atMs }) => atMs > beganMs && atMs <= ms).map(({ said }) => said);
		return [
			{
				fromMs: beganMs,
				durationMs: ms - beganMs - usualMs,
				isOver: index < moments.length - 2,
				said: [...new Set(during)].filter((text) => text !== ''),
			},
		];
	});
}

/** One row for each two samples that follow each other. */
export function lineRows(
	samples: readonly LineSample[],
	pictures: readonly ShownFrame[],
	context: { freezes: readonly Freeze[]; quiet: readonly QuietStretch[] | undefined; startMs: number },
): LineRow[] {
	const { freezes, quiet, startMs } = context;
	return samples.slice(1).map((sample, index) => {
		const before = samples[index]!;
		const window = { fromMs: before.atMs, toMs: sample.atMs };
		const seen = pictures.filter(({ shownAtMs }) => shownAtMs > window.fromMs && shownAtMs <= window.toMs);
		const read = seen.filter(({ frameNumber }) => frameNumber >= 0);
		const [now, then] = [sample.counts, before.counts];
		const rate = (name: 'downBytes' | 'receivedBytes' | 'resentBytes'): number =>
			Math.round(bytesToBps(now[name] - then[name], now.atMs - then.atMs));
		const newest = pictures.findLast(({ shownAtMs }) => shownAtMs <= window.toMs);
		return {
			atSeconds: Math.round((sample.atMs - startMs) / 100) / 10,
			lineBps: before.line.downBps,
			lossRatio: before.line.lossRatio,
			pictureCount: seen.length,
			size: newest === undefined ? undefined : sizeOf(newest),
			frozenMs: Math.round(overlapMs(freezes, window)),
			quietMs: quiet === undefined ? undefined : Math.round(overlapMs(quiet, window)),
			latencyMs: read.length === 0 ? undefined : Math.round(median(read.map(latencyOf))),
			claimedLatencyMs: sample.player?.latencyMs,
			sentBps: rate('downBytes'),
			receivedBps: rate('receivedBytes'),
			resentBps: rate('resentBytes'),
			lostPackets: now.lostPackets - then.lostPackets,
			droppedPackets: now.droppedPackets - then.droppedPackets,
			tier: sample.player?.tier,
			state: sample.player?.state,
			reason: sample.reason,
			said: sample.said,
			busyRatio: sample.busyRatio,
		};
	});
}

/** Why a run is void in addition to its means: too many of its seconds had no idle time. Empty when it counts. */
export function busySecondsReasons(rows: ReadonlyArray<Pick<LineRow, 'busyRatio'>>): string[] {
	const bound = STARVATION_BOUNDS.busyRatio;
	const busyCount = rows.filter(({ busyRatio = 0 }) => busyRatio > bound).length;
	return busyCount <= rows.length * MAX_BUSY_SHARE
		? []
		: [`${busyCount} of ${rows.length} seconds busier than ${bound}`];
}

/** Entries whose value differs from the one before, with their time from `startMs`. */
export function changesOf<Value>(
	entries: ReadonlyArray<{ atMs: number; value: Value }>,
	startMs: number,
): Array<{ atMs: number; value: Value }> {
	return entries
		.filter(({ value }, index) => index === 0 || value !== entries[index - 1]!.value)
		.map(({ atMs, value }) => ({ atMs: Math.max(0, Math.round(atMs - startMs)), value }));
}

/** `1280x720`. */
export function sizeOf({ widthPixels, heightPixels }: Pick<ShownFrame, 'widthPixels' | 'heightPixels'>): string {
	return `${widthPixels}x${heightPixels}`;
}

export function latencyOf({ shownAtMs, captureTimeMs }: ShownFrame): number {
	return shownAtMs - captureTimeMs;
}

/** p50 and p95; undefined for none. */
export function spreadOfLatency(pictures: readonly ShownFrame[]): { p50: number; p95: number } | undefined {
	const latencies = pictures.filter(({ frameNumber }) => frameNumber >= 0).map(latencyOf);
	return latencies.length === 0 ? undefined : { p50: percentile(latencies, 50), p95: percentile(latencies, 95) };
}

/** How much of the window lies in the stretches. */
export function overlapMs(
	stretches: ReadonlyArray<{ fromMs: number; durationMs: number }>,
	{ fromMs, toMs }: Window,
): number {
	return stretches.reduce((sum, stretch) => {
		const endMs = stretch.fromMs + stretch.durationMs;
		return sum + Math.max(0, Math.min(endMs, toMs) - Math.max(stretch.fromMs, fromMs));
	}, 0);
}
