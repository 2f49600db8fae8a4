/** Starts headless Chromium for the bench: always the same flags, so that runs compare, and always closed. */
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import type { Browser } from 'playwright-core';
import { chromium } from 'playwright-core';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];

/** Finds Chromium on the PATH. Throws when there is none. */
export function findChromium(searchPath = process.env['PATH'] ?? ''): string {
	for (const folder of ['/usr/bin', ...searchPath.split(path.delimiter)]) {
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

/** One browser process of its own (two pages in one process would share a clock tick and a compositor thread). */
export async function launchChromium(
	options: {
		/** Instead of the one that is found. */
		executable?: string;
		/** Treated as if it came by HTTPS. */
		secureOrigin?: string;
	} = {},
): Promise<Browser> {
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
			// Candidates with addresses instead of mDNS names: nothing here resolves those.
			'--disable-features=WebRtcHideLocalIpsWithMdns',
			'--allow-loopback-in-peer-connection',
			...(options.secureOrigin === undefined
				? []
				: [`--unsafely-treat-insecure-origin-as-secure=${options.secureOrigin}`]),
		],
	});
}

/** Kills a browser as a crash would: no goodbye to any server. */
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
