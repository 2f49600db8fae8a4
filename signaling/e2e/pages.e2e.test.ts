/** The pages in Chromium: from a channel to an account and back, from an account to a stream key, and embedded. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createPublisher } from '../../loadtest/clients/create-publisher.ts';
import { TEST_SETTINGS } from '../../loadtest/source/encoder-settings.ts';
import type { Publisher } from '../../loadtest/source/publisher.ts';
import { ServerUnderTest, waitUntilLive } from '../../loadtest/bench/measure/server-under-test.ts';
import { launchChromium } from '../../loadtest/clients/chromium/chromium.ts';

const DEADLINE_MS = 30_000;
const PASSWORD = 'correct horse battery staple';

describe('the pages', () => {
	let server: ServerUnderTest;
	let publisher: Publisher;
	let browser: Browser;
	let page: Page;
	let elsewhere: Server;

	beforeAll(async () => {
		server = await ServerUnderTest.start();
		publisher = createPublisher('rtmp', TEST_SETTINGS, server.addresses);
		await publisher.start();
		await waitUntilLive(server.addresses);
		browser = await launchChromium();
		page = await browser.newPage();
		page.setDefaultTimeout(DEADLINE_MS);
		elsewhere = createServer((_request, response) => {
			const src = new URL('/embed/demo', server.addresses.httpUrl).href;
			response.setHeader('content-type', 'text/html');
			response.end(`<iframe sandbox="allow-scripts" src="${src}" width="640" height="360"></iframe>`);
		});
		await new Promise<void>((resolve) => elsewhere.listen(0, '127.0.0.1', resolve));
	});

	afterEach(async () => {
		expect(await page.pageErrors()).toEqual([]);
	});

	afterAll(async () => {
		await browser.close();
		await new Promise((resolve) => elsewhere.close(resolve));
		await publisher.stop();
		await server.stop();
	});

	const open = (path: string): Promise<unknown> => page.goto(new URL(path, server.addresses.httpUrl).href);
	const path = (): string => new URL(page.url()).pathname + new URL(page.url()).search;

	it('count the only viewer, and name what the latency covers', async () => {
		await open('/demo');
		await page.getByText('server to screen').waitFor();
		expect(await page.locator('.facts').innerText()).toContain('1 viewer');
	});

	it('return a new account to its channel page, and lead a new channel to the go-live tab', async () => {
		await open('/demo');
		await page.getByRole('link', { name: 'Sign up' }).first().click();
		await page.getByLabel('Name').fill('newcomer');
		await page.getByLabel('Password', { exact: true }).fill(PASSWORD);
		await page.locator('form button[type=submit]').click();
		await page.waitForURL(({ pathname }) => pathname === '/demo');
		await open('/dashboard');
		await page.getByRole('button', { name: 'Open the channel' }).click();
		await page.waitForURL(({ searchParams }) => searchParams.get('tab') === 'go-live');
		await page.getByRole('heading', { name: 'From an encoder' }).waitFor();
		expect(path()).toBe('/dashboard?channel=newcomer&tab=go-live');
	});

	it('play in a frame without an origin', async () => {
		await page.goto(`http://127.0.0.1:${(elsewhere.address() as AddressInfo).port}/`);
		const video = page.frameLocator('iframe').locator('video').first();
		const widthPixels = (): Promise<number> =>
			video.evaluate((element) => (element as unknown as { videoWidth: number }).videoWidth);
		await expect.poll(widthPixels, { timeout: DEADLINE_MS }).toBeGreaterThan(0);
	});
});
