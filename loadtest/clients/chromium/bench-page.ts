/** A page of ours in a headless browser with the page program in it, at the server's own origin where there is one. */
import type { Browser, Page } from 'playwright-core';
import { measurePageClock } from './page-clock.ts';
import { toneCaptureTimeMs } from '../../source/tone-code.ts';
import type { DrawnFrame } from './page/canvas-source.ts';
import type { PageReadings } from './page/picture-reader.ts';
import { pageProgram } from './page-program.ts';
import type { SentFrame } from '../../source/source-loop.ts';

/** Size of the window: the whole 720p picture with room to spare. */
const VIEWPORT = { width: 1280, height: 800 };
const PAGE_HTML =
	'<!doctype html><title>bench</title><body style="margin:0;background:#000">' +
	'<video autoplay playsinline style="width:1280px;height:720px"></video></body>';

/** A picture as a viewer saw it; epoch milliseconds on the bench's clock. */
export type ShownFrame = SentFrame & {
	shownAtMs: number;
	/** The browser's count of pictures it has put on the screen: tells how many our reader missed in between. */
	presentedCount: number;
	/** Which video element showed it. `presentedCount` counts per element. */
	elementIndex: number;
	rtpTimestamp?: number;
};

/** A burst as a viewer heard it; epoch milliseconds on the bench's clock. */
export type HeardSound = { captureTimeMs: number; heardAtMs: number };

/** Pictures and bursts, on the bench's clock. */
type Readings = { frames: ShownFrame[]; sounds: HeardSound[] };

/** Calls of the page program. */
export class BenchPage {
	readonly page: Page;
	#offsetMs = 0;
	#unreadableCount = 0;

	private constructor(page: Page) {
		this.page = page;
	}

	/** Opens our own page. With `origin`, at that origin, so that its requests need no permission of another. */
	static async openOwn(browser: Browser, origin?: string): Promise<BenchPage> {
		const page = await newPage(browser);
		if (origin === undefined) {
			await page.setContent(PAGE_HTML);
		} else {
			const address = new URL('/__bench', origin).href;
			await page.route(address, (route) => route.fulfill({ contentType: 'text/html', body: PAGE_HTML }));
			await page.goto(address);
			// Interception slows every request down; it was needed for the page alone.
			await page.unrouteAll();
		}
		return BenchPage.#prepare(page);
	}

	/** Opens a page of the product. `initScript` runs in it before anything of its own. */
	static async openProduct(browser: Browser, url: string, initScript?: string): Promise<BenchPage> {
		const page = await newPage(browser);
		if (initScript !== undefined) {
			await page.addInitScript({ content: initScript });
		}
		await page.goto(url, { waitUntil: 'domcontentloaded', timeout: 30_000 });
		return BenchPage.#prepare(page);
	}

	static async #prepare(page: Page): Promise<BenchPage> {
		await page.evaluate(pageProgram());
		const own = new BenchPage(page);
		await own.synchronise();
		return own;
	}

	/** Calls a function of the page program. Arguments and result are copied as JSON. */
	call<Result>(name: string, ...callArguments: unknown[]): Promise<Result> {
		const text = callArguments.map((argument) => JSON.stringify(argument)).join(', ');
		return this.page.evaluate<Result>(`spillwayBench.${name}(${text})`);
	}

	/** Measures again how far the page's clock is off; resolves with the possible error in milliseconds. */
	async synchronise(): Promise<number> {
		const { offsetMs, errorMs } = await measurePageClock(this.page);
		this.#offsetMs = offsetMs;
		return errorMs;
	}

	/** The page's epoch milliseconds → the bench's. */
	toBenchMs(pageMs: number): number {
		return pageMs + this.#offsetMs;
	}

	/** Pictures whose pattern could not be read so far. */
	get unreadableCount(): number {
		return this.#unreadableCount;
	}

	/**
	 * Takes what the page has read since the last call. `sourceOffsetMs` is added to capture times that were drawn by
	 * another page's clock. Rejects when a script of the page has thrown: whatever it shows, it is broken.
	 */
	async collect(sourceOffsetMs = 0): Promise<Readings> {
		const [error] = await this.page.pageErrors();
		if (error !== undefined) {
			throw new Error(`A script of the page has thrown: ${error.stack ?? error.message}`);
		}
		const readings = await this.call<PageReadings>('collectReadings');
		const readable = readings.frames.filter((frame) => frame.frameNumber >= 0);
		this.#unreadableCount += readings.frames.length - readable.length;
		return {
			frames: readable.map((frame) => ({
				frameNumber: frame.frameNumber,
				captureTimeMs: frame.captureTimeMs + sourceOffsetMs,
				shownAtMs: this.toBenchMs(frame.shownAtMs),
				presentedCount: frame.presentedCount,
				elementIndex: frame.elementIndex,
				...(frame.rtpTimestamp === undefined ? {} : { rtpTimestamp: frame.rtpTimestamp }),
			})),
			sounds: readings.tones.map((tone) => {
				const heardAtMs = this.toBenchMs(tone.heardAtMs);
				return { captureTimeMs: toneCaptureTimeMs({ code: tone.code, heardAtMs }) + sourceOffsetMs, heardAtMs };
			}),
		};
	}

	/** Takes the pictures that the page's canvas source has drawn since the last call. */
	async collectDrawn(): Promise<SentFrame[]> {
		const drawn = await this.call<DrawnFrame[]>('collectDrawn');
		return drawn.map((frame) => ({ ...frame, captureTimeMs: this.toBenchMs(frame.captureTimeMs) }));
	}

	/** What to add to a capture time that this page drew. */
	get offsetMs(): number {
		return this.#offsetMs;
	}
}

async function newPage(browser: Browser): Promise<Page> {
	// The product's content security policy forbids workers from text, which our sound reader is.
	const context = await browser.newContext({ viewport: VIEWPORT, bypassCSP: true, ignoreHTTPSErrors: true });
	return context.newPage();
}
