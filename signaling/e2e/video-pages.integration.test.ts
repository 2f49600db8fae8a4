/**
 * The pages of videos and clips in Chromium: a video that grows, its keys, a clip of what is on the screen, the same
 * video complete, its channel's lists, none; and all of them by the rules of accessibility that axe checks.
 */
import axe from 'axe-core';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { sleep, systemClock } from '../../core/lifecycle/clock.ts';
import { ServerUnderTest, waitUntilLive } from '../../loadtest/bench/measure/server-under-test.ts';
import { launchChromium } from '../../loadtest/clients/chromium/chromium.ts';
import type { PageFrame } from '../../loadtest/clients/chromium/page/picture-reader.ts';
import { pageProgram } from '../../loadtest/clients/chromium/page-program.ts';
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
	let clipAddress: string;
	/** The newest picture that was read. */
	let newest: PageFrame | undefined;

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
	/** How many pictures were shown since the last call. A number is drawn into each. */
	async function countPictures(): Promise<number> {
		const pictures = await page.evaluate<PageFrame[]>('spillwayBench.collectReadings().frames');
		newest = pictures.at(-1) ?? newest;
		return pictures.length;
	}
	async function beginReading(): Promise<void> {
		newest = undefined;
		await page.evaluate(pageProgram());
		await page.evaluate("spillwayBench.startReading('video', false)");
	}
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

	it('make a clip that ends with the picture on the screen', async () => {
		await open('/demo');
		await page.evaluate(`fetch('/api/v1/users', {
			method: 'POST',
			headers: { 'content-type': 'application/json', 'x-spillway-csrf': '1' },
			body: '{"name":"ada","password":"correct horse battery staple"}',
		}).then(() => localStorage.setItem('spillway.was-logged-in', '1'))`);
		await page.reload();
		await beginReading();
		await page.getByRole('button', { name: /^Clip the last minute/ }).waitFor();
		let count = 0;
		await expect.poll(async () => (count += await countPictures()), { timeout: DEADLINE_MS }).toBeGreaterThan(30);
		// Paused in real time, so that there is no doubt about which picture it is.
		await page.keyboard.press('k');
		const onScreen = await readLastPicture();
		await page.keyboard.press('Alt+x');
		await page.getByText('Clip made').waitFor();
		clipAddress = (await page.getByRole('link', { name: 'Open and trim' }).getAttribute('href'))!;
		// The segment with the last picture is on its way: until then the page goes by the pictures before it.
		await expect.poll(isComplete, { timeout: DEADLINE_MS }).toBe(true);
		expect(await open(clipAddress)).toBe(200);
		expect(await playToEnd()).toBe(onScreen);

		await page.getByRole('button', { name: 'Trim' }).click();
		const end = page.getByRole('slider', { name: 'End of the clip' });
		for (const key of ['ArrowLeft', 'Shift+ArrowLeft', 'ArrowRight', 'ArrowLeft', 'ArrowLeft']) {
			await end.press(key);
		}
		await page.getByLabel('Title').fill('A moment');
		await page.getByRole('button', { name: 'Save' }).click();
		await page.getByRole('heading', { name: 'A moment' }).waitFor();
		expect(await playToEnd()).toBe(onScreen - 2 - TEST_SETTINGS.frameRate);
	});

	/** Whether all of the clip is recorded. */
	const isComplete = (): Promise<boolean> =>
		page.evaluate(`(async () => {
			const load = async (url) => (await fetch(url)).text();
			const { playlistUrl } = JSON.parse(await load('/api/v1${clipAddress}'));
			const playlist = await load(playlistUrl);
			const track = playlist.split('\\n').find((line) => line !== '' && !line.startsWith('#'));
			return (await load(playlistUrl.replace('index.m3u8', track))).includes('#EXT-X-ENDLIST');
		})()`);

	/** Number of the clip's last picture. */
	async function playToEnd(): Promise<number> {
		await beginReading();
		await expect.poll(async () => (await read()).videoWidth, { timeout: DEADLINE_MS }).toBeGreaterThan(0);
		await page.keyboard.press('9');
		await page.getByRole('button', { name: 'Watch again', exact: true }).waitFor();
		return readLastPicture();
	}

	/** Number of the picture that stands. */
	async function readLastPicture(): Promise<number> {
		// A busy browser shows some more after the key, and is late with those that it has shown.
		const stands = async (): Promise<boolean> => {
			await countPictures();
			await sleep(systemClock, 700);
			return (await countPictures()) === 0 && newest !== undefined;
		};
		await expect.poll(stands, { timeout: DEADLINE_MS }).toBe(true);
		return newest!.frameNumber;
	}

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

	it('can be used by everyone', async () => {
		await page.evaluate(`fetch('/api/v1/channels', {
			method: 'POST',
			headers: { 'content-type': 'application/json', 'x-spillway-csrf': '1' },
			body: '{"name":"ada"}',
		})`);
		await page.setViewportSize({ width: 1280, height: 900 });
		const pages: Array<[path: string, isReady: string, press?: string]> = [
			[address, '.facts'],
			['/demo/videos', '.cards h2'],
			['/demo/videos?show=clips', '.cards h2'],
			[clipAddress, '.choices button'],
			[clipAddress, '.handle', 'Trim'],
			[clipAddress, 'dialog', 'Share'],
			['/demo', '.shelf h2'],
			['/dashboard?channel=ada&tab=videos', '.panel'],
		];
		const found: string[] = [];
		for (const [path, isReady, press] of pages) {
			await open(path);
			if (press !== undefined) {
				await page.getByRole('button', { name: press }).click();
			}
			await page.locator(isReady).first().waitFor();
			await page.evaluate(axe.source);
			for (const colorScheme of ['light', 'dark'] as const) {
				await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
				// Colours change within some pictures, also without motion.
				await expect.poll(() => page.evaluate('document.getAnimations().length')).toBe(0);
				// Only colours differ.
				const rules = colorScheme === 'light' ? undefined : ['color-contrast'];
				found.push(...(await findBarriers(rules)).map((text) => `${path} ${press ?? ''} (${colorScheme}): ${text}`));
			}
		}
		expect(found).toEqual([]);
	});

	/** Findings that bar someone from using the page. */
	async function findBarriers(rules?: readonly string[]): Promise<string[]> {
		const options = JSON.stringify({ resultTypes: ['violations'], ...(rules === undefined ? {} : { runOnly: rules }) });
		const { violations } = await page.evaluate<axe.AxeResults>(`axe.run(${options})`);
		return violations
			.filter(({ impact }) => impact === 'serious' || impact === 'critical')
			.map(
				({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join('; ')}`,
			);
	}
});
