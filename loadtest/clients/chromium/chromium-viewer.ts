/** A viewer in headless Chromium: our own plain WHEP or hls.js page, or the product's page, read picture by picture. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser } from 'playwright-core';
import { systemClock, sleep } from '../../../core/lifecycle/clock.ts';
import { BenchPage, type HeardSound, type ShownFrame } from './bench-page.ts';
import { killChromium, launchChromium } from './chromium.ts';

/** Which way the pictures come. */
export type DeliveryTier = 'webrtc' | 'll-hls';

/** What a viewer opens. */
export type ViewerOptions = {
	/** `http://127.0.0.1:8080`. */
	httpUrl: string;
	channel: string;
	tier: DeliveryTier;
	/**
	 * `bench`: a plain WHEP client, or hls.js in low-latency mode, of our own. `product`: the page `/{channel}` with the
	 * product's player.
	 */
	page: 'bench' | 'product';
	withSound: boolean;
	/** Bench page over WebRTC: the receivers' jitterBufferTarget; null leaves the browser's own choice. */
	jitterBufferTargetMs?: number | null;
	/** Product page: which elements are the player's. */
	videoSelector?: string;
	/** Product page: clicked as soon as it is there, to choose the tier or to start playing. In this order. */
	clickSelectors?: readonly string[];
	/** Product page: appended to the address, such as `?tier=ll-hls`. */
	query?: string;
	/** Shared by many viewers; undefined: a browser of its own, which is closed with the viewer. */
	browser?: Browser;
};

const CLICK_TARGET_DEADLINE_MS = 10_000;
const POLL_INTERVAL_MS = 100;

/** Everything a viewer has seen and heard so far. */
export type ViewerLog = { shown: ShownFrame[]; heard: HeardSound[]; clickedAtMs: number; unreadableCount: number };

/** Opens, plays, reads, closes. */
export class ChromiumViewer {
	readonly #options: ViewerOptions;
	readonly #browser: Browser;
	readonly #benchPage: BenchPage;
	readonly #log: ViewerLog = { shown: [], heard: [], clickedAtMs: 0, unreadableCount: 0 };

	private constructor(options: ViewerOptions, browser: Browser, benchPage: BenchPage) {
		this.#options = options;
		this.#browser = browser;
		this.#benchPage = benchPage;
	}

	/**
	 * Opens the page, ready to play. `clickedAtMs` counts from play() with the bench's page, where all scripts are loaded
	 * already, and from the navigation with the product's page.
	 */
	static async open(options: ViewerOptions): Promise<ChromiumViewer> {
		const browser = options.browser ?? (await launchChromium());
		try {
			const openedAtMs = systemClock.nowMs();
			const benchPage =
				options.page === 'bench'
					? await BenchPage.openOwn(browser, options.httpUrl)
					: await BenchPage.openProduct(browser, `${options.httpUrl}/${options.channel}${options.query ?? ''}`);
			const viewer = new ChromiumViewer(options, browser, benchPage);
			viewer.#log.clickedAtMs = openedAtMs;
			await benchPage.call('startReading', options.videoSelector ?? 'video', options.withSound);
			if (options.page === 'bench' && options.tier === 'll-hls') {
				await benchPage.page.evaluate(hlsScript());
			}
			return viewer;
		} catch (error) {
			if (options.browser === undefined) {
				await browser.close();
			}
			throw error;
		}
	}

	/** The user's click. Rejects when the server refuses or the button does not come. */
	async play(): Promise<void> {
		const { options, benchPage } = { options: this.#options, benchPage: this.#benchPage };
		if (options.page === 'product') {
			for (const selector of options.clickSelectors ?? []) {
				await benchPage.page.waitForSelector(selector, { timeout: CLICK_TARGET_DEADLINE_MS });
				this.#log.clickedAtMs = systemClock.nowMs();
				await benchPage.page.evaluate(`document.querySelector(${JSON.stringify(selector)}).click()`);
			}
			return;
		}
		this.#log.clickedAtMs = systemClock.nowMs();
		if (options.tier === 'webrtc') {
			const url = new URL(`/whep/${options.channel}`, options.httpUrl).href;
			await benchPage.call('playByWhep', url, options.jitterBufferTargetMs ?? null);
		} else {
			await benchPage.call('playByHls', new URL(`/hls/${options.channel}/index.m3u8`, options.httpUrl).href);
		}
	}

	/** Waits until a picture has been read. Rejects after the deadline. */
	async waitForPicture(deadlineMs: number): Promise<ShownFrame> {
		const endMs = systemClock.monotonicMs() + deadlineMs;
		for (;;) {
			const first = (await this.collect()).shown.find((frame) => frame.shownAtMs >= this.#log.clickedAtMs);
			if (first !== undefined) {
				return first;
			}
			if (systemClock.monotonicMs() > endMs) {
				const facts = JSON.stringify(await this.facts());
				throw new Error(`No picture was shown within ${deadlineMs} ms. The player says: ${facts.slice(0, 1500)}`);
			}
			await sleep(systemClock, POLL_INTERVAL_MS);
		}
	}

	/** Everything read so far, with clocks measured anew. */
	async collect(): Promise<ViewerLog> {
		await this.#benchPage.synchronise();
		const { frames, sounds } = await this.#benchPage.collect();
		this.#log.shown.push(...frames);
		this.#log.heard.push(...sounds);
		this.#log.unreadableCount = this.#benchPage.unreadableCount;
		return this.#log;
	}

	/** What the player itself reports, for the bench's log. */
	async facts(): Promise<unknown> {
		if (this.#options.page === 'product') {
			// The product's player may tell about itself here; whatever it is, it is only passed on.
			return this.#benchPage.page.evaluate('String(JSON.stringify(globalThis.__spillway ?? null)).slice(0, 2000)');
		}
		return this.#benchPage.call(this.#options.tier === 'webrtc' ? 'connectionFacts' : 'hlsFacts');
	}

	/** The page, for screenshots and for looking at the product's state. */
	get page(): BenchPage['page'] {
		return this.#benchPage.page;
	}

	/** Leaves as a user does who closes the tab. Idempotent. */
	async close(): Promise<void> {
		if (this.#options.page === 'bench' && this.#options.tier === 'webrtc') {
			// The page or the server may be gone already.
			await this.#benchPage.call('endSession').catch(() => undefined);
		}
		if (this.#options.browser === undefined) {
			await this.#browser.close();
		} else {
			await this.#benchPage.page.context().close();
		}
	}

	/** Dies as a crashed browser does. Only for a viewer with a browser of its own. */
	async kill(): Promise<void> {
		await killChromium(this.#browser);
	}
}

function hlsScript(): string {
	return readFileSync(createRequire(import.meta.url).resolve('hls.js/dist/hls.min.js'), 'utf8');
}
