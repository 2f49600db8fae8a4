/** What Chromium shows of a clip, by the numbers in its pictures: on the clip's page, and its MP4 file as it is. */
import type { Browser, Page } from 'playwright-core';
import { sleep, systemClock } from '../../../core/lifecycle/clock.ts';
import { openHtml } from '../../clients/chromium/chromium.ts';
import type { PageFrame } from '../../clients/chromium/page/picture-reader.ts';
import { pageProgram } from '../../clients/chromium/page-program.ts';

export type ShownClip = {
	/** Numbers of the pictures that stand at its begin and at its end. */
	first: number;
	last: number;
	/** Pictures that were shown and are before the first or after the last one. */
	strays: number[];
};

const DEADLINE_MS = 30_000;
const POLL_MS = 150;
const VIEWPORT = { width: 1280, height: 900 };
/** Played before the end of a file. */
const PLAYED_SECONDS = 1;

/** Opens the clip's page as a visitor, plays the last tenth of it to its end, and returns to its begin. */
export async function showClipPage(browser: Browser, url: string): Promise<ShownClip> {
	return withPage(browser, async (page) => {
		await page.addInitScript({ content: `${pageProgram()}\nspillwayBench.startReading('video', false);` });
		await page.goto(url);
		await waitFor(page, 'readyState >= 2');
		await page.keyboard.press('9');
		await page.getByRole('button', { name: 'Watch again', exact: true }).waitFor();
		const last = await readStanding(page);
		// At the end it would play on from there.
		for (const key of ['0', 'k', '0']) {
			await page.keyboard.press(key);
		}
		const first = await readStanding(page);
		const frames = await page.evaluate<PageFrame[]>('spillwayBench.collectReadings().frames');
		const strays = frames.map(({ frameNumber }) => frameNumber).filter((number) => number < first || number > last);
		return { first, last, strays };
	});
}

/** Plays a file in a video element: its first picture, and its last second to the end. */
export async function showFile(
	browser: Browser,
	url: string,
): Promise<Pick<ShownClip, 'first' | 'last'> & { durationSeconds: number }> {
	return withPage(browser, async (page) => {
		await openHtml(page, '/__clip', new URL(url).origin, '<!doctype html><title>clip</title><video muted></video>');
		await page.evaluate(pageProgram());
		await page.evaluate(`document.querySelector('video').src = ${JSON.stringify(url)}`);
		await waitFor(page, 'readyState >= 2');
		const first = await readStanding(page);
		await page.evaluate(`{
			const video = document.querySelector('video');
			video.currentTime = Math.max(0, video.duration - ${PLAYED_SECONDS});
			void video.play();
		}`);
		await waitFor(page, 'ended');
		const last = await readStanding(page);
		const durationSeconds = await page.evaluate<number>("document.querySelector('video').duration");
		return { first, last, durationSeconds };
	});
}

async function withPage<Result>(browser: Browser, use: (page: Page) => Promise<Result>): Promise<Result> {
	const context = await browser.newContext({ viewport: VIEWPORT, bypassCSP: true });
	try {
		const page = await context.newPage();
		page.setDefaultTimeout(DEADLINE_MS);
		return await use(page);
	} finally {
		await context.close();
	}
}

/** `condition`: of the video element. */
async function waitFor(page: Page, condition: string): Promise<void> {
	await readUntil(async () => {
		const [isMet, error] = await page.evaluate<[boolean, string | undefined]>(
			`(({ readyState, ended, error }) => [${condition}, error?.message])(document.querySelector('video') ?? {})`,
		);
		if (error !== undefined) {
			throw new Error(`Chromium does not play it: ${error}`);
		}
		return isMet ? true : undefined;
	}, condition);
}

/** Number of the picture that stands: read twice in a row, while nothing is sought. */
async function readStanding(page: Page): Promise<number> {
	let previous = -1;
	return readUntil(async () => {
		const number = await page.evaluate<number>(
			"document.querySelector('video').seeking ? -1 : spillwayBench.readNumber('video')",
		);
		const isStanding = number >= 0 && number === previous;
		previous = number;
		return isStanding ? number : undefined;
	}, 'a picture that stands');
}

async function readUntil<Value>(read: () => Promise<Value | undefined>, what: string): Promise<Value> {
	const endMs = systemClock.monotonicMs() + DEADLINE_MS;
	while (systemClock.monotonicMs() < endMs) {
		const value = await read();
		if (value !== undefined) {
			return value;
		}
		await sleep(systemClock, POLL_MS);
	}
	throw new Error(`Within ${DEADLINE_MS} ms there was not: ${what}.`);
}
