/** A viewer in headless Chromium: our own plain WHEP or hls.js page, or the product's page, read picture by picture. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser } from 'playwright-core';
import { systemClock, sleep } from '../../../core/lifecycle/clock.ts';
import type { DeliveryTier } from '../../../core/protocol/tiers.ts';
import { BenchPage, type HeardSound, type ShownFrame } from './bench-page.ts';
import { launchChromium } from './chromium.ts';

export type ViewerOptions = {
	/** `http://127.0.0.1:8080`. */
	httpUrl: string;
	channel: string;
	tier: DeliveryTier;
	/** `bench`: our plain WHEP client, or hls.js in low-latency mode. `product`: the page `/{channel}`. */
	page: 'bench' | 'product';
	withSound: boolean;
	/** Product page: which elements are the player's. */
	videoSelector?: string | undefined;
	/** Product page: clicked as soon as it is there, to choose the tier or to start playing. */
	clickSelector?: string | undefined;
	/** Product page: appended to the address, such as `?tier=ll-hls`. */
	query?: string | undefined;
	/** Shared by many viewers; undefined: the viewer starts a browser and closes it. */
	browser?: Browser;
};

const CLICK_TARGET_DEADLINE_MS = 10_000;
const POLL_INTERVAL_MS = 100;

/** All readings of a viewer so far. */
export type ViewerLog = { shown: ShownFrame[]; heard: HeardSound[]; clickedAtMs: number; unreadableCount: number };

export class ChromiumViewer {
	readonly #options: ViewerOptions;
	readonly #browser: Browser;
	readonly #benchPage: BenchPage;
	readonly #log: ViewerLog;

	private constructor(options: ViewerOptions, browser: Browser, benchPage: BenchPage, clickedAtMs: number) {
		this.#options = options;
		this.#browser = browser;
		this.#benchPage = benchPage;
		this.#log = { shown: [], heard: [], clickedAtMs, unreadableCount: 0 };
	}

	/**
	 * Opens the page, ready to play. `clickedAtMs` is when play() is called on the bench's page, whose scripts are loaded
	 * then, and the navigation or the click on the product's page.
	 */
	static async open(options: ViewerOptions): Promise<ChromiumViewer> {
		const browser = options.browser ?? (await launchChromium());
		try {
			const openedAtMs = systemClock.nowMs();
			const benchPage =
				options.page === 'bench'
					? await BenchPage.openOwn(browser, options.httpUrl)
					: await BenchPage.openProduct(browser, `${options.httpUrl}/${options.channel}${options.query ?? ''}`);
			await benchPage.call('startReading', options.videoSelector ?? 'video', options.withSound);
			if (options.page === 'bench' && options.tier === 'll-hls') {
				const script = createRequire(import.meta.url).resolve('hls.js/dist/hls.min.js');
				await benchPage.page.evaluate(readFileSync(script, 'utf8'));
			}
			return new ChromiumViewer(options, browser, benchPage, openedAtMs);
		} catch (error) {
			if (options.browser === undefined) {
				await browser.close();
			}
			throw error;
		}
	}

	/** The user's click. Rejects when the server refuses or the button does not come. */
	async play(): Promise<void> {
		const { page, tier, channel, httpUrl, clickSelector } = this.#options;
		if (page === 'product') {
			if (clickSelector !== undefined) {
				await this.page.waitForSelector(clickSelector, { timeout: CLICK_TARGET_DEADLINE_MS });
				this.#log.clickedAtMs = systemClock.nowMs();
				await this.page.evaluate(`document.querySelector(${JSON.stringify(clickSelector)}).click()`);
			}
			return;
		}
		this.#log.clickedAtMs = systemClock.nowMs();
		if (tier === 'webrtc') {
			await this.#benchPage.call('playByWhep', new URL(`/whep/${channel}`, httpUrl).href);
		} else {
			await this.#benchPage.call('playByHls', new URL(`/hls/${channel}/index.m3u8`, httpUrl).href);
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

	/** Measures the page's clock again, then adds its readings to the log. */
	async collect(): Promise<ViewerLog> {
		await this.#benchPage.synchronise();
		const { frames, sounds } = await this.#benchPage.collect();
		this.#log.shown.push(...frames);
		this.#log.heard.push(...sounds);
		this.#log.unreadableCount = this.#benchPage.unreadableCount;
		return this.#log;
	}

	/** The player's own report, for the bench's log. */
	async facts(): Promise<unknown> {
		if (this.#options.page === 'product') {
			return this.#benchPage.page.evaluate('String(JSON.stringify(globalThis.__spillway ?? null)).slice(0, 2000)');
		}
		return this.#benchPage.call(this.#options.tier === 'webrtc' ? 'connectionFacts' : 'hlsFacts');
	}

	get page(): BenchPage['page'] {
		return this.#benchPage.page;
	}

	/** Leaves as a user who closes the tab. Idempotent. */
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
}
