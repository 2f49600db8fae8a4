/**
 * A line that becomes narrow and wide again while a viewer watches: how they follow it. For LL-HLS, hls.js with its own
 * settings does the same after the product's page. Both at once need more than two cores, and would measure those.
 */
import { writeFile } from 'node:fs/promises';
import { systemClock } from '../../core/lifecycle/clock.ts';
import type { DeliveryTier } from '../../core/protocol/tiers.ts';
import type { PublisherKind } from '../clients/create-publisher.ts';
import type { EncoderSettings } from '../source/encoder-settings.ts';
import { type Line, PERFECT_LINE } from './line/line.ts';
import {
	busySecondsReasons,
	changesOf,
	findFreezes,
	freshPictures,
	lineRows,
	type LineRow,
	stallBoundMs,
	usualIntervalMs,
} from './line/line-figures.ts';
import { LINE_SOURCE, type LinePage, LineWatch } from './line/line-watch.ts';
import type { SessionEvent } from './line/session-ear.ts';
import { type CongestionControl, ShapedLine } from './line/shaped-line.ts';
import { stepFigures, type StepFigures, type StepTimes } from './line/step-figures.ts';
import { PLOT_COLORS, type PlotLine, type PlotPanel, plotSteps } from './line/step-plot.ts';
import { markdownTable } from './measure/markdown-table.ts';
import { inNetworks, type NetworkPlace } from './measure/network-namespace.ts';
import { type SelfWatchResult, watchSelf } from './measure/self-watch.ts';
import { type BenchCommand, runEach, say } from './bench-options.ts';

type StepPlan = {
	tier: DeliveryTier;
	wideBps: number;
	narrowBps: number;
	pages: readonly LinePage[];
	/** Of the product's page. */
	query: string;
};

const PLANS: readonly StepPlan[] = [
	{ tier: 'webrtc', wideBps: 4e6, narrowBps: 1.2e6, pages: ['product'], query: '' },
	{ tier: 'll-hls', wideBps: 8e6, narrowBps: 1.5e6, pages: ['product', 'hls.js'], query: '?tier=ll-hls' },
];
/** Wide, narrow, wide again. */
const STRETCH_MS = [20_000, 30_000, 40_000] as const;
const COLORS: Record<LinePage, string> = {
	product: PLOT_COLORS.blue,
	whep: PLOT_COLORS.blue,
	'hls.js': PLOT_COLORS.orange,
};

type StepOptions = {
	publisher: PublisherKind;
	settings: EncoderSettings;
	tiers: readonly DeliveryTier[];
	conditions: { roundTripMs: number; congestionControl: CongestionControl; lossRatio: number; lossBurst: number };
	/** Played before the first stretch. */
	settleMs: number;
	serverEnvironment: Record<string, string>;
};

type StepViewer = {
	page: LinePage;
	/** The line, from the beginning of the first stretch. */
	steps: Array<{ atMs: number; downBps: number }>;
	figures: StepFigures;
	/** Of the product's page, from the beginning of the first stretch. */
	tiers: Array<{ atMs: number; value: string }>;
	heights: Array<{ atMs: number; value: number }>;
	stalls: Array<{ fromMs: number; toMs: number }>;
	rows: LineRow[];
	events: SessionEvent[];
	selfWatch: SelfWatchResult;
};

type StepRun = Omit<StepPlan, 'query' | 'pages'> & { viewers: StepViewer[] };

export const lineSteps: BenchCommand = {
	summary: 'a line that becomes narrow and wide again: how a viewer follows (needs root; starts its own server)',
	run: async (options) => {
		const { tiers, settleMs, roundTripMs, congestionControl, losses, lossBurst, svg, serverEnvironment } = options;
		const settings = { ...options.settings, ...LINE_SOURCE };
		// One line; those of the other command have several losses.
		const lossRatio = losses.length === 1 ? losses[0]! : 0;
		const conditions = { roundTripMs, congestionControl, lossRatio, lossBurst };
		const { runs, markdown } = await runEach(
			options.publishers,
			(publisher) => runSteps({ publisher, settings, tiers, conditions, settleMs, serverEnvironment }),
			formatSteps,
		);
		if (svg !== undefined) {
			await writeFile(svg, drawSteps(runs[0]!, conditions));
		}
		return { result: { settings, conditions, stretchMs: STRETCH_MS, runs }, markdown };
	},
};

