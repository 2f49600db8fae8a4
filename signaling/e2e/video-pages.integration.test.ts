/** The pages of videos in Chromium: one that grows, its keys, the same one complete, its channel's lists, and none. */
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ServerUnderTest, waitUntilLive } from '../../loadtest/bench/measure/server-under-test.ts';
import { launchChromium } from '../../loadtest/clients/chromium/chromium.ts';
import { createPublisher } from '../../loadtest/clients/create-publisher.ts';
import { TEST_SETTINGS } from '../../loadtest/source/encoder-settings.ts';
import type { Publisher } from '../../loadtest/source/publisher.ts';

const DEADLINE_MS = 30_000;

type Element = {
	currentTime: number;
	duration: number;
	paused: boolean;
	videoWidth: number;
};

describe('the pages of videos', () => {
	let server: ServerUnderTest;
	let publisher: Publisher;
	let browser: Browser;
	let page: Page;
	let address: string;

	beforeAll(async () => {
		server = await ServerUnderTest.start();
		publisher = createPublisher('rtmp', TEST_SETTINGS, server.addresses);
		await publisher.start();
		await waitUntilLive(server.addresses);
		browser = await launchChromium();
		page = await browser.newPage();
		page.setDefaultTimeout(DEADLINE_MS);
	});

	afterEach(async () => {
		expect(await page.pageErrors()).toEqual([]);
	});

	afterAll(async () => {
		await browser.close();
		await publisher.stop();
		await server.stop();
	});

	const open = async (path: string): Promise<number> =>
		(await page.goto(new URL(path, server.addresses.httpUrl).href))!.status();
	const read = (): Promise<Element> =>
		page.locator('video').evaluate((element) => {
			const { currentTime, duration, paused, videoWidth } = element as unknown as Element;
			return { currentTime, duration, paused, videoWidth };
		});
	const position = async (): Promise<number> => (await read()).currentTime;

	it('play a broadcast from its start while it is being recorded', async () => {
		await page.goto(new URL('/demo', server.addresses.httpUrl).href);
		await page.locator('.facts').getByRole('link', { name: 'Videos' }).click();
		await page.getByRole('link', { name: /Being recorded/ }).click();
		await expect.poll(position, { timeout: DEADLINE_MS }).toBeGreaterThan(0.5);
		expect(await position()).toBeLessThan(6);
		const { duration } = await read();
		await expect.poll(async () => (await read()).duration, { timeout: DEADLINE_MS }).toBeGreaterThan(duration + 3);
		await page.locator('.frame').getByText('Being recorded').waitFor();
		address = new URL(page.url()).pathname;
	});

	it('follow the keys', async () => {
		await page.keyboard.press('k');
		await expect.poll(async () => (await read()).paused).toBe(true);
		const before = await position();
		await page.keyboard.press('.');
		await expect.poll(position).toBeGreaterThan(before);
		expect((await position()) - before).toBeLessThan(0.15);
		await page.keyboard.press('0');
		await expect.poll(position).toBe(0);
		await page.keyboard.press('ArrowRight');
		await expect.poll(position).toBeCloseTo(5, 1);
		await page.keyboard.press('?');
		await page.getByRole('heading', { name: 'Keys' }).waitFor();
		await page.keyboard.press('Escape');
		expect(await page.getByRole('slider', { name: 'Position' }).getAttribute('aria-valuetext')).toMatch(
			/^5 seconds of \d+ seconds$/,
		);
	});

	it('continue where the viewer stopped, and begin at the time of an address', async () => {
		await page.keyboard.press('k');
		await expect.poll(position, { timeout: DEADLINE_MS }).toBeGreaterThan(11);
		await page.keyboard.press('k');
		const stoppedAt = await position();
		await page.reload();
		await expect.poll(position, { timeout: DEADLINE_MS }).toBeGreaterThanOrEqual(Math.floor(stoppedAt));
		await page.getByText('Continued at').waitFor();
		await open(`${address}?t=3s`);
		await expect.poll(position, { timeout: DEADLINE_MS }).toBeGreaterThanOrEqual(3);
		expect(await position()).toBeLessThan(8);
	});

	it('show the same video when it is complete, and list it on the channel that is offline', async () => {
		await publisher.stop();
		await page.locator('.frame').getByText('Being recorded').waitFor({ state: 'detached' });
		await open('/demo');
		await page.getByRole('heading', { name: 'Newest videos' }).waitFor();
		expect(await page.locator(`a[href="${address}"]`).count()).toBe(1);
		expect(await open(`/embed${address}`)).toBe(200);
		await page.locator('section').getByRole('button', { name: 'Play', exact: true }).click();
		await expect.poll(async () => (await read()).videoWidth, { timeout: DEADLINE_MS }).toBeGreaterThan(0);
	});

	it('say that there is none', async () => {
		expect(await open('/videos/01aaaaaaaaaaaaaaaaaaaaaaaa')).toBe(404);
		await page.getByRole('heading', { name: 'There is no such video' }).waitFor();
		expect(await open('/nobody/videos')).toBe(404);
		await page.getByRole('heading', { name: 'There is no channel “nobody”' }).waitFor();
	});
});
