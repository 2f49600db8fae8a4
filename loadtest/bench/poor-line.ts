/**
 * A viewer on a line too poor for the picture: how long the picture freezes, the tier they watch, and what is sent to
 * them.
 */
import { systemClock } from '../../core/lifecycle/clock.ts';
import { bytesToBps } from '../../core/units.ts';
import type { PublisherKind } from '../clients/create-publisher.ts';
import type { EncoderSettings } from '../source/encoder-settings.ts';
import { pictureGapsMs } from './measure/frame-log.ts';
import { markdownTable } from './measure/markdown-table.ts';
import { inNetwork, type NetworkPlace } from './measure/network-namespace.ts';
import { PlayerWatch } from './measure/player-watch.ts';
import { type SelfWatchResult, watchSelf } from './measure/self-watch.ts';
import { type BenchCommand, namesOf, runEach } from './bench-options.ts';

/** When the line is poor. */
export const POOR_LINE_KINDS = {
	drops: 'it becomes poor while the viewer watches in real time',
	'from-the-start': 'it is poor before the viewer opens the page',
	recovers: 'it becomes poor while the viewer watches, and good again after half of the time',
} as const;

type PoorLineKind = keyof typeof POOR_LINE_KINDS;

type PoorLineOptions = {
	kinds: readonly PoorLineKind[];
	publisher: PublisherKind;
	settings: EncoderSettings;
	lineBps: number;
	/** Played undisturbed before the line drops. */
	settleMs: number;
	/** Watched on the poor line. */
	durationMs: number;
};

type PoorLineRun = {
	kind: PoorLineKind;
	lineBps: number;
	durationMs: number;
	/** Time in gaps of more than {@link FREEZE_MS} between two pictures, of the whole. */
	frozenShare: number;
	longestGapMs: number;
	/** From the line's drop, or the opening of the page, to the first statistics of the LL-HLS tier; undefined: never. */
	toHlsMs: number | undefined;
	/** What the server sent into the line, dropped or not: mean, and the worst second. */
	offeredBps: { mean: number; max: number };
	/** The player's tiers, one entry for each change, with its latency then. */
	tiers: Array<{ atMs: number; tier: string; latencyMs: number | undefined }>;
	/** Of the player at the end. */
	latencyMs: number | undefined;
	selfWatch: SelfWatchResult;
};

/** A viewer notices a picture that stays longer than this. */
const FREEZE_MS = 500;
/** The line carries many times the stream until it drops. */
const GOOD_LINE_BPS = 50_000_000;
const PACKET_BYTES = 1200;
/** The page comes over the poor line, too. */
const PAGE_DEADLINE_MS = 30_000;
const SECOND_MS = 1000;

export const poorLine: BenchCommand = {
	summary: 'a viewer on a line that is too poor for the picture (needs root; starts its own server)',
	run: async (options) => {
		const { settings, lineBps, settleMs, durationMs } = options;
		const kinds = namesOf(options.kinds, Object.keys(POOR_LINE_KINDS) as PoorLineKind[], 'kind');
		const plan = { kinds, settings, lineBps, settleMs, durationMs };
		const run = (publisher: PublisherKind) => runPoorLine({ publisher, ...plan });
		const { runs, markdown } = await runEach(options.publishers, run, formatPoorLine);
		return { result: { settings, runs }, markdown };
	},
};

function runPoorLine(options: PoorLineOptions): Promise<PoorLineRun[]> {
	return inNetwork(options, async (place) => {
		const runs: PoorLineRun[] = [];
		for (const kind of options.kinds) {
			runs.push(await runKind(kind, place, options));
			place.checkPublisher();
		}
		return runs;
	});
}

async function runKind(kind: PoorLineKind, place: NetworkPlace, options: PoorLineOptions): Promise<PoorLineRun> {
	const { network, pageUrl } = place;
	await network.shape(kind === 'from-the-start' ? options.lineBps : GOOD_LINE_BPS);
	const browser = await place.launchBrowser();
	const endWatch = watchSelf();
	try {
		const openedAtMs = systemClock.nowMs();
		const watch = await PlayerWatch.open(browser, pageUrl, 0);
		await watch.page.page.waitForFunction('window.__spillway?.statistics !== undefined', undefined, {
			timeout: PAGE_DEADLINE_MS,
		});
		let fromMs = openedAtMs;
		if (kind !== 'from-the-start') {
			await watch.waitForPicture().catch(async (error: unknown) => {
				throw new Error(`The player says ${JSON.stringify(await watch.player())}`, { cause: error });
			});
			await watch.watch(options.settleMs);
			fromMs = systemClock.nowMs();
			await network.shape(options.lineBps);
		}
		const untilMs = fromMs + options.durationMs;
		const tiers: PoorLineRun['tiers'] = [];
		const offered: Array<{ atMs: number; bytes: number }> = [];
		let isPoor = true;
		while (systemClock.nowMs() < untilMs) {
			await watch.watch(SECOND_MS);
			if (kind === 'recovers' && isPoor && systemClock.nowMs() > fromMs + options.durationMs / 2) {
				isPoor = false;
				await network.shape(GOOD_LINE_BPS);
			}
			const { sentBytes, droppedPackets } = await network.lineCounts();
			offered.push({ atMs: systemClock.nowMs(), bytes: sentBytes + droppedPackets * PACKET_BYTES });
			const { tier, latencyMs } = await watch.player();
			if (tiers.at(-1)?.tier !== tier) {
				tiers.push({ atMs: systemClock.nowMs() - fromMs, tier, latencyMs });
			}
		}
		const rates = offered
			.slice(1)
			.map(({ atMs, bytes }, index) => bytesToBps(bytes - offered[index]!.bytes, atMs - offered[index]!.atMs));
		const gaps = pictureGapsMs(watch.frames, fromMs, untilMs);
		return {
			kind,
			lineBps: options.lineBps,
			durationMs: options.durationMs,
			frozenShare: sum(gaps.filter((gapMs) => gapMs > FREEZE_MS)) / options.durationMs,
			longestGapMs: Math.max(...gaps),
			toHlsMs: tiers.find(({ tier }) => tier === 'll-hls')?.atMs,
			offeredBps: { mean: sum(rates) / Math.max(1, rates.length), max: Math.max(0, ...rates) },
			tiers,
			latencyMs: (await watch.player()).latencyMs,
			selfWatch: endWatch(),
		};
	} finally {
		await browser.close();
	}
}

function sum(values: readonly number[]): number {
	return values.reduce((total, value) => total + value, 0);
}

function formatPoorLine(runs: readonly PoorLineRun[]): string {
	const mbps = (bps: number): string => (bps / 1e6).toFixed(1);
	const rows = runs.map((run) => [
		`${run.kind}: ${POOR_LINE_KINDS[run.kind]}`,
		mbps(run.lineBps),
		`${(run.frozenShare * 100).toFixed(0)} % of ${run.durationMs / 1000} s`,
		`${(run.longestGapMs / 1000).toFixed(1)} s`,
		`${mbps(run.offeredBps.mean)} / ${mbps(run.offeredBps.max)}`,
		run.tiers.map(({ atMs, tier }) => `${tier} ${(atMs / 1000).toFixed(0)} s`).join(', '),
		run.latencyMs === undefined ? '–' : `${(run.latencyMs / 1000).toFixed(1)} s`,
		run.selfWatch.voidReasons.join('; ') || 'no',
	]);
	const head = [
		...['the line', 'Mbit/s', 'picture stands', 'longest', 'sent to it, mean / worst second', 'tier since'],
		...['latency at the end', 'void'],
	];
	return markdownTable(head, rows);
}