async function runSteps(options: StepOptions): Promise<StepRun[]> {
	const runs: StepRun[] = [];
	for (const { pages, query, ...plan } of PLANS.filter(({ tier }) => options.tiers.includes(tier))) {
		const line: Line = { ...PERFECT_LINE, ...options.conditions, downBps: plan.wideBps };
		const viewers: StepViewer[] = [];
		for (const page of pages) {
			const create = [() => ShapedLine.create(line, options.conditions.congestionControl)];
			viewers.push(
				await inNetworks({ ...options, create }, ([place]) =>
					watchSteps(place!, { page, query, ...plan, settleMs: options.settleMs }),
				),
			);
			say(`${plan.tier}, ${page}: done`);
		}
		runs.push({ ...plan, viewers });
	}
	return runs;
}

async function watchSteps(
	place: NetworkPlace<ShapedLine>,
	plan: Omit<StepPlan, 'pages'> & { page: LinePage; settleMs: number },
): Promise<StepViewer> {
	const setRate = async (downBps: number): Promise<number> => {
		await place.network.set({ ...place.network.line, downBps });
		return systemClock.nowMs();
	};
	const endWatch = watchSelf();
	const browser = await place.launchBrowser();
	try {
		const watch = await LineWatch.open(place, browser, plan.page, plan.query);
		await watch.waitForPicture();
		await watch.watch(plan.settleMs);
		const fromMs = systemClock.nowMs();
		await watch.watch(STRETCH_MS[0]);
		const narrowAtMs = await setRate(plan.narrowBps);
		await watch.watch(STRETCH_MS[1]);
		const wideAtMs = await setRate(plan.wideBps);
		await watch.watch(STRETCH_MS[2]);
		place.checkPublisher();
		const times = { fromMs, narrowAtMs, wideAtMs, toMs: systemClock.nowMs() };
		const steps = [
			{ atMs: 0, downBps: plan.wideBps },
			{ atMs: narrowAtMs - fromMs, downBps: plan.narrowBps },
			{ atMs: wideAtMs - fromMs, downBps: plan.wideBps },
		];
		return { steps, ...viewerOf(plan.page, watch, times), selfWatch: endWatch() };
	} finally {
		await browser.close();
	}
}

function viewerOf(page: LinePage, watch: LineWatch, times: StepTimes): Omit<StepViewer, 'steps' | 'selfWatch'> {
	const { fromMs, narrowAtMs, toMs } = times;
	const pictures = freshPictures(watch.frames, watch.unreadable);
	const samples = watch.samplesWithin({ fromMs, toMs });
	const usualMs = usualIntervalMs(pictures, { fromMs, toMs: narrowAtMs });
	const freezes = findFreezes(pictures, { fromMs, toMs }, { usualMs, boundMs: stallBoundMs(usualMs), samples });
	return {
		page,
		figures: stepFigures(pictures, samples, times),
		tiers: changesOf(
			samples.flatMap(({ atMs, player }) => (player === undefined ? [] : [{ atMs, value: player.tier }])),
			fromMs,
		),
		heights: changesOf(
			pictures
				.filter(({ shownAtMs }) => shownAtMs > fromMs && shownAtMs <= toMs)
				.map(({ shownAtMs, heightPixels }) => ({ atMs: shownAtMs, value: heightPixels })),
			fromMs,
		),
		stalls: freezes.map((freeze) => {
			const beganMs = freeze.fromMs - fromMs;
			return { fromMs: Math.round(beganMs), toMs: Math.round(beganMs + freeze.durationMs + usualMs) };
		}),
		rows: lineRows(samples, pictures, { freezes, quiet: watch.quietUntil(toMs), startMs: fromMs }),
		events: watch.events,
	};
}

