/** A page in a headless browser with the page program in it, and its readings on the bench's clock. */
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { systemClock } from '../../../core/lifecycle/clock.ts';
import { type HeardTone, toneCaptureTimeMs } from '../../source/tone-code.ts';
import { openHtml } from './chromium.ts';
import type { PageFrame, PageReadings } from './page/picture-reader.ts';
import { pageProgram } from './page-program.ts';
import type { SentFrame } from '../../source/source-loop.ts';

/** Room for the whole 720p picture. */
const VIEWPORT = { width: 1280, height: 800 };
/** Questions to the page for its time, of which the quickest counts. */
const CLOCK_EXCHANGE_COUNT = 25;
const PAGE_HTML =
	'<!doctype html><title>bench</title><body style="margin:0;background:#000">' +
	'<video autoplay playsinline style="width:1280px;height:720px"></video></body>';

/** A picture as a viewer saw it; epoch milliseconds on the bench's clock. */
export type ShownFrame = PageFrame;

/** A burst as a viewer heard it; epoch milliseconds on the bench's clock. */
export type HeardSound = { captureTimeMs: number; heardAtMs: number };

export class BenchPage {
	readonly page: Page;
	#offsetMs = 0;
	#unreadableCount = 0;

	private constructor(page: Page) {
		this.page = page;
	}

	/** Opens our own page, at that origin if there is one. */
	static async openOwn(browser: Browser, origin?: string): Promise<BenchPage> {
		const page = await newPage(browser);
		await (origin === undefined ? page.setContent(PAGE_HTML) : openHtml(page, '/__bench', origin, PAGE_HTML));
		return BenchPage.#prepare(page);
	}

	/**
	 * Opens a page of the product. `initScript` runs before the page's own scripts, `prepare` before it is loaded, such
	 * as a log-in.
	 */
	static async openProduct(
		browser: Browser,
		url: string,
		initScript?: string,
		prepare?: (context: BrowserContext) => Promise<void>,
	): Promise<BenchPage> {
		const page = await newPage(browser);
		await prepare?.(page.context());
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

	/** Measures the offset of the page's clock: both are the machine's clock, but with different process starts. */
	async synchronise(): Promise<void> {
		const exchanges: ClockExchange[] = [];
		for (let index = 0; index < CLOCK_EXCHANGE_COUNT; index++) {
			const askedAtMs = systemClock.nowMs();
			const pageMs = await this.page.evaluate<number>('performance.timeOrigin + performance.now()');
			exchanges.push({ askedAtMs, pageMs, answeredAtMs: systemClock.nowMs() });
		}
		this.#offsetMs = clockOffsetMs(exchanges);
	}

	/** The page's epoch milliseconds → the bench's. */
	toBenchMs(pageMs: number): number {
		return pageMs + this.#offsetMs;
	}

	/** A burst on the page's clock → on the bench's. `sourceOffsetMs`: see collect(). */
	toHeardSound(tone: HeardTone, sourceOffsetMs: number): HeardSound {
		const heardAtMs = this.toBenchMs(tone.heardAtMs);
		return { captureTimeMs: toneCaptureTimeMs({ code: tone.code, heardAtMs }) + sourceOffsetMs, heardAtMs };
	}

	/** Pictures whose pattern could not be read so far. */
	get unreadableCount(): number {
		return this.#unreadableCount;
	}

	/**
	 * Returns the page's readings since the last call; pictures whose pattern could not be read are `unreadable`.
	 * `sourceOffsetMs` is added to capture times, which may be by another page's clock. Rejects when a script of the page
	 * has thrown.
	 */
	async collect(sourceOffsetMs = 0): Promise<{ frames: ShownFrame[]; unreadable: ShownFrame[]; sounds: HeardSound[] }> {
		const [error] = await this.page.pageErrors();
		if (error !== undefined) {
			throw new Error(`A script of the page has thrown: ${error.stack ?? error.message}`);
		}
		const readings = await this.call<PageReadings>('collectReadings');
		const frames = readings.frames.map((frame) => ({
			...frame,
			captureTimeMs: frame.captureTimeMs + sourceOffsetMs,
			shownAtMs: this.toBenchMs(frame.shownAtMs),
		}));
		const unreadable = frames.filter(({ frameNumber }) => frameNumber < 0);
		this.#unreadableCount += unreadable.length;
		return {
			frames: frames.filter(({ frameNumber }) => frameNumber >= 0),
			unreadable,
			sounds: readings.tones.map((tone) => this.toHeardSound(tone, sourceOffsetMs)),
		};
	}

	/** Returns the pictures that the page's canvas source has drawn since the last call. */
	async collectDrawn(): Promise<SentFrame[]> {
		const drawn = await this.call<SentFrame[]>('collectDrawn');
		return drawn.map((frame) => ({ ...frame, captureTimeMs: this.toBenchMs(frame.captureTimeMs) }));
	}

	/** Add to a capture time that this page drew. */
	get offsetMs(): number {
		return this.#offsetMs;
	}
}

/** One question to the page and its answer, epoch milliseconds each. */
type ClockExchange = { askedAtMs: number; pageMs: number; answeredAtMs: number };

/**
 * Milliseconds to add to the page's time to get the bench's. The exchange with the shortest round trip decides; half of
 * that bounds the error. @internal for tests
 */
export function clockOffsetMs(exchanges: readonly ClockExchange[]): number {
	const roundTripMs = ({ askedAtMs, answeredAtMs }: ClockExchange): number => answeredAtMs - askedAtMs;
	const { askedAtMs, answeredAtMs, pageMs } = exchanges.toSorted((a, b) => roundTripMs(a) - roundTripMs(b))[0]!;
	return (askedAtMs + answeredAtMs) / 2 - pageMs;
}

async function newPage(browser: Browser): Promise<Page> {
	// The product's content security policy forbids workers from text, such as our sound reader.
	const context = await browser.newContext({ viewport: VIEWPORT, bypassCSP: true, ignoreHTTPSErrors: true });
	return context.newPage();
}
