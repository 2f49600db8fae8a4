/** The result of a run as data: the JSON file, and the source of the HTML report and the exit code. */
import { availableParallelism } from 'node:os';
import { median } from '../../core/percentiles.ts';
import type { SelfWatchResult } from '../bench/measure/self-watch.ts';
import type { HistogramSummary } from './figures/histogram.ts';
import type { LoadOptions } from './options.ts';
import type { ClockOffset } from './clock-offset.ts';
import { judgeTester } from './judge-tester.ts';
import type { RunRecorder, TimelinePoint } from './figures/recorder.ts';
import { judgeThresholds, type ThresholdResult } from './thresholds.ts';

/** Version of the JSON's form. */
const REPORT_VERSION = 1;

/** Metrics with a chart of their distribution. */
const CURVE_METRICS = [
	'webrtc.latency',
	'hls.latency',
	'pixel.webrtc.latency',
	'pixel.hls.latency',
	'chat.delivery',
] as const;

/** CPU and memory for one viewer: (steady state − before the first viewer) / viewers. Only with one kind of viewer. */
type ViewerCost = {
	kind: string;
	viewerCount: number;
	cores: number | undefined;
	rssBytes: number | undefined;
};

/** Viewers with a size of the picture, or a variant; the median of the steady state. */
type RungCount = { tier: 'webrtc' | 'hls'; rung: string; viewerCount: number };

/** Times in milliseconds, rates in bits per second. */
export type RunReport = {
	version: typeof REPORT_VERSION;
	startedAt: string;
	/** `kept` also without thresholds. `invalid`: the tester, or its machine, was the bottleneck. */
	verdict: 'kept' | 'not-kept' | 'invalid';
	invalidReasons: string[];
	thresholds: ThresholdResult[];
	plan: ReturnType<typeof planOf>;
	/** Percentiles: steady state; joins, hand-overs and peaks of the whole run. */
	spreads: Record<string, HistogramSummary>;
	/** Totals of the whole run and ratios of them. */
	numbers: Record<string, number>;
	/** The server before the first viewer. */
	baseline: Record<string, HistogramSummary>;
	costs: ViewerCost[];
	/** The largest first, by tier. */
	rungs: RungCount[];
	curves: Record<string, { p: number; value: number }[]>;
	timeline: readonly TimelinePoint[];
	/** Absent where the server does not report its time; its clock then counts as this machine's. */
	clockOffset: ClockOffset | undefined;
	machine: { coreCount: number; stealRatio: number | undefined; busyRatio: number | undefined; nodeVersion: string };
	notes: string[];
};

type ReportInput = {
	options: LoadOptions;
	recorder: RunRecorder;
	startedAtMs: number;
	machine: SelfWatchResult;
	offset: ClockOffset | undefined;
	processNames: readonly string[];
	/** Reasons of the tester's processes that ended by themselves. */
	deaths: readonly string[];
	notes: readonly string[];
};

/** Combines everything and judges. */
export function buildReport(input: ReportInput): RunReport {
	const { options, recorder, machine } = input;
	const [spreads, baseline] = [recorder.spreads(), recorder.baseline()];
	const numbers = derivedNumbers(recorder.counters);
	const publisherFailed = (numbers['publisher.failed'] ?? 0) > 0;
	const invalidReasons = [
		...input.deaths,
		// Without a source the figures say nothing about the server.
		...(publisherFailed ? ['publisher-1: it stopped publishing; the notes say why'] : []),
		...judgeTester(input.processNames, spreads, machine.voidReasons),
	];
	const thresholds = judgeThresholds(options.thresholds, spreads, numbers);
	const isKept = thresholds.every(({ isKept }) => isKept);
	return {
		version: REPORT_VERSION,
		startedAt: new Date(input.startedAtMs).toISOString(),
		verdict: invalidReasons.length > 0 ? 'invalid' : isKept ? 'kept' : 'not-kept',
		invalidReasons,
		thresholds,
		spreads,
		numbers,
		baseline,
		plan: planOf(options),
		costs: viewerCosts(options, recorder, spreads, baseline),
		rungs: rungCounts(recorder.timeline),
		curves: Object.fromEntries(
			CURVE_METRICS.map((name) => [name, recorder.curve(name)]).filter(([, curve]) => curve!.length > 0),
		),
		timeline: recorder.timeline,
		clockOffset: input.offset,
		machine: {
			coreCount: availableParallelism(),
			stealRatio: machine.stealRatio,
			busyRatio: machine.busyRatio,
			nodeVersion: process.version,
		},
		notes: [...input.notes],
	};
}