function formatSteps(runs: readonly StepRun[]): string {
	const seconds = (ms: number | undefined): string => (ms === undefined ? 'never' : `${(ms / 1000).toFixed(1)} s`);
	const mbps = (values: readonly number[]): string => values.map((bps) => (bps / 1e6).toFixed(2)).join(' / ');
	const rows = runs.flatMap(({ tier, wideBps, narrowBps, viewers }) =>
		viewers.map(({ page, figures, tiers, rows: each, selfWatch }) => [
			`${tier}, ${page}`,
			mbps([wideBps, narrowBps, wideBps]),
			`${figures.topHeightPixels}, ${figures.lowestHeightPixels}`,
			seconds(figures.smallerAfterMs),
			seconds(figures.topAgainAfterMs),
			`${figures.stallCount}, ${seconds(figures.stalledMs)}`,
			seconds(figures.longestStallMs),
			`${seconds(figures.latencyBeforeMs)}, ${seconds(figures.highestLatencyMs)}`,
			seconds(figures.latencyBackAfterMs),
			mbps(figures.receivedBps),
			mbps(figures.resentBps),
			tiers.map(({ atMs, value }) => `${value} ${(atMs / 1000).toFixed(0)} s`).join(', ') || '–',
			[...selfWatch.voidReasons, ...busySecondsReasons(each)].join('; ') || 'no',
		]),
	);
	const head = [
		...['viewer', 'line Mbit/s', 'height at the top, lowest', 'smaller after', 'top again after', 'stalls', 'longest'],
		...['latency before, highest', 'latency back after', 'received Mbit/s', 'sent again Mbit/s', 'tier since', 'void'],
	];
	return markdownTable(head, rows);
}

function drawSteps(runs: readonly StepRun[], conditions: StepOptions['conditions']): string {
	const names: Record<DeliveryTier, string> = { webrtc: 'Real time (WebRTC)', 'll-hls': 'Low latency (LL-HLS)' };
	const panels = runs.flatMap((run) => panelsOf(run, names[run.tier]));
	const { roundTripMs, congestionControl, lossRatio } = conditions;
	const loss = lossRatio === 0 ? '' : `, ${lossRatio * 100} % lost`;
	const caption = `Round trip ${roundTripMs} ms, queue ${PERFECT_LINE.queueMs} ms, TCP ${congestionControl}${loss}. Shaded: no new picture.`;
	return plotSteps(panels, 'A line that becomes narrow and wide again', caption);
}

function panelsOf({ viewers }: StepRun, name: string): PlotPanel[] {
	const { steps, rows } = viewers[0]!;
	const end = rows.at(-1)?.atSeconds ?? 0;
	const each = (label: string, read: (row: LineRow) => number | undefined, more: Partial<PlotLine> = {}): PlotLine[] =>
		viewers.map(({ page, rows }) => ({
			label: viewers.length === 1 ? label : `${label}, ${page}`,
			color: COLORS[page],
			points: rows.map((row) => ({ atSeconds: row.atSeconds, value: read(row) })),
			...more,
		}));
	const line: PlotLine = {
		label: 'line',
		color: PLOT_COLORS.grey,
		isDashed: true,
		isStepped: true,
		points: [...steps, { ...steps.at(-1)!, atMs: end * 1000 }].map(({ atMs, downBps }) => {
			return { atSeconds: atMs / 1000, value: downBps / 1e6 };
		}),
	};
	const heights = viewers.map(({ page, heights }): PlotLine => {
		const points = heights.map(({ atMs, value }) => ({ atSeconds: atMs / 1000, value }));
		const last = points.at(-1);
		return {
			label: page,
			color: COLORS[page],
			isStepped: true,
			points: last === undefined ? [] : [...points, { atSeconds: end, value: last.value }],
		};
	});
	const bands = viewers.flatMap(({ page, stalls }) =>
		stalls.map(({ fromMs, toMs }) => ({ fromSeconds: fromMs / 1000, toSeconds: toMs / 1000, color: COLORS[page] })),
	);
	return [
		{
			title: `${name}: Mbit/s`,
			lines: [
				line,
				...each('received', ({ receivedBps }) => receivedBps / 1e6),
				...(viewers.length > 1
					? []
					: each('sent again', ({ resentBps }) => resentBps / 1e6, { color: PLOT_COLORS.red })),
			],
		},
		{ title: `${name}: height of the picture, pixels`, lines: heights, bands },
		{
			title: `${name}: latency, s`,
			lines: each('capture to screen', ({ latencyMs }) => (latencyMs === undefined ? undefined : latencyMs / 1000)),
			bands,
		},
	];
}
