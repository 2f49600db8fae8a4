/** Starts headless Chromium for the bench: always with the same flags, so that runs compare. */
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import { type Browser, chromium, type Page } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** Finds Chromium in /usr/bin or on the PATH. Throws when there is none. */
export function findChromium(): string {
	for (const folder of ['/usr/bin', ...(process.env['PATH'] ?? '').split(path.delimiter)]) {
		for (const name of NAMES) {
			const file = path.join(folder, name);
			try {
				accessSync(file, constants.X_OK);
				return file;
			} catch {
				// Not here; the next place may have it.
			}
		}
	}
	throw new Error('Chromium was not found. On Debian install it with: apt-get install chromium');
}

/**
 * Starts a browser process; two pages in one process share a clock tick and a compositor thread. `executable` replaces
 * the one that is found; `secureOrigin` is treated as if it came over HTTPS.
 */
export function launchChromium(options: { executable?: string; secureOrigin?: string } = {}): Promise<Browser> {
	return chromium.launch({
		executablePath: options.executable ?? findChromium(),
		timeout: 30_000,
		args: [
			'--no-sandbox',
			'--disable-gpu',
			'--disable-background-networking',
			'--disable-renderer-backgrounding',
			'--disable-background-timer-throttling',
			'--disable-backgrounding-occluded-windows',
			'--autoplay-policy=no-user-gesture-required',
			// Candidates with addresses instead of mDNS names, which nothing here resolves. A page of ours without a server
			// counts as one of the internet, and such pages may not ask another port of this machine without a permission.
			'--disable-features=WebRtcHideLocalIpsWithMdns,LocalNetworkAccessChecks',
			'--allow-loopback-in-peer-connection',
			...(options.secureOrigin === undefined
				? []
				: [`--unsafely-treat-insecure-origin-as-secure=${options.secureOrigin}`]),
		],
	});
}

/** Kills a browser as a crash does, without closing its connections. */
export async function killChromium(browser: Browser): Promise<void> {
	const session = await browser.newBrowserCDPSession();
	const { processInfo } = await session.send('SystemInfo.getProcessInfo');
	for (const entry of processInfo) {
		if (entry.type === 'browser') {
			process.kill(entry.id, 'SIGKILL');
		}
	}
	await browser.close().catch(() => undefined);
}

/** Opens our own HTML at a path of that origin, so that its requests are same-origin. */
export async function openHtml(page: Page, pathname: string, origin: string, html: string): Promise<void> {
	const address = new URL(pathname, origin).href;
	await page.route(address, (route) => route.fulfill({ contentType: 'text/html', body: html }));
	await page.goto(address);
	// Interception slows every request down; only this page needed it.
	await page.unrouteAll();
}