// The options that a report shows: without keys and addresses.
function planOf(options: LoadOptions) {
	const { counts, rampMs, durationMs, leaveCount, afterMs, publish, picture, chatRate, starveRatio, processCount } =
		options;
	return { counts, rampMs, durationMs, leaveCount, afterMs, publish, picture, chatRate, starveRatio, processCount };
}

/** 0 kept, 1 not kept, 3 invalid. */
export function exitCodeOf({ verdict }: Pick<RunReport, 'verdict'>): number {
	return { kept: 0, 'not-kept': 1, invalid: 3 }[verdict];
}

/** Counters, ratios of counters, and failures as 0 where viewers played without one. @internal for tests */
export function derivedNumbers(counters: Readonly<Record<string, number>>): Record<string, number> {
	const numbers: Record<string, number> = { ...counters };
	const zeroes: Record<string, readonly string[]> = {
		webrtc: ['failed', 'disconnected', 'freezes', 'missed', 'lost'],
		hls: ['failed', 'disconnected', 'stalls', 'requestErrors'],
		audience: ['refused', 'dropped', 'reconnects'],
		chat: ['refused', 'draftsRefused', 'lost', 'doubled', 'reordered', 'unanswered'],
	};
	for (const [kind, names] of Object.entries(zeroes)) {
		const hasPlayed = [`${kind}.started`, `${kind}.packets`, `${kind}.requests`].some(
			(name) => (counters[name] ?? 0) > 0,
		);
		if (hasPlayed) {
			names.forEach((name) => (numbers[`${kind}.${name}`] ??= 0));
		}
	}
	const ratio = (name: string, part: string, whole: readonly string[]): void => {
		const sum = whole.reduce((total, entry) => total + (counters[entry] ?? 0), 0);
		if (sum > 0) {
			numbers[name] = (counters[part] ?? 0) / sum;
		}
	};
	// Before retransmission: not received when the next one was. After it: never received.
	ratio('webrtc.packetLossRatio', 'webrtc.missed', ['webrtc.packets']);
	ratio('webrtc.residualPacketLossRatio', 'webrtc.lost', ['webrtc.packets', 'webrtc.lost']);
	ratio('hls.requestErrorRatio', 'hls.requestErrors', ['hls.requests']);
	return numbers;
}

function rungCounts(timeline: readonly TimelinePoint[]): RungCount[] {
	const steady = timeline.filter(({ phase }) => phase === 'steady').map(({ gauges }) => gauges);
	const names = [...new Set(steady.flatMap((gauges) => Object.keys(gauges)))];
	const rungs = names.flatMap((name) => {
		const [, tier, rung] = /^(webrtc|hls)\.rung\.(.+)$/.exec(name) ?? [];
		return rung === undefined
			? []
			: [
					{
						tier: tier as RungCount['tier'],
						rung,
						viewerCount: median(steady.map((gauges) => gauges[name] ?? 0)),
					},
				];
	});
	return rungs.toSorted(
		(one, other) => other.tier.localeCompare(one.tier) || Number.parseInt(other.rung) - Number.parseInt(one.rung),
	);
}

function viewerCosts(
	{ counts }: LoadOptions,
	recorder: RunRecorder,
	spreads: RunReport['spreads'],
	baseline: RunReport['spreads'],
): ViewerCost[] {
	const kinds = (['webrtc', 'hls', 'chat'] as const).filter((kind) => counts[kind] > 0);
	const [kind] = kinds;
	// With several kinds at once the costs cannot be divided.
	if (kinds.length !== 1 || counts.audience > 0 || counts.pixel > 0 || baseline['server.cores'] === undefined) {
		return [];
	}
	const steady = recorder.timeline.filter(({ phase }) => phase === 'steady');
	const viewerCount = Math.max(
		0,
		...steady.map(({ gauges }) => gauges[kind === 'chat' ? 'chat.joined' : `${kind!}.playing`] ?? 0),
	);
	const difference = (name: string): number | undefined => {
		const [after, before] = [spreads[name], baseline[name]];
		return after === undefined || before === undefined ? undefined : (after.mean - before.mean) / viewerCount;
	};
	const [cores, rssBytes] = [difference('server.cores'), difference('server.rssBytes')];
	return viewerCount === 0 ? [] : [{ kind: kind!, viewerCount, cores, rssBytes }];
}
