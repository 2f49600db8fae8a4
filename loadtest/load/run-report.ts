/** The result of a run as data: what the JSON file holds, and what the HTML report and the exit code are made from. */
import { availableParallelism } from 'node:os';
import type { SelfWatchResult } from '../bench/measure/self-watch.ts';
import type { HistogramSummary } from './figures/histogram.ts';
import type { LoadOptions } from './options.ts';
import type { ClockOffset } from './clock-offset.ts';
import { judgeTester } from './judge-tester.ts';
import type { RunRecorder, TimelinePoint } from './figures/recorder.ts';
import { judgeThresholds, type ThresholdResult } from './thresholds.ts';

/** Version of the JSON's form. */
const REPORT_VERSION = 1;

/** Metrics whose whole distribution is kept for the chart. */
const CURVE_METRICS = [
	'webrtc.latency',
	'hls.latency',
	'pixel.webrtc.latency',
	'pixel.hls.latency',
	'chat.delivery',
] as const;

/** `kept` also when there were no thresholds. `invalid`: the tester, or the machine under it, was the bottleneck. */
type Verdict = 'kept' | 'not-kept' | 'invalid';

/**
 * What the server used for one viewer: (steady state − before the first viewer) / viewers. Only with one kind of
 * viewer.
 */
type ViewerCost = { kind: string; viewerCount: number; cores?: number; rssBytes?: number };

/** See the first line. Times in milliseconds, rates in bits per second. */
export type RunReport = {
	version: typeof REPORT_VERSION;
	startedAt: string;
	verdict: Verdict;
	invalidReasons: string[];
	thresholds: ThresholdResult[];
	/** How it was called; keys left out. */
	plan: Pick<
		LoadOptions,
		| 'counts'
		| 'rampMs'
		| 'durationMs'
		| 'leaveCount'
		| 'afterMs'
		| 'publish'
		| 'picture'
		| 'chatRate'
		| 'starveRatio'
		| 'processCount'
	>;
	/** Percentiles: steady state; joins, switches and peaks of the whole run. */
	spreads: Record<string, HistogramSummary>;
	/** Totals of the whole run and ratios of them. */
	numbers: Record<string, number>;
	/** The server before the first viewer. */
	baseline: Record<string, HistogramSummary>;
	costs: ViewerCost[];
	curves: Record<string, { p: number; value: number }[]>;
	timeline: readonly TimelinePoint[];
	/** Absent where the server does not tell its time: its clock is taken to be this machine's. */
	clockOffset?: ClockOffset;
	machine: { coreCount: number; stealRatio?: number; busyRatio?: number; nodeVersion: string };
	notes: string[];
};

/** What a report is made from. */
type ReportInput = {
	options: LoadOptions;
	recorder: RunRecorder;
	startedAtMs: number;
	machine: SelfWatchResult;
	offset: ClockOffset | undefined;
	/** Undefined: its process is not known. */
	server: { isOwn: boolean } | undefined;
	processNames: readonly string[];
	/** Processes of the tester that ended by themselves. */
	deaths: readonly string[];
	notes: readonly string[];
};

/** Joins everything and judges. */
export function buildReport(input: ReportInput): RunReport {
	const { options, recorder, machine } = input;
	const [spreads, baseline] = [recorder.spreads(), recorder.baseline()];
	const numbers = derivedNumbers(recorder.counters);
	const publisherFailed = (numbers['publisher.failed'] ?? 0) > 0;
	const invalidReasons = [
		...input.deaths,
		// What was watched had no source: that says nothing of the server.
		...(publisherFailed ? ['publisher-1: it stopped publishing; the notes say why'] : []),
		...judgeTester(input.processNames, spreads, machine.voidReasons),
	];
	const thresholds = judgeThresholds(options.thresholds, spreads, numbers);
	const isKept = thresholds.every(({ isKept }) => isKept);
	const { counts, rampMs, durationMs, leaveCount, afterMs, publish, picture, chatRate, starveRatio, processCount } =
		options;
	return {
		version: REPORT_VERSION,
		startedAt: new Date(input.startedAtMs).toISOString(),
		verdict: invalidReasons.length > 0 ? 'invalid' : isKept ? 'kept' : 'not-kept',
		invalidReasons,
		thresholds,
		spreads,
		numbers,
		baseline,
		plan: { counts, rampMs, durationMs, leaveCount, afterMs, publish, picture, chatRate, starveRatio, processCount },
		costs: viewerCosts(options, recorder, spreads, baseline),
		curves: Object.fromEntries(
			CURVE_METRICS.map((name) => [name, recorder.curve(name)]).filter(([, curve]) => curve!.length > 0),
		),
		timeline: recorder.timeline,
		...(input.offset === undefined ? {} : { clockOffset: input.offset }),
		machine: {
			coreCount: availableParallelism(),
			...(machine.stealRatio === undefined ? {} : { stealRatio: machine.stealRatio }),
			...(machine.busyRatio === undefined ? {} : { busyRatio: machine.busyRatio }),
			nodeVersion: process.version,
		},
		notes: [...input.notes],
	};
}

/** 0 kept, 1 not kept, 3 invalid. */
export function exitCodeOf({ verdict }: Pick<RunReport, 'verdict'>): number {
	return { kept: 0, 'not-kept': 1, invalid: 3 }[verdict];
}

/** Counters, failures as 0 where viewers played and none failed, and ratios of counters. @internal for tests */
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
	// Before retransmission: what did not come when the next one did. After it: what never came.
	ratio('webrtc.packetLossRatio', 'webrtc.missed', ['webrtc.packets']);
	ratio('webrtc.residualPacketLossRatio', 'webrtc.lost', ['webrtc.packets', 'webrtc.lost']);
	ratio('hls.requestErrorRatio', 'hls.requestErrors', ['hls.requests']);
	return numbers;
}

function viewerCosts(
	{ counts }: LoadOptions,
	recorder: RunRecorder,
	spreads: RunReport['spreads'],
	baseline: RunReport['spreads'],
): ViewerCost[] {
	const kinds = (['webrtc', 'hls', 'chat'] as const).filter((kind) => counts[kind] > 0);
	const [kind] = kinds;
	// With several kinds at once nobody can say whose the costs are.
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
	return viewerCount === 0
		? []
		: [
				{
					kind: kind!,
					viewerCount,
					...(cores === undefined ? {} : { cores }),
					...(rssBytes === undefined ? {} : { rssBytes }),
				},
			];
}
