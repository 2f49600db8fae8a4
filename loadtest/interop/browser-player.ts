/** hls.js and shaka-player in headless Chromium, as others would use them: with their own settings, not with ours. */
import { readFileSync } from 'node:fs';
import { createRequire, stripTypeScriptTypes } from 'node:module';
import type { Browser } from 'playwright-core';
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import { launchChromium } from '../clients/chromium/chromium.ts';
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

/** A page with the player in it, which has not been called yet: everything slow is done. */
export class BrowserPlayer {
	readonly #name: BrowserPlayerName;
	readonly #browser: Browser;
	readonly #page: Awaited<ReturnType<typeof openPage>>;

	private constructor(name: BrowserPlayerName, browser: Browser, page: Awaited<ReturnType<typeof openPage>>) {
		this.#name = name;
		this.#browser = browser;
		this.#page = page;
	}

	/** Starts a browser of its own. `origin`: the server, so that the page is of the same one. */
	static async open(name: BrowserPlayerName, origin: string): Promise<BrowserPlayer> {
		const browser = await launchChromium();
		try {
			const page = await openPage(browser, origin);
			await page.evaluate(readFileSync(createRequire(import.meta.url).resolve(SCRIPTS[name]), 'utf8'));
			await page.evaluate(playerProgram());
			return new BrowserPlayer(name, browser, page);
		} catch (error) {
			await browser.close();
			throw error;
		}
	}

	/** Plays for that long and says how it went. */
	async play(url: string, durationMs: number): Promise<PlayerResult> {
		const address = JSON.stringify(url);
		const call =
			this.#name === 'hls.js'
				? `playHlsJs(${address})`
				: `playShaka(${address}, ${this.#name === 'shaka-low-latency'})`;
		// Not awaited in the page: what does not load within the time says so in the report.
		await this.#page.evaluate(`void spillwayPlayers.${call}`);
		await sleep(systemClock, durationMs);
		const report = await this.#page.evaluate<PageReport>('spillwayPlayers.playerReport()');
		const { frameCount, complaints, ...playback } = report;
		return { player: this.#name, frameCount, complaints, playback };
	}

	/** Ends the browser. */
	close(): Promise<void> {
		return this.#browser.close();
	}
}

async function openPage(browser: Browser, origin: string) {
	const context = await browser.newContext({ bypassCSP: true });
	const page = await context.newPage();
	const address = new URL('/__player', origin).href;
	await page.route(address, (route) => route.fulfill({ contentType: 'text/html', body: PAGE_HTML }));
	await page.goto(address);
	// Interception slows every request down; it was needed for the page alone.
	await page.unrouteAll();
	return page;
}

/** The page's program as a classic script: `globalThis.spillwayPlayers`. */
function playerProgram(): string {
	const source = readFileSync(new URL('./player-page.ts', import.meta.url), 'utf8');
	const script = stripTypeScriptTypes(source).replace(/^export (?=async function|function)/gm, '');
	return `(() => {\n'use strict';\n${script}\nglobalThis.spillwayPlayers = { ${EXPORTED.join(', ')} };\n})();`;
}
