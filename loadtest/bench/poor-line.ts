/**
 * A viewer on lines of several rates, each with several losses: how long the picture freezes, the tier and the size of
 * the picture that they watch, what the page says, and what is sent to them.
 */
import { bytesToBps } from '../../core/units.ts';
import { systemClock } from '../../core/lifecycle/clock.ts';
import type { PublisherKind } from '../clients/create-publisher.ts';
import type { EncoderSettings } from '../source/encoder-settings.ts';
import { describeLine, type Line, PERFECT_LINE } from './line/line.ts';
import {
	busySecondsReasons,
	changesOf,
	findFreezes,
	type Freeze,
	FREEZE_MS,
	freshPictures,
	lineRows,
	type LineRow,
	overlapMs,
	sizeOf,
	spreadOfLatency,
	usualIntervalMs,
} from './line/line-figures.ts';
import { LINE_SOURCE, type LinePage, LineWatch } from './line/line-watch.ts';
import type { SessionEvent } from './line/session-ear.ts';
import { type CongestionControl, ShapedLine } from './line/shaped-line.ts';
import { figure, markdownTable } from './measure/markdown-table.ts';
import { inNetworks, type NetworkPlace } from './measure/network-namespace.ts';
import { type SelfWatchResult, watchSelf } from './measure/self-watch.ts';
import { type BenchCommand, namesOf, runEach, say } from './bench-options.ts';

/** When the line is poor, and which page plays. */
export const POOR_LINE_KINDS = {
	drops: "it becomes poor while the viewer watches in real time on the product's page",
	'from-the-start': 'it is poor before the viewer opens the page',
	recovers: 'it becomes poor while the viewer watches, and good again after half of the time',
	whep: 'it becomes poor while a plain page plays by WHEP, which has no other tier',
	'hls.js': 'it becomes poor while a plain page plays LL-HLS with hls.js and its own settings',
} as const;

type PoorLineKind = keyof typeof POOR_LINE_KINDS;

type PoorLineOptions = {
	kinds: readonly PoorLineKind[];
	lines: ReadonlyArray<Pick<Line, 'downBps' | 'lossRatio'>>;
	/** Of the good line, too. */
	roundTripMs: number;
	lossBurst: number;
	reorderRatio: number;
	congestionControl: CongestionControl;
	publisher: PublisherKind;
	settings: EncoderSettings;
	/** Played undisturbed before the line drops. */
	settleMs: number;
	serverEnvironment: Record<string, string>;
	/** Watched on the poor line. */
	durationMs: number;
};

type PoorLineFigures = {
	/** Time beyond the usual interval in gaps of more than {@link FREEZE_MS} between two new pictures, of the whole. */
	frozenShare: number;
	/** Median of the good seconds; with none, of all. */
	usualIntervalMs: number;
	picturesPerSecond: number;
	/** The pattern was too small or too coarse to read; they count as pictures, without a latency. */
	unreadCount: number;
	longestFreezeMs: number;
	freezes: Freeze[];
	/** Absent where the page does not play through an AudioContext. */
	sound?: { quietMs: number; longestQuietMs: number };
	latencyMs: { p50: number; p95: number } | undefined;
	/** Median of the last 5 s; undefined while frozen. */
	latencyAtEndMs: number | undefined;
	/** Changes since the line became poor. */
	tiers: Array<{ atMs: number; value: string }>;
	reasons: Array<{ atMs: number; value: string | undefined }>;
	sizes: Array<{ atMs: number; value: string }>;
	/** Bits a second, as the server sent them: mean, and the worst second. */
	sentBps: { mean: number; max: number };
	receivedBps: number;
	resentBps: { mean: number; max: number };
	rows: LineRow[];
};

type PoorLineRun = {
	kind: PoorLineKind;
	line: Line;
	durationMs: number;
	figures?: PoorLineFigures;
	/** What page and server said to each other, over the whole time. */
	events: SessionEvent[];
	/** Why there are no figures. */
	failure?: string;
	selfWatch: SelfWatchResult;
};

const PAGE_OF: Partial<Record<PoorLineKind, LinePage>> = { whep: 'whep', 'hls.js': 'hls.js' };
const END_MS = 5000;

