/** hls.js and shaka-player in headless Chromium, with their default settings. */
import { readFileSync } from 'node:fs';
import { createRequire, stripTypeScriptTypes } from 'node:module';
import type { Browser, Page } from 'playwright-core';
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import { launchChromium, openHtml } from '../clients/chromium/chromium.ts';
import type { PageReport } from './player-page.ts';
import type { PlayerName, PlayerResult } from './player-result.ts';

/** The players that run in a page. */
export type BrowserPlayerName = Extract<PlayerName, 'hls.js' | 'shaka' | 'shaka-low-latency'>;

const SCRIPTS: Readonly<Record<BrowserPlayerName, string>> = {
	'hls.js': 'hls.js/dist/hls.min.js',
	shaka: 'shaka-player/dist/shaka-player.compiled.js',
	'shaka-low-latency': 'shaka-player/dist/shaka-player.compiled.js',
};
const PAGE_HTML = '<!doctype html><title>player</title><body><video muted playsinline width="640"></video></body>';
const EXPORTED = ['playHlsJs', 'playShaka', 'playerReport'];

/** A page with the loaded player, which does not play yet. */
export class BrowserPlayer {
	readonly #name: BrowserPlayerName;
	readonly #browser: Browser;
	readonly #page: Page;

	private constructor(name: BrowserPlayerName, browser: Browser, page: Page) {
		this.#name = name;
		this.#browser = browser;
		this.#page = page;
	}

	/** Starts a browser. `origin`: the server's, so that requests are same-origin. */
	static async open(name: BrowserPlayerName, origin: string): Promise<BrowserPlayer> {
		const browser = await launchChromium();
		try {
			const page = await browser.newPage({ bypassCSP: true });
			await openHtml(page, '/__player', origin, PAGE_HTML);
			await page.evaluate(readFileSync(createRequire(import.meta.url).resolve(SCRIPTS[name]), 'utf8'));
			await page.evaluate(playerProgram());
			return new BrowserPlayer(name, browser, page);
		} catch (error) {
			await browser.close();
			throw error;
		}
	}

	/** Plays for that long. */
	async play(url: string, durationMs: number): Promise<PlayerResult> {
		const address = JSON.stringify(url);
		const call =
			this.#name === 'hls.js'
				? `playHlsJs(${address})`
				: `playShaka(${address}, ${this.#name === 'shaka-low-latency'})`;
		// Not awaited in the page: a player that does not load in time is visible in the report.
		await this.#page.evaluate(`void spillwayPlayers.${call}`);
		await sleep(systemClock, durationMs);
		const { frameCount, complaints, ...playback } = await this.#page.evaluate<PageReport>(
			'spillwayPlayers.playerReport()',
		);
		return { player: this.#name, frameCount, complaints, playback };
	}

	close(): Promise<void> {
		return this.#browser.close();
	}
}

/** The page's program as a classic script: `globalThis.spillwayPlayers`. */
function playerProgram(): string {
	const source = readFileSync(new URL('./player-page.ts', import.meta.url), 'utf8');
	const script = stripTypeScriptTypes(source).replace(/^export (?=async function|function)/gm, '');
	return `(() => {\n'use strict';\n${script}\nglobalThis.spillwayPlayers = { ${EXPORTED.join(', ')} };\n})();`;
}
