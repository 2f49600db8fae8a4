/**
 * A publisher vanishes and returns over the other protocol, or stops and starts again; viewers of both tiers never
 * rejoin.
 */
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import { DELIVERY_TIERS, type DeliveryTier } from '../../core/protocol/tiers.ts';
import { runReconnect } from '../../loadtest/bench/reconnect.ts';
import { createPublisher } from '../../loadtest/clients/create-publisher.ts';
import { launchChromium } from '../../loadtest/clients/chromium/chromium.ts';
import { TEST_SETTINGS } from '../../loadtest/source/encoder-settings.ts';
import { ServerUnderTest } from '../../loadtest/bench/measure/server-under-test.ts';
import { until } from '../testing/until.ts';

const AGAIN_AFTER_MS = 300;
/** A picture that moves. */
const ENOUGH_FRAMES = 15;

type PlayerReading = { tier: string; state: string; framesShownCount: number; reconnectCount: number };

/** Reads the product's player in a page; empty until it plays. */
const read = (page: Page): Promise<PlayerReading> =>
	page.evaluate('JSON.parse(JSON.stringify(globalThis.__spillway?.statistics ?? {}))');

async function open(browser: Browser, server: ServerUnderTest, tier: DeliveryTier): Promise<Page> {
	const page = await browser.newPage();
	await page.goto(new URL(`/demo?tier=${tier}`, server.addresses.httpUrl).href);
	return page;
}

function untilShown(page: Page, knownCount: number): Promise<void> {
	return until(async () => (await read(page)).framesShownCount > knownCount + ENOUGH_FRAMES, 'some pictures');
}

describe('a publisher that returns', () => {
	let server: ServerUnderTest;

	beforeAll(async () => {
		server = await ServerUnderTest.start();
	});

	afterAll(async () => {
		await server.stop();
	});

	it.each([
		{ first: 'rtmp', second: 'whip-obs' },
		{ first: 'whip-obs', second: 'rtmp' },
	] as const)('continues in both tiers when $second follows $first', async ({ first, second }) => {
		const run = await runReconnect(server, {
			first,
			second,
			settings: TEST_SETTINGS,
			viewer: { page: 'bench' },
			awayMs: 4000,
		});
		for (const view of run.views) {
			expect(view, JSON.stringify(run)).toHaveProperty('liveAgainMs');
		}
		// The address is the same, and the media sequence continues.
		expect(run.playlistAfter?.uri).toBe(run.playlistBefore?.uri);
		expect(run.playlistAfter?.mediaSequence).toBeGreaterThanOrEqual(run.playlistBefore!.mediaSequence);
	});

	it('plays its next broadcast in both tiers when it stops and starts again at once', async () => {
		const [first, second] = [0, 1].map(() => createPublisher('rtmp', TEST_SETTINGS, server.addresses));
		const browser = await launchChromium();
		try {
			const [pages] = await Promise.all([
				Promise.all(DELIVERY_TIERS.map((tier) => open(browser, server, tier))),
				first!.start(),
			]);
			await Promise.all(pages.map((page) => untilShown(page, 0)));
			await first!.stop();
			await sleep(systemClock, AGAIN_AFTER_MS);
			await second!.start();
			const readings = await Promise.all(
				pages.map(async (page) => {
					// Each broadcast has its own connection.
					await until(async () => (await read(page)).reconnectCount > 0, 'another connection');
					await untilShown(page, (await read(page)).framesShownCount);
					return read(page);
				}),
			);
			expect(readings).toMatchObject(DELIVERY_TIERS.map((tier) => ({ tier, state: 'playing' })));
		} finally {
			await browser.close();
			await first!.stop();
			await second!.stop();
		}
	});
});
