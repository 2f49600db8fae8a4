/** Planned hand-overs in the product's player, both ways: picture by the pixels, sound by the mix. */
import { percentile } from '../../core/percentiles.ts';
import { systemClock } from '../../core/lifecycle/clock.ts';
import { DELIVERY_TIERS, type DeliveryTier } from '../../core/protocol/tiers.ts';
import type { PublisherKind } from '../clients/create-publisher.ts';
import type { EncoderSettings } from '../source/encoder-settings.ts';
import { type Publisher, throwFailure } from '../source/publisher.ts';
import { launchChromium } from '../clients/chromium/chromium.ts';
import { developFilmStrip, startFilm } from './measure/film-strip.ts';
import { measureHandOver, measureLatencyErrors, type HandOverMeasure } from './measure/hand-over-measures.ts';
import { markdownTable, percentileCells } from './measure/markdown-table.ts';
import { type SelfWatchResult, watchSelf } from './measure/self-watch.ts';
import { PlayerWatch } from './measure/player-watch.ts';
import { type ServerUnderTest, withPublisher } from './measure/server-under-test.ts';
import { type BenchCommand, runEach, withServer } from './bench-options.ts';
import { writeFile } from 'node:fs/promises';

type HandOverOptions = {
	publisher: PublisherKind;
	settings: EncoderSettings;
	/** Changes in each direction, of each viewer. */
	count: number;
	/** Viewers side by side, in one browser. */
	viewerCount: number;
	/** Played undisturbed before each change. */
	settleMs: number;
	/** Films one more change each way, after the measured ones. */
	withFilmStrips: boolean;
};

type HandOverEntry = HandOverMeasure & {
	to: DeliveryTier;
	/** From the request to the swap, by the player's own report. */
	durationMs: number;
	/** The player's own figures, for comparison with the pixels. */
	ownGapMs: number | undefined;
	ownJumpMs: number | undefined;
};

/** @internal for tests */
export type HandOverRun = {
	entries: HandOverEntry[];
	/** Changes that did not happen within the deadline. */
	failedCount: number;
	/** Latency that the player shows minus that of the pixels, one sample a second, by tier; milliseconds. */
	latencyErrorsMs: Record<DeliveryTier, number[]>;
	/** False: the sound does not go through an AudioContext, so there are no audio figures. */
	hasMix: boolean;
	selfWatch: SelfWatchResult;
	/** JPEG pictures of one change to each tier. */
	filmStrips: Partial<Record<DeliveryTier, Buffer>>;
};

/** Of a hum under the bursts, in which gaps can be heard; low enough that the burst detector counts it as silence. */
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

/** Publishes, watches, makes `count` hand-overs each way. Rejects when nothing plays. @internal for tests */
export async function runHandOvers(server: ServerUnderTest, options: HandOverOptions): Promise<HandOverRun> {
	const settings = { ...options.settings, humAmplitude: HUM_AMPLITUDE };
	const browser = await launchChromium();
	try {
		return await withPublisher(server, { ...options, settings }, async (publisher) => {
			const { httpUrl, channel } = server.addresses;
			const watchers: PlayerWatch[] = [];
			for (let viewer = 0; viewer < options.viewerCount; viewer++) {
				const watcher = await PlayerWatch.open(browser, `${httpUrl}/${channel}`, publisher.clockOffsetMs);
				await watcher.waitForPicture();
				watchers.push(watcher);
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
			throwFailure(publisher);
			return run;
		});
	} finally {
		await browser.close();
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
		throwFailure(publisher);
		const askedAtMs = systemClock.nowMs();
		const { to, hasChanged } = await changeTier(watcher);
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

async function changeTier(watcher: PlayerWatch): Promise<{ to: DeliveryTier; hasChanged: boolean }> {
	const before = await watcher.player();
	const to = before.tier === 'webrtc' ? 'll-hls' : 'webrtc';
	await watcher.page.page.evaluate(`__spillway.switchTier('${to}')`);
	return { to, hasChanged: await watcher.watchUntil((now) => now.handOver.count > before.handOver.count) };
}

// Not the measured changes, because filming costs the browser time.
async function filmChanges(watcher: PlayerWatch, settleMs: number): Promise<HandOverRun['filmStrips']> {
	const strips: HandOverRun['filmStrips'] = {};
	for (let index = 0; index < 2; index++) {
		await watcher.watch(settleMs);
		const { page } = watcher.page;
		await startFilm(page);
		const { to } = await changeTier(watcher);
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
		...['to', 'changes', 'gap ms p50', 'p95', 'max', 'audio gap max'],
		...['content ms p50', 'p95', 'max', 'took s p50', 'max'],
	];
	const rows = DELIVERY_TIERS.map((to) => {
		const entries = run.entries.filter((entry) => entry.to === to);
		if (entries.length === 0) {
			return [to, 0];
		}
		const tookSeconds = entries.map((entry) => entry.durationMs / 1000);
		return [
			to,
			entries.length,
			...percentileCells(entries.map((entry) => entry.presentedGapMs)),
			run.hasMix ? Math.max(...entries.map((entry) => entry.audioGapMs)).toFixed(0) : '–',
			...percentileCells(entries.map((entry) => Math.abs(entry.contentJumpMs))),
			percentile(tookSeconds, 50).toFixed(1),
			Math.max(...tookSeconds).toFixed(1),
		];
	});
	const errors = DELIVERY_TIERS.map((tier) => {
		const magnitudes = run.latencyErrorsMs[tier].map(Math.abs);
		const p95 = magnitudes.length === 0 ? '–' : `${percentile(magnitudes, 95).toFixed(0)} ms`;
		return `${tier}: p95 ${p95} of ${magnitudes.length}`;
	});
	return `${markdownTable(head, rows)}
Changes that did not come to pass: ${run.failedCount}. Latency shown minus pixel truth, ${errors.join('; ')}.
`;
}
