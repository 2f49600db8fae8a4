/** Playlists that name two CDNs: hls.js, shaka-player and the product's player, and one that dies while they play. */
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CountingProxy, startCountingProxy } from '../../loadtest/bench/measure/counting-proxy.ts';
import { ServerUnderTest, waitUntilLive } from '../../loadtest/bench/measure/server-under-test.ts';
import { launchChromium } from '../../loadtest/clients/chromium/chromium.ts';
import { createPublisher } from '../../loadtest/clients/create-publisher.ts';
import { BrowserPlayer } from '../../loadtest/interop/browser-player.ts';
import { TEST_SETTINGS } from '../../loadtest/source/encoder-settings.ts';
import type { Publisher } from '../../loadtest/source/publisher.ts';
import { until } from '../testing/until.ts';

const PLAY_MS = 4000;
/** Of the picture. So many show that a player has moved. */
const PARTS = 10;
const PART = /video0\/part\d+\.m4s$/;

let server: ServerUnderTest;
let publisher: Publisher;
let first: CountingProxy;
let second: CountingProxy;
let address: string;

beforeAll(async () => {
	const started: { port?: number } = {};
	[first, second] = await Promise.all([startCountingProxy(() => started.port), startCountingProxy(() => started.port)]);
	const baseUrl = (proxy: CountingProxy): string => `http://127.0.0.1:${proxy.port}`;
	server = await ServerUnderTest.start({
		SPILLWAY_HLS_CDNS: JSON.stringify([
			{ id: 'first', baseUrl: baseUrl(first) },
			{ id: 'second', baseUrl: baseUrl(second), weight: 0 },
		]),
	});
	const { httpUrl } = server.addresses;
	started.port = Number(new URL(httpUrl).port);
	address = new URL('/hls/demo/index.m3u8', httpUrl).href;
	publisher = createPublisher('rtmp', TEST_SETTINGS, server.addresses);
	await publisher.start();
	await waitUntilLive(server.addresses);
});

afterAll(async () => {
	await publisher.stop();
	await server.stop();
	await Promise.all([first.close(), second.close()]);
});

/** Files that at least so many players have asked for. */
function mediaCount({ counts }: CountingProxy, name: RegExp, playerCount = 1): number {
	return [...counts].filter(([path, count]) => name.test(path) && count >= playerCount).length;
}

describe('two CDNs', () => {
	it('play in shaka-player, from the preferred one', async () => {
		const player = await BrowserPlayer.open('shaka', server.addresses.httpUrl);
		try {
			const { frameCount, complaints } = await player.play(address, PLAY_MS);
			expect(complaints).toEqual([]);
			expect(frameCount).toBeGreaterThan(10);
		} finally {
			await player.close();
		}
		expect(mediaCount(first, /video0\/segment\d+\.m4s/)).toBeGreaterThan(0);
		expect(mediaCount(second, /\.m4s/)).toBe(0);
	});

	it('play on in hls.js and in the page when the preferred one dies', async () => {
		const player = await BrowserPlayer.open('hls.js', server.addresses.httpUrl);
		let browser: Browser | undefined;
		try {
			browser = await launchChromium();
			const page = await browser.newPage();
			await page.goto(new URL('/demo?tier=ll-hls', server.addresses.httpUrl).href);
			const positionSeconds = (): Promise<number> =>
				page.locator('video').evaluateAll((videos) => {
					const positions = videos.map((video) => (video as unknown as { currentTime: number }).currentTime);
					return Math.max(0, ...positions);
				});
			const played = player.play(address, 3 * PLAY_MS);
			first.reset();
			await until(async () => (await positionSeconds()) > 1, 'the page plays');
			await until(() => mediaCount(first, PART, 2) >= PARTS, 'both load from the first one');
			expect(mediaCount(second, /\.m4s/)).toBe(0);
			const before = await positionSeconds();
			await first.close();
			await until(() => mediaCount(second, PART, 2) >= PARTS, 'both load from the second one');
			await until(async () => (await positionSeconds()) > before + 2, 'the page plays on');
			const { frameCount, complaints } = await played;
			expect(complaints.filter((complaint) => complaint.startsWith('fatal'))).toEqual([]);
			expect(frameCount).toBeGreaterThan(TEST_SETTINGS.frameRate);
		} finally {
			await browser?.close();
			await player.close();
		}
	});
});
