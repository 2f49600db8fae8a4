/**
 * Planned changes of tier in the product's player, both ways: smoothness and content by the pixels, sound by the mix.
 */
import { percentile } from '../../core/percentiles.ts';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { createPublisher, type PublisherKind } from '../clients/create-publisher.ts';
import type { EncoderSettings } from '../source/encoder-settings.ts';
import type { Publisher } from '../source/publisher.ts';
import type { DeliveryTier } from '../clients/chromium/chromium-viewer.ts';
import { launchChromium } from '../clients/chromium/chromium.ts';
import { developFilmStrip, startFilm } from './measure/film-strip.ts';
import { measureHandOver, measureLatencyErrors, type HandOverMeasure } from './measure/hand-over-measures.ts';
import { type PathServer } from './measure/path-viewer.ts';
import { type SelfWatchResult, watchSelf } from './measure/self-watch.ts';
import { PlayerWatch } from './measure/player-watch.ts';
import { waitUntilLive } from './measure/server-under-test.ts';
import { type BenchCommand, runEach, withServer } from './bench-options.ts';
import { writeFile } from 'node:fs/promises';

/** How often, and with which source. */
type HandOverOptions = {
	publisher: PublisherKind;
	settings: EncoderSettings;
	/** Changes in each direction, of each viewer. */
	count: number;
	/** Viewers side by side, in one browser. */
	viewerCount: number;
	/** Played undisturbed before each change. */
	settleMs: number;
	/** Filmed after the measured changes, one more each way. */
	withFilmStrips: boolean;
};

/** One change. */
type HandOverEntry = HandOverMeasure & {
	to: DeliveryTier;
	/** From the wish to the swap, as the player says. */
	durationMs: number;
	/** What the player itself measured, against which the pixels are held. */
	ownGapMs: number | undefined;
	ownJumpMs: number | undefined;
};

/** Everything that a run gave. @internal for tests */
export type HandOverRun = {
	entries: HandOverEntry[];
	/** Changes that did not come to pass within the deadline. */
	failedCount: number;
	/** Shown latency minus the pixels' truth, one sample a second, by tier; milliseconds. */
	latencyErrorsMs: Record<DeliveryTier, number[]>;
	/** False: the browser did not let the sound through an AudioContext, so no audio figures are there. */
	hasMix: boolean;
	selfWatch: SelfWatchResult;
	/** JPEG pictures of one change to each tier. */
	filmStrips: Partial<Record<DeliveryTier, Buffer>>;
};

/** A hum under the bursts lets gaps be heard; the bursts' detector takes it for silence. */
const HUM_AMPLITUDE = 0.015;
const AFTER_MS = 1500;

export const handOvers: BenchCommand = {
	summary: "a viewer's moves between the tiers, read picture by picture",
	run: async (options) => {
		const { settings, settleMs, viewerCount, handOverCount: count, filmStrips: path } = options;
		const plan = { settings, count, viewerCount, settleMs, withFilmStrips: path !== undefined };
		const { runs, markdown } = await withServer(options, (server) => {
			const run = async (publisher: PublisherKind) => {
				const { filmStrips, ...figures } = await runHandOvers(server, { publisher, ...plan });
				for (const [tier, jpeg] of Object.entries(filmStrips)) {
					await writeFile(`${path}-to-${tier}.jpg`, jpeg);
				}
				return figures;
			};
			return runEach(options.publishers, run, formatHandOvers);
		});
		return { result: { settings, runs }, markdown };
	},
};

/** Publishes, watches, changes tiers `count` times each way. Rejects when nothing plays at all. @internal for tests */
export async function runHandOvers(server: PathServer, options: HandOverOptions): Promise<HandOverRun> {
	const settings = { ...options.settings, humAmplitude: HUM_AMPLITUDE };
	const publisher = createPublisher(options.publisher, settings, server.addresses);
	const browser = await launchChromium();
	try {
		await publisher.start();
		await waitUntilLive(server.addresses);
		const { httpUrl, channel } = server.addresses;
		const url = `${httpUrl}/${channel}`;
		const watchers: PlayerWatch[] = [];
		for (let viewer = 0; viewer < options.viewerCount; viewer++) {
			watchers.push(await PlayerWatch.open(browser, url, publisher.clockOffsetMs));
			await watchers.at(-1)!.waitForPicture();
		}
		const endWatch = watchSelf();
		const changes = await Promise.all(watchers.map((watcher) => changeTiers(watcher, publisher, options)));
		const selfWatch = endWatch();
		const latencyErrorsMs = (tier: DeliveryTier): number[] =>
			watchers.flatMap((watcher) => measureLatencyErrors(watcher.frames, watcher.claims, tier));
		const run: HandOverRun = {
			entries: changes.flatMap(({ entries }) => entries),
			failedCount: changes.reduce((sum, { failedCount }) => sum + failedCount, 0),
			latencyErrorsMs: { webrtc: latencyErrorsMs('webrtc'), 'll-hls': latencyErrorsMs('ll-hls') },
			hasMix: watchers.every((watcher) => watcher.hasMix),
			selfWatch,
			filmStrips: options.withFilmStrips ? await filmChanges(watchers[0]!, options.settleMs) : {},
		};
		if (publisher.failure !== undefined) {
			throw publisher.failure;
		}
		return run;
	} finally {
		await browser.close();
		await publisher.stop();
	}
}

