/** A viewer behind a shaped line: the product's page, or a plain page for comparison, with samples of page and line. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser } from 'playwright-core';
import { sleep, systemClock } from '../../../core/lifecycle/clock.ts';
import { BenchPage, type ShownFrame } from '../../clients/chromium/bench-page.ts';
import type { NetworkPlace } from '../measure/network-namespace.ts';
import { PlayerWatch } from '../measure/player-watch.ts';
import { watchBusyRatio } from '../measure/self-watch.ts';
import type { LineSample, QuietStretch, Window } from './line-figures.ts';
import { COLLECT_SESSION, READ_STATUS, SESSION_EAR, type SessionEvent } from './session-ear.ts';
import type { ShapedLine } from './shaped-line.ts';

/**
 * `product`: the product's page. `whep`: a plain page that plays by WHEP and has no other tier. `hls.js`: a plain page
 * with hls.js in low-latency mode and all its own settings.
 */
export type LinePage = 'product' | 'whep' | 'hls.js';

/**
 * Of the source: a hum under the bursts, so that silence is a gap in the sound. A busy moment must not end a run of
 * many minutes; what it did to the pictures makes the run void.
 */
export const LINE_SOURCE = { humAmplitude: 0.015, patienceMs: 10_000 };

/** Room for the whole 720p picture beside the chat: a smaller one has the size of the screen as its limit. */
const VIEWPORT = { width: 1640, height: 1000 };
const PLAYER_DEADLINE_MS = 30_000;
const FIRST_PICTURE_DEADLINE_MS = 30_000;
const POLL_MS = 250;
const SAMPLE_MS = 1000;

export class LineWatch {
	readonly samples: LineSample[] = [];
	readonly events: SessionEvent[] = [];
	readonly #place: NetworkPlace<ShapedLine>;
	readonly #page: BenchPage;
	/** Of the product's page. */
	readonly #player: PlayerWatch | undefined;
	readonly #busyRatio = watchBusyRatio();
	readonly #own: { frames: ShownFrame[]; unreadable: ShownFrame[] } = { frames: [], unreadable: [] };

	private constructor(place: NetworkPlace<ShapedLine>, page: BenchPage, player?: PlayerWatch) {
		this.#place = place;
		this.#page = page;
		this.#player = player;
	}

	/** `query` is appended to the address of the product's page. Resolves before the first picture. */
	static async open(place: NetworkPlace<ShapedLine>, browser: Browser, page: LinePage, query = ''): Promise<LineWatch> {
		const { origin, pageUrl, publisher, server } = place;
		const { channel } = server.addresses;
		if (page === 'product') {
			const player = await PlayerWatch.open(browser, pageUrl + query, publisher.clockOffsetMs, SESSION_EAR);
			await player.page.page.setViewportSize(VIEWPORT);
			await player.page.page.waitForFunction('window.__spillway?.statistics !== undefined', undefined, {
				timeout: PLAYER_DEADLINE_MS,
			});
			return new LineWatch(place, player.page, player);
		}
		const own = await BenchPage.openOwn(browser, origin);
		await own.call('startReading', 'video', false);
		if (page === 'whep') {
			await own.call('playByWhep', `${origin}/whep/${channel}`);
		} else {
			const script = createRequire(import.meta.url).resolve('hls.js/dist/hls.min.js');
			await own.page.evaluate(readFileSync(script, 'utf8'));
			await own.call('playByHls', `${origin}/hls/${channel}/index.m3u8`, true);
		}
		return new LineWatch(place, own);
	}

	get frames(): readonly ShownFrame[] {
		return this.#player?.frames ?? this.#own.frames;
	}

	get unreadable(): readonly ShownFrame[] {
		return this.#player?.unreadable ?? this.#own.unreadable;
	}

	/** The samples of the window, and the last one before it. */
	samplesWithin({ fromMs, toMs }: Window): LineSample[] {
		const first = this.samples.findLastIndex(({ atMs }) => atMs <= fromMs);
		return this.samples.slice(Math.max(0, first)).filter(({ atMs }) => atMs <= toMs);
	}

	/** Silence until now; undefined where it is not measured. */
	quietUntil(nowMs: number): QuietStretch[] | undefined {
		const player = this.#player;
		if (player?.hasMix !== true) {
			return undefined;
		}
		const sinceMs = player.quietSinceMs;
		return sinceMs === undefined
			? player.quiet
			: [...player.quiet, { fromMs: sinceMs, durationMs: Math.max(0, nowMs - sinceMs) }];
	}

	/** Rejects after a deadline, with what the page says. */
	async waitForPicture(): Promise<void> {
		const endMs = systemClock.monotonicMs() + FIRST_PICTURE_DEADLINE_MS;
		while (this.frames.length === 0) {
			if (systemClock.monotonicMs() > endMs) {
				throw new Error(`No picture within ${FIRST_PICTURE_DEADLINE_MS} ms. The page says: ${await this.#status()}`);
			}
			await this.#watch(POLL_MS);
		}
	}

	/** Watches, and samples once a second. */
	async watch(durationMs: number): Promise<void> {
		const endMs = systemClock.monotonicMs() + durationMs;
		if (this.samples.length === 0) {
			await this.#sample();
		}
		while (systemClock.monotonicMs() < endMs) {
			await this.#watch(Math.min(SAMPLE_MS, endMs - systemClock.monotonicMs()));
			await this.#sample();
		}
	}

	async #watch(durationMs: number): Promise<void> {
		if (this.#player !== undefined) {
			await this.#player.watch(durationMs);
			return;
		}
		await sleep(systemClock, durationMs);
		const { frames, unreadable } = await this.#page.collect(this.#place.publisher.clockOffsetMs);
		this.#own.frames.push(...frames);
		this.#own.unreadable.push(...unreadable);
	}

	async #sample(): Promise<void> {
		const { network } = this.#place;
		const line = network.line;
		const counts = await network.counts();
		const said = await this.#status();
		const common = { atMs: counts.atMs, line, counts, said, busyRatio: this.#busyRatio() };
		if (this.#player === undefined) {
			this.samples.push({ ...common, reason: undefined });
			return;
		}
		const events = await this.#page.page.evaluate<SessionEvent[]>(COLLECT_SESSION);
		this.events.push(...events.map((event) => ({ ...event, atMs: this.#page.toBenchMs(event.atMs) })));
		const { tier, state, latencyMs } = await this.#player.player();
		const player = { tier, state, latencyMs };
		this.samples.push({ ...common, player, reason: newestReason(this.events) });
	}

	async #status(): Promise<string> {
		return this.#page.page.evaluate<string>(READ_STATUS);
	}
}

function newestReason(events: readonly SessionEvent[]): string | undefined {
	const decision = events.findLast(({ from, message }) => from === 'server' && message['decision'] !== undefined);
	return (decision?.message['decision'] as { reason?: string } | undefined)?.reason;
}