export const poorLine: BenchCommand = {
	summary: 'a viewer on lines of several rates and losses (needs root; starts its own server)',
	run: async (options) => {
		const { settleMs, durationMs, congestionControl, lossBurst, roundTripMs, reorderRatio, serverEnvironment } =
			options;
		const settings = { ...options.settings, ...LINE_SOURCE };
		const kinds = namesOf(options.kinds ?? 'drops', Object.keys(POOR_LINE_KINDS) as PoorLineKind[], 'kind');
		const lines = options.lineRates.flatMap((downBps) => options.losses.map((lossRatio) => ({ downBps, lossRatio })));
		const conditions = { roundTripMs, lossBurst, reorderRatio, congestionControl };
		const plan = { kinds, lines, ...conditions, settings, settleMs, durationMs, serverEnvironment };
		const run = (publisher: PublisherKind) => runPoorLine({ publisher, ...plan });
		const { runs, markdown } = await runEach(options.publishers, run, formatPoorLine);
		return { result: { settings, conditions, runs }, markdown };
	},
};

function runPoorLine(options: PoorLineOptions): Promise<PoorLineRun[]> {
	const create = [() => ShapedLine.create(PERFECT_LINE, options.congestionControl)];
	return inNetworks({ ...options, create }, async ([place]) => {
		const runs: PoorLineRun[] = [];
		for (const kind of options.kinds) {
			for (const line of options.lines) {
				runs.push(await runCell(kind, line, place!, options));
				say(`${kind}, ${describeLine(runs.at(-1)!.line)}: done`);
				place!.checkPublisher();
			}
		}
		return runs;
	});
}

async function runCell(
	kind: PoorLineKind,
	{ downBps, lossRatio }: PoorLineOptions['lines'][number],
	place: NetworkPlace<ShapedLine>,
	options: PoorLineOptions,
): Promise<PoorLineRun> {
	const { roundTripMs, lossBurst, reorderRatio, durationMs, settleMs } = options;
	const good: Line = { ...PERFECT_LINE, roundTripMs };
	const line: Line = { ...good, downBps, lossRatio, lossBurst, reorderRatio };
	const isPoorAtFirst = kind === 'from-the-start';
	await place.network.set(isPoorAtFirst ? line : good);
	const browser = await place.launchBrowser();
	const endWatch = watchSelf();
	let events: SessionEvent[] = [];
	try {
		let fromMs = systemClock.nowMs();
		const watch = await LineWatch.open(place, browser, PAGE_OF[kind] ?? 'product');
		events = watch.events;
		if (!isPoorAtFirst) {
			await watch.waitForPicture();
			await watch.watch(settleMs);
			await place.network.set(line);
			fromMs = systemClock.nowMs();
		}
		if (kind === 'recovers') {
			await watch.watch(durationMs / 2);
			await place.network.set(good);
		}
		await watch.watch(fromMs + durationMs - systemClock.nowMs());
		const figures = figuresOf(watch, { fromMs, toMs: systemClock.nowMs() });
		return { kind, line, durationMs, figures, events, selfWatch: endWatch() };
	} catch (error) {
		const failure = (error as Error).message.slice(0, 500);
		return { kind, line, durationMs, events, failure, selfWatch: endWatch() };
	} finally {
		await browser.close();
	}
}