async function changeTiers(
	watcher: PlayerWatch,
	publisher: Publisher,
	options: HandOverOptions,
): Promise<Pick<HandOverRun, 'entries' | 'failedCount'>> {
	const run: Pick<HandOverRun, 'entries' | 'failedCount'> = { entries: [], failedCount: 0 };
	for (let index = 0; index < options.count * 2; index++) {
		await watcher.watch(options.settleMs);
		if (publisher.failure !== undefined) {
			throw publisher.failure;
		}
		const before = await watcher.player();
		const to: DeliveryTier = before.tier === 'webrtc' ? 'll-hls' : 'webrtc';
		const askedAtMs = systemClock.nowMs();
		await watcher.page.page.evaluate(`__spillway.switchTier('${to}')`);
		const hasChanged = await watcher.watchUntil((now) => now.handOver.count > before.handOver.count);
		await watcher.watch(AFTER_MS);
		const { handOver } = await watcher.player();
		const measure = hasChanged ? measureHandOver(watcher.frames, watcher.quiet, watcher.heard, askedAtMs) : undefined;
		if (measure === undefined) {
			run.failedCount++;
		} else {
			run.entries.push({
				...measure,
				to,
				durationMs: handOver.lastDurationMs ?? NaN,
				ownGapMs: handOver.presentedGapMs,
				ownJumpMs: handOver.contentJumpMs,
			});
		}
		await watcher.watchUntil((now) => now.handOver.state === 'settled');
	}
	return run;
}

// Apart from the measured ones, because filming costs the browser time.
async function filmChanges(watcher: PlayerWatch, settleMs: number): Promise<HandOverRun['filmStrips']> {
	const strips: HandOverRun['filmStrips'] = {};
	for (let index = 0; index < 2; index++) {
		await watcher.watch(settleMs);
		const before = await watcher.player();
		const to: DeliveryTier = before.tier === 'webrtc' ? 'll-hls' : 'webrtc';
		const { page } = watcher.page;
		await startFilm(page);
		await page.evaluate(`__spillway.switchTier('${to}')`);
		await watcher.watchUntil((now) => now.handOver.count > before.handOver.count);
		await watcher.watch(500);
		const strip = await developFilmStrip(page, to);
		if (strip !== undefined) {
			strips[to] = strip;
		}
	}
	return strips;
}

function formatHandOvers(run: Omit<HandOverRun, 'filmStrips'>): string {
	const head = [
		'to',
		'changes',
		'gap ms p50',
		'p95',
		'max',
		'audio gap max',
		'content ms p50',
		'p95',
		'max',
		'took s p50',
		'max',
	];
	const lines = (['webrtc', 'll-hls'] as const).map((to) => {
		const entries = run.entries.filter((entry) => entry.to === to);
		const row = [to, String(entries.length)];
		if (entries.length > 0) {
			const gaps = entries.map((entry) => entry.presentedGapMs);
			const content = entries.map((entry) => Math.abs(entry.contentJumpMs));
			const tookSeconds = entries.map((entry) => entry.durationMs / 1000);
			row.push(...[percentile(gaps, 50), percentile(gaps, 95), Math.max(...gaps)].map((ms) => ms.toFixed(0)));
			row.push(run.hasMix ? Math.max(...entries.map((entry) => entry.audioGapMs)).toFixed(0) : '–');
			row.push(...[percentile(content, 50), percentile(content, 95), Math.max(...content)].map((ms) => ms.toFixed(0)));
			row.push(percentile(tookSeconds, 50).toFixed(1), Math.max(...tookSeconds).toFixed(1));
		}
		return `| ${row.join(' | ')} |`;
	});
	const errors = (['webrtc', 'll-hls'] as const).map((tier) => {
		const magnitudes = run.latencyErrorsMs[tier].map(Math.abs);
		const p95 = magnitudes.length === 0 ? '–' : `${percentile(magnitudes, 95).toFixed(0)} ms`;
		return `${tier}: p95 ${p95} of ${magnitudes.length}`;
	});
	return `| ${head.join(' | ')} |
|${' --- |'.repeat(head.length)}
${lines.join('\n')}

Changes that did not come to pass: ${run.failedCount}. Latency shown minus pixel truth, ${errors.join('; ')}.
`;
}
