/**
 * A viewer whose line is too poor for the picture: how long it stands, in which tier they watch, and what is sent to
 * them meanwhile.
 */
import { systemClock } from '../../core/lifecycle/clock.ts';
import { bytesToBps } from '../../core/units.ts';
import type { PublisherKind } from '../clients/create-publisher.ts';
import type { EncoderSettings } from '../source/encoder-settings.ts';
import type { ServerUnderTest } from './measure/server-under-test.ts';
import { findChromium, launchChromium } from '../clients/chromium/chromium.ts';
import { inNetwork, type NetworkNamespace } from './measure/network-namespace.ts';
import { PlayerWatch } from './measure/player-watch.ts';
import { type SelfWatchResult, watchSelf } from './measure/self-watch.ts';
import type { ShownFrame } from '../clients/chromium/bench-page.ts';
import { type BenchCommand, namesOf, runEach } from './bench-options.ts';

/** When the line is poor. */
export const POOR_LINE_KINDS = {
	drops: 'it becomes poor while the viewer watches in real time',
	'from-the-start': 'it is poor before the viewer opens the page',
	recovers: 'it becomes poor while the viewer watches, and good again after half of the time',
} as const;

type PoorLineKind = keyof typeof POOR_LINE_KINDS;

/** Which source, over which line, and for how long. */
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

/** One viewer on one line. */
type PoorLineRun = {
	kind: PoorLineKind;
	lineBps: number;
	durationMs: number;
	/** Time in gaps of more than {@link STANDS_MS} between two pictures, of the whole. */
	frozenShare: number;
	longestGapMs: number;
	/** From the line's drop, or the opening of the page, to the first statistics of the LL-HLS tier; undefined: never. */
	toHlsMs: number | undefined;
	/** What the server sent towards the line, passed on or not: mean, and the worst second. */
	offeredBps: { mean: number; max: number };
	/** The tiers and the latency that the player told, one entry a change of tier. */
	tiers: Array<{ atMs: number; tier: string; latencyMs: number | undefined }>;
	/** At the end. */
	latencyMs: number | undefined;
	selfWatch: SelfWatchResult;
};

/** A picture that stands for longer stands to the eye. */
const STANDS_MS = 500;
/** The line carries many times the stream until it drops. */
const GOOD_LINE_BPS = 50_000_000;
const PACKET_BYTES = 1200;
/** The page itself comes over the poor line. */
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
	return inNetwork(options, async ({ network, server, checkPublisher }) => {
		const runs: PoorLineRun[] = [];
		for (const kind of options.kinds) {
			runs.push(await runKind(kind, network, server, options));
			checkPublisher();
		}
		return runs;
	});
}

async function runKind(
	kind: PoorLineKind,
	network: NetworkNamespace,
	server: ServerUnderTest,
	options: PoorLineOptions,
): Promise<PoorLineRun> {
	const port = Number(new URL(server.addresses.httpUrl).port);
	const origin = `http://${network.hostAddress}:${port}`;
	await network.shape(kind === 'from-the-start' ? options.lineBps : GOOD_LINE_BPS);
	const executable = await network.wrap(findChromium());
	const browser = await launchChromium({ executable, secureOrigin: origin });
	const endWatch = watchSelf();
	try {
		const openedAtMs = systemClock.nowMs();
		const watch = await PlayerWatch.open(browser, `${origin}/${server.addresses.channel}`, 0);
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
			frozenShare: sum(gaps.filter((gapMs) => gapMs > STANDS_MS)) / options.durationMs,
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

/** Times between pictures within two moments, both counted as if they were pictures. */
function pictureGapsMs(frames: readonly Pick<ShownFrame, 'shownAtMs'>[], fromMs: number, toMs: number): number[] {
	const moments = [fromMs, ...frames.map(({ shownAtMs }) => shownAtMs).filter((ms) => ms > fromMs && ms < toMs), toMs];
	return moments.slice(1).map((ms, index) => ms - moments[index]!);
}

function sum(values: readonly number[]): number {
	return values.reduce((total, value) => total + value, 0);
}

function formatPoorLine(runs: readonly PoorLineRun[]): string {
	const mbps = (bps: number): string => (bps / 1e6).toFixed(1);
	const rows = runs.map((run) => {
		const tiers = run.tiers.map(({ atMs, tier }) => `${tier} ${(atMs / 1000).toFixed(0)} s`).join(', ');
		const latency = run.latencyMs === undefined ? '–' : `${(run.latencyMs / 1000).toFixed(1)} s`;
		return (
			`| ${run.kind}: ${POOR_LINE_KINDS[run.kind]} | ${mbps(run.lineBps)} | ${(run.frozenShare * 100).toFixed(0)} % of ${run.durationMs / 1000} s | ` +
			`${(run.longestGapMs / 1000).toFixed(1)} s | ${mbps(run.offeredBps.mean)} / ${mbps(run.offeredBps.max)} | ${tiers} | ${latency} | ${run.selfWatch.voidReasons.join('; ') || 'no'} |`
		);
	});
	return `| the line | Mbit/s | picture stands | longest | sent to it, mean / worst second | tier since | latency at the end | void |
| --- | --- | --- | --- | --- | --- | --- | --- |
${rows.join('\n')}
`;
}
