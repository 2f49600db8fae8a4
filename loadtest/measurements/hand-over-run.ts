/** Planned changes of tier in the product's player, both ways: smoothness and content by the pixels, sound by the mix. */
import { percentile } from '../../core/percentiles.ts';
import { sleep, systemClock } from '../../core/clock.ts';
import { createPublisher, type PublisherKind } from '../publishers/create-publisher.ts';
import type { EncoderSettings } from '../publishers/encoder-settings.ts';
import { BenchPage } from '../viewers/bench-page.ts';
import type { DeliveryTier } from '../viewers/chromium-viewer.ts';
import { launchChromium } from '../viewers/chromium.ts';
import { COLLECT_MIX, MIX_EAR, type MixReadings } from '../viewers/mix-ear.ts';
import type { ShownFrame } from './frame-log.ts';
import { measureHandOver, measureLatencyErrors, type HandOverMeasure } from './hand-over-measures.ts';
import { type PathServer, waitUntilLive } from './path-run.ts';
import { type SelfWatchResult, watchSelf } from './self-watch.ts';
import { toneCaptureTimeMs } from './tone-code.ts';

/** How often, and with which source. */
export type HandOverOptions = {
	publisher: PublisherKind;
	settings: EncoderSettings;
	/** Changes in each direction. */
	count: number;
	/** Played undisturbed before each change. */
	settleMs: number;
};

/** One change. */
export type HandOverEntry = HandOverMeasure & {
	to: DeliveryTier;
	/** From the wish to the swap, as the player says. */
	durationMs: number;
	/** What the player itself measured, against which the pixels are held. */
	ownGapMs: number | undefined;
	ownJumpMs: number | undefined;
};

/** Everything that a run gave. */
export type HandOverRun = {
	entries: HandOverEntry[];
	/** Changes that did not come to pass within the deadline. */
	failedCount: number;
	/** Shown latency minus the pixels' truth, one sample a second, by tier; milliseconds. */
	latencyErrorsMs: Record<DeliveryTier, number[]>;
	/** False: the browser did not let the sound through an AudioContext, so no audio figures are there. */
	hasMix: boolean;
	selfWatch: SelfWatchResult;
};

type PlayerState = {
	tier: DeliveryTier;
	state: string;
	latencyMs?: number;
	handOver: { count: number; state: string; lastDurationMs?: number; presentedGapMs?: number; contentJumpMs?: number };
};

/** A hum under the bursts lets gaps be heard; the bursts' detector takes it for silence. */
const HUM_AMPLITUDE = 0.015;
const FIRST_PICTURE_DEADLINE_MS = 20_000;
/** The slide back from live takes some 25 s. */
const CHANGE_DEADLINE_MS = 90_000;
const POLL_MS = 250;
const AFTER_MS = 1500;

/** Publishes, watches, changes tiers `count` times each way. Rejects when nothing plays at all. */
export async function runHandOvers(server: PathServer, options: HandOverOptions): Promise<HandOverRun> {
	const settings = { ...options.settings, humAmplitude: HUM_AMPLITUDE };
	const publisher = createPublisher(options.publisher, settings, server.addresses);
	const browser = await launchChromium();
	try {
		await publisher.start();
		await waitUntilLive(server.addresses);
		const { httpUrl, channel } = server.addresses;
		const page = await BenchPage.openProduct(browser, `${httpUrl}/${channel}`, MIX_EAR);
		await page.call('startReading', 'video', false);
		const watcher = new Watcher(page, publisher.clockOffsetMs);
		await watcher.waitForPicture();
		return await changeTiers(watcher, options);
	} finally {
		await browser.close();
		await publisher.stop();
	}
}

async function changeTiers(watcher: Watcher, options: HandOverOptions): Promise<HandOverRun> {
	const run: Omit<HandOverRun, 'selfWatch' | 'hasMix' | 'latencyErrorsMs'> = { entries: [], failedCount: 0 };
	const endWatch = watchSelf();
	for (let index = 0; index < options.count * 2; index++) {
		await watcher.watch(options.settleMs);
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
	return {
		...run,
		latencyErrorsMs: {
			webrtc: measureLatencyErrors(watcher.frames, watcher.claims, 'webrtc'),
			'll-hls': measureLatencyErrors(watcher.frames, watcher.claims, 'll-hls'),
		},
		hasMix: watcher.hasMix,
		selfWatch: endWatch(),
	};
}

/** Collects what one page shows, sounds and claims. */
class Watcher {
	readonly page: BenchPage;
	readonly frames: ShownFrame[] = [];
	readonly quiet: Array<{ fromMs: number; durationMs: number }> = [];
	readonly heard: Array<{ captureTimeMs: number; heardAtMs: number }> = [];
	readonly claims: Array<{ atMs: number; tier: DeliveryTier; latencyMs: number }> = [];
	hasMix = false;
	readonly #sourceOffsetMs: number;

	constructor(page: BenchPage, sourceOffsetMs: number) {
		this.page = page;
		this.#sourceOffsetMs = sourceOffsetMs;
	}

	player(): Promise<PlayerState> {
		return this.page.page.evaluate<PlayerState>('JSON.parse(JSON.stringify(__spillway.statistics))');
	}

	async waitForPicture(): Promise<void> {
		const endMs = systemClock.monotonicMs() + FIRST_PICTURE_DEADLINE_MS;
		while (this.frames.length === 0) {
			if (systemClock.monotonicMs() > endMs) {
				throw new Error(`No picture was shown within ${FIRST_PICTURE_DEADLINE_MS} ms.`);
			}
			await sleep(systemClock, POLL_MS);
			await this.#collect();
		}
	}

	async watch(durationMs: number): Promise<void> {
		const endMs = systemClock.monotonicMs() + durationMs;
		await this.watchUntil(() => systemClock.monotonicMs() >= endMs);
	}

	/** False when it did not come to pass within the deadline. */
	async watchUntil(isDone: (now: PlayerState) => boolean): Promise<boolean> {
		const endMs = systemClock.monotonicMs() + CHANGE_DEADLINE_MS;
		for (let poll = 0; systemClock.monotonicMs() < endMs; poll++) {
			const now = await this.player();
			// The claim is a median over a second: once a second is once.
			if (poll % (1000 / POLL_MS) === 0 && now.latencyMs !== undefined && now.state === 'playing') {
				this.claims.push({ atMs: systemClock.nowMs(), tier: now.tier, latencyMs: now.latencyMs });
			}
			await this.#collect();
			if (isDone(now)) {
				return true;
			}
			await sleep(systemClock, POLL_MS);
		}
		return false;
	}

	async #collect(): Promise<void> {
		const { frames } = await this.page.collect(this.#sourceOffsetMs);
		this.frames.push(...frames);
		const mix = await this.page.page.evaluate<MixReadings>(COLLECT_MIX);
		this.hasMix ||= mix.contextCount > 0;
		const toBenchMs = (pageMs: number): number => this.page.toBenchMs(pageMs);
		this.quiet.push(...mix.quiet.map((stretch) => ({ ...stretch, fromMs: toBenchMs(stretch.fromMs) })));
		this.heard.push(
			...mix.tones.map(({ code, heardAtMs }) => ({
				captureTimeMs: toneCaptureTimeMs({ code, heardAtMs: toBenchMs(heardAtMs) }) + this.#sourceOffsetMs,
				heardAtMs: toBenchMs(heardAtMs),
			})),
		);
	}
}

/** A table for each direction, and the error of the latency shown. */
export function formatHandOvers(run: HandOverRun): string {
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
