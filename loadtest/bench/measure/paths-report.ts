/** Medians over the runs of each path, and their table for docs/performance.md. Pure. */
import { median } from '../../../core/percentiles.ts';
import type { DeliveryTier } from '../../../core/protocol/tiers.ts';
import type { WatchSummary } from './frame-log.ts';
import { figure, markdownTable } from './markdown-table.ts';
import type { SelfWatchResult } from './self-watch.ts';

/** A run of the direct connection. */
export type ReferenceRun = { summary: WatchSummary; selfWatch: SelfWatchResult };

/** Milliseconds; a figure that no valid run has is absent. */
type PathRow = {
	name: string;
	p50Ms?: number;
	p95Ms?: number;
	/** p50 minus the direct connection's. */
	overDirectMs?: number;
	firstFrameMs?: number;
	shownRatio?: number;
	skippedCount?: number;
	longestFreezeMs?: number;
	skewP50Ms?: number;
	skewP95Ms?: number;
	serverCores?: number;
	runCount: number;
	voidCount: number;
};

type AnyRun = ReferenceRun & {
	/** From the viewer's action; absent when no picture was shown. */
	firstFrameMs?: number | undefined;
	/** CPU of the server and its children, in cores; absent for a foreign server. */
	serverCores?: number | undefined;
};
export type AnyPathRun = AnyRun & { publisher: string; tier: DeliveryTier };

const TIER_NAMES: Readonly<Record<DeliveryTier, string>> = { webrtc: 'WebRTC', 'll-hls': 'LL-HLS' };

/** Medians over the runs that are not void; the direct connection first. */
export function pathRows(references: readonly ReferenceRun[], runs: readonly AnyPathRun[]): PathRow[] {
	const direct = rowOf('direct, without a server', references);
	const paths = Map.groupBy(runs, ({ publisher, tier }) => `${publisher} → ${TIER_NAMES[tier]}`);
	const rows = [...paths].map(([name, ownRuns]) => {
		const row = rowOf(name, ownRuns);
		if (row.p50Ms !== undefined && direct.p50Ms !== undefined) {
			row.overDirectMs = row.p50Ms - direct.p50Ms;
		}
		return row;
	});
	return [direct, ...rows];
}

export function formatRows(rows: readonly PathRow[]): string {
	const head = [
		...['path', 'p50 ms', 'p95 ms', 'over direct', 'first frame ms', 'shown', 'skipped', 'longest freeze ms'],
		...['A/V skew p50 / p95 ms', 'server cores', 'runs (void)'],
	];
	const lines = rows.map((row) => [
		row.name,
		whole(row.p50Ms),
		whole(row.p95Ms),
		row.overDirectMs === undefined
			? '–'
			: `${row.overDirectMs >= 0 ? '+' : '−'}${Math.abs(Math.round(row.overDirectMs))}`,
		whole(row.firstFrameMs),
		row.shownRatio === undefined ? '–' : `${(row.shownRatio * 100).toFixed(1)} %`,
		whole(row.skippedCount),
		whole(row.longestFreezeMs),
		`${whole(row.skewP50Ms)} / ${whole(row.skewP95Ms)}`,
		figure(row.serverCores, 2),
		`${row.runCount} (${row.voidCount})`,
	]);
	return markdownTable(head, lines);
}

function rowOf(name: string, runs: readonly AnyRun[]): PathRow {
	const valid = runs.filter((run) => run.selfWatch.voidReasons.length === 0);
	const row: PathRow = { name, runCount: runs.length, voidCount: runs.length - valid.length };
	const set = (key: Exclude<keyof PathRow, 'name'>, pick: (run: AnyRun) => number | undefined): void => {
		const values = valid.map(pick).filter((value) => value !== undefined);
		if (values.length > 0) {
			row[key] = median(values);
		}
	};
	set('p50Ms', (run) => run.summary.glassToGlassMs?.p50);
	set('p95Ms', (run) => run.summary.glassToGlassMs?.p95);
	set('firstFrameMs', (run) => run.firstFrameMs);
	set('shownRatio', (run) => run.summary.shownRatio);
	set('skippedCount', (run) => run.summary.skippedCount);
	set('longestFreezeMs', (run) => run.summary.longestFreezeMs);
	set('skewP50Ms', (run) => run.summary.audioVideoSkewMs?.p50);
	set('skewP95Ms', (run) => run.summary.audioVideoSkewMs?.p95);
	set('serverCores', (run) => run.serverCores);
	return row;
}

function whole(value: number | undefined): string {
	return value === undefined ? '–' : String(Math.round(value)).replace('-', '−');
}
