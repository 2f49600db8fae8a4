/** A page that plays LL-HLS, in which a rung can be chosen by its height: the product's, or a plain one. */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { Browser } from 'playwright-core';
import { sleep, systemClock } from '../../../core/lifecycle/clock.ts';
import { BenchPage, type ShownFrame } from '../../clients/chromium/bench-page.ts';
import { COLLECT_MIX, MIX_EAR, type MixReadings } from '../../clients/chromium/mix-ear.ts';
import type { ServerUnderTest } from './server-under-test.ts';

export const RUNG_PLAYERS = ['product', 'hls.js', 'shaka'] as const;
export type RungPlayerName = (typeof RUNG_PLAYERS)[number];

const POLL_MS = 200;
const HEIGHTS_DEADLINE_MS = 20_000;
/** Of the plain pages: the player's script, and the functions of the page program. */
const PLAIN = {
	'hls.js': { script: 'hls.js/dist/hls.min.js', play: 'playByHls', heights: 'hlsHeights', show: 'showHlsHeight' },
	shaka: {
		script: 'shaka-player/dist/shaka-player.compiled.js',
		play: 'playByShaka',
		heights: 'shakaHeights',
		show: 'showShakaHeight',
	},
} as const;
/** Of the product's page. */
const MENU = 'button[aria-label^="Quality"]';
const ENTRIES = '[role=menuitemradio]';
/** Lets the ear hear the plain page's sound. */
const THROUGH_CONTEXT = `(() => {
	const context = new AudioContext();
	context.createMediaElementSource(document.querySelector('video')).connect(context.destination);
})()`;

export class RungPlayer {
	readonly frames: ShownFrame[] = [];
	readonly quiet: Array<{ fromMs: number; durationMs: number }> = [];
	/** False: nothing is known of silences. */
	hasSound = false;
	readonly #name: RungPlayerName;
	readonly #page: BenchPage;

	private constructor(name: RungPlayerName, page: BenchPage) {
		this.#name = name;
		this.#page = page;
	}

	static async open(name: RungPlayerName, browser: Browser, { addresses }: ServerUnderTest): Promise<RungPlayer> {
		const { httpUrl, channel } = addresses;
		if (name === 'product') {
			const page = await BenchPage.openProduct(browser, `${httpUrl}/${channel}?tier=ll-hls`, MIX_EAR);
			await page.call('startReading', 'video', false);
			return new RungPlayer(name, page);
		}
		const page = await BenchPage.openOwn(browser, httpUrl);
		await page.page.evaluate(MIX_EAR);
		const { script, play } = PLAIN[name];
		await page.page.evaluate(readFileSync(createRequire(import.meta.url).resolve(script), 'utf8'));
		await page.call('startReading', 'video', false);
		await page.page.evaluate(THROUGH_CONTEXT);
		await page.call(play, `${httpUrl}/hls/${channel}/index.m3u8`, ...(name === 'hls.js' ? [true] : []));
		return new RungPlayer(name, page);
	}

	/** Of the pictures that can be chosen. Rejects while there is only one, after a deadline. */
	async heights(): Promise<number[]> {
		const endMs = systemClock.monotonicMs() + HEIGHTS_DEADLINE_MS;
		while (systemClock.monotonicMs() < endMs) {
			const heights = await this.#heights();
			if (new Set(heights).size > 1) {
				return heights;
			}
			await sleep(systemClock, POLL_MS);
		}
		throw new Error(`${this.#name} lists no second picture within ${HEIGHTS_DEADLINE_MS} ms. Is there a ladder?`);
	}

	/** As a viewer does it: in the menu. */
	async choose(heightPixels: number): Promise<void> {
		if (this.#name !== 'product') {
			await this.#page.call(PLAIN[this.#name].show, heightPixels);
		} else {
			const script = `[...document.querySelectorAll('${ENTRIES}')].find((entry) =>
				entry.textContent.trim().startsWith('${heightPixels}p')).click()`;
			await this.#inMenu(script);
		}
	}

	/** Reads pictures and silences. */
	watch(durationMs: number): Promise<void> {
		return this.watchUntil(() => false, durationMs);
	}

	/** Also resolves at the deadline. */
	async watchUntil(isDone: () => boolean, deadlineMs: number): Promise<void> {
		const endMs = systemClock.monotonicMs() + deadlineMs;
		while (!isDone() && systemClock.monotonicMs() < endMs) {
			await sleep(systemClock, Math.min(POLL_MS, endMs - systemClock.monotonicMs()));
			this.frames.push(...(await this.#page.collect()).frames);
			const mix = await this.#page.page.evaluate<MixReadings>(COLLECT_MIX);
			this.hasSound ||= mix.contextCount > 0;
			this.quiet.push(...mix.quiet.map((stretch) => ({ ...stretch, fromMs: this.#page.toBenchMs(stretch.fromMs) })));
		}
	}

	async #heights(): Promise<number[]> {
		if (this.#name !== 'product') {
			return this.#page.call<number[]>(PLAIN[this.#name].heights);
		}
		const script = `[...document.querySelectorAll('${ENTRIES}')].map((entry) => parseInt(entry.textContent.trim()))`;
		// Automatic and audio only have no height.
		return (await this.#inMenu<number[]>(script, true)).filter((height) => height > 0);
	}

	/** Runs the script while the menu is open. `undefined` where there is no menu yet. */
	async #inMenu<Result>(script: string, closes = false): Promise<Result> {
		return this.#page.page.evaluate<Result>(`(async () => {
			const button = document.querySelector('${MENU}');
			if (button === null) return [];
			button.click();
			await new Promise((resolve) => setTimeout(resolve, 50));
			const result = ${script};
			if (${closes}) button.click();
			return result;
		})()`);
	}
}