function figuresOf(watch: LineWatch, window: { fromMs: number; toMs: number }): PoorLineFigures {
	const { fromMs, toMs } = window;
	const all = freshPictures(watch.frames, watch.unreadable);
	const pictures = all.filter(({ shownAtMs }) => shownAtMs > fromMs && shownAtMs <= toMs);
	const good = all.filter(({ shownAtMs }) => shownAtMs <= fromMs);
	const usualMs = usualIntervalMs(good.length > 1 ? good : pictures, { fromMs: 0, toMs });
	const samples = watch.samplesWithin(window);
	const freezes = findFreezes(pictures, window, { usualMs, boundMs: FREEZE_MS, samples });
	const quiet = watch.quietUntil(toMs);
	const rows = lineRows(samples, all, { freezes, quiet, startMs: fromMs });
	const seconds = (toMs - fromMs) / 1000;
	const [first, last] = [samples[0]!, samples.at(-1)!];
	const mean = (name: 'downBytes' | 'receivedBytes' | 'resentBytes'): number =>
		Math.round(bytesToBps(last.counts[name] - first.counts[name], last.atMs - first.atMs));
	const lengths = (quiet ?? []).map((stretch) => overlapMs([stretch], window));
	return {
		frozenShare: freezes.reduce((sum, { durationMs }) => sum + durationMs, 0) / (toMs - fromMs),
		usualIntervalMs: usualMs,
		picturesPerSecond: pictures.length / seconds,
		unreadCount: pictures.filter(({ frameNumber }) => frameNumber < 0).length,
		longestFreezeMs: Math.max(0, ...freezes.map(({ durationMs }) => durationMs)),
		freezes,
		...(quiet === undefined
			? {}
			: { sound: { quietMs: overlapMs(quiet, window), longestQuietMs: Math.max(0, ...lengths) } }),
		latencyMs: spreadOfLatency(pictures),
		latencyAtEndMs: spreadOfLatency(pictures.filter(({ shownAtMs }) => shownAtMs > toMs - END_MS))?.p50,
		tiers: changesOf(
			samples.flatMap(({ atMs, player }) => (player === undefined ? [] : [{ atMs, value: player.tier }])),
			fromMs,
		),
		reasons: changesOf(
			samples.map(({ atMs, reason }) => ({ atMs, value: reason })),
			fromMs,
		),
		sizes: changesOf(
			pictures.map((picture) => ({ atMs: picture.shownAtMs, value: sizeOf(picture) })),
			fromMs,
		),
		sentBps: { mean: mean('downBytes'), max: Math.max(0, ...rows.map(({ sentBps }) => sentBps)) },
		receivedBps: mean('receivedBytes'),
		resentBps: { mean: mean('resentBytes'), max: Math.max(0, ...rows.map(({ resentBps }) => resentBps)) },
		rows,
	};
}

function formatPoorLine(runs: readonly PoorLineRun[]): string {
	const mbps = (bps: number): string => (bps / 1e6).toFixed(2);
	const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
	const list = (changes: ReadonlyArray<{ atMs: number; value: string | undefined }>): string =>
		changes.map(({ atMs, value }) => `${value ?? '–'} ${(atMs / 1000).toFixed(0)} s`).join(', ');
	const rows = runs.map(({ kind, line, figures, failure, selfWatch }) => {
		const name = [kind, mbps(line.downBps ?? 0), `${line.lossRatio * 100} %`];
		const reasons = [...selfWatch.voidReasons, ...busySecondsReasons(figures?.rows ?? [])];
		const isVoid = reasons.join('; ') || 'no';
		if (figures === undefined) {
			return [...name, `failed: ${failure}`, ...Array.from({ length: 10 }, () => '–'), isVoid];
		}
		const { sound, latencyAtEndMs } = figures;
		const worst = figures.freezes.toSorted((a, b) => b.durationMs - a.durationMs)[0];
		return [
			...name,
			`${(figures.frozenShare * 100).toFixed(0)} %`,
			figures.picturesPerSecond.toFixed(1),
			seconds(figures.longestFreezeMs) + (worst?.isOver === false ? ', not over' : ''),
			sound === undefined ? '–' : `${seconds(sound.quietMs)} / ${seconds(sound.longestQuietMs)}`,
			list(figures.tiers) || '–',
			list(figures.sizes) || '–',
			latencyAtEndMs === undefined ? '–' : seconds(latencyAtEndMs),
			`${figure(figures.latencyMs?.p50)} / ${figure(figures.latencyMs?.p95)}`,
			`${mbps(figures.sentBps.mean)} / ${mbps(figures.sentBps.max)}`,
			`${mbps(figures.resentBps.mean)} / ${mbps(figures.resentBps.max)}`,
			worst?.said.join('; ') || '–',
			isVoid,
		];
	});
	const head = [
		...['the line', 'Mbit/s', 'loss', 'frozen', 'pictures/s', 'longest', 'without sound, all / longest', 'tier since'],
		...['size since', 'latency at the end', 'latency ms p50 / p95', 'sent Mbit/s, mean / worst second'],
		...['of it again', 'the page, in the longest freeze', 'void'],
	];
	return markdownTable(head, rows);
}
