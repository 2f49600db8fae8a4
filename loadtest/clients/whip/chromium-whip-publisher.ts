/**
 * Publishes by WHIP from headless Chromium: canvas and Web Audio, H.264 or VP8, with the browser's almost endless GOP.
 */
import type { Browser } from 'playwright-core';
import { systemClock } from '../../../core/lifecycle/clock.ts';
import { BenchPage } from '../chromium/bench-page.ts';
import { killChromium, launchChromium } from '../chromium/chromium.ts';
import type { CanvasSourceOptions } from '../chromium/page/canvas-source.ts';
import type { Publisher, PublishTarget } from '../../source/publisher.ts';
import type { SentFrame } from '../../source/source-loop.ts';

type ChromiumPublisherOptions = CanvasSourceOptions & {
	codec: 'h264' | 'vp8';
	videoBitrateBps: number;
	/** Ask the sender for a key frame this often; undefined: only when the server asks for one. */
	keyFrameIntervalMs: number | undefined;
};

/** 20 minutes at 30 pictures a second. */
const MAX_SENT = 36_000;

/** A browser as publisher. One use. */
export class ChromiumWhipPublisher implements Publisher {
	readonly protocol = 'whip';
	readonly #options: ChromiumPublisherOptions;
	readonly #target: PublishTarget;
	#browser: Browser | undefined;
	#benchPage: BenchPage | undefined;
	#cancelKeyFrames: (() => void) | undefined;
	readonly #sent: SentFrame[] = [];

	constructor(options: ChromiumPublisherOptions, target: PublishTarget) {
		this.#options = options;
		this.#target = target;
	}

	get description(): string {
		const { codec, widthPixels, heightPixels, frameRate, keyFrameIntervalMs } = this.#options;
		const gop = keyFrameIntervalMs === undefined ? 'key frames on request only' : `GOP ${keyFrameIntervalMs / 1000} s`;
		return `WHIP (Chromium, ${codec === 'h264' ? 'H.264' : 'VP8'}), ${widthPixels}x${heightPixels} at ${frameRate} frames/s, ${gop}`;
	}

	async start(): Promise<void> {
		this.#browser = await launchChromium();
		try {
			this.#benchPage = await BenchPage.openOwn(this.#browser, new URL(this.#target.url).origin);
			const { codec, videoBitrateBps, frameRate, keyFrameIntervalMs } = this.#options;
			const send = { codec, videoBitrateBps, frameRate };
			await this.#benchPage.call('sendCanvasByWhip', this.#options, send, this.#target.url, this.#target.streamKey);
			if (keyFrameIntervalMs !== undefined) {
				const benchPage = this.#benchPage;
				this.#cancelKeyFrames = systemClock.setInterval(() => {
					// The page may be closing; the next interval does not come then.
					benchPage.call('sendKeyFrame').catch(() => undefined);
				}, keyFrameIntervalMs);
			}
		} catch (error) {
			await this.#browser.close();
			throw error;
		}
	}

	async stop(): Promise<void> {
		this.#cancelKeyFrames?.();
		if (this.#browser?.isConnected()) {
			await this.#benchPage?.call('endSession').catch(() => undefined);
			await this.#browser.close();
		}
	}

	async kill(): Promise<void> {
		this.#cancelKeyFrames?.();
		if (this.#browser?.isConnected()) {
			await this.#collect();
			await killChromium(this.#browser);
		}
	}

	async sentFrames(): Promise<SentFrame[]> {
		await this.#collect();
		return [...this.#sent];
	}

	/** What the browser's own statistics say of its sender. */
	async facts(): Promise<unknown> {
		return this.#benchPage?.call('connectionFacts');
	}

	/**
	 * What to add to a capture time read from its pictures: they are drawn by the page's clock, and this is its distance
	 * from the bench's.
	 */
	get clockOffsetMs(): number {
		return this.#benchPage?.offsetMs ?? 0;
	}

	async #collect(): Promise<void> {
		if (this.#benchPage !== undefined && this.#browser?.isConnected()) {
			this.#sent.push(...(await this.#benchPage.collectDrawn()));
			this.#sent.splice(0, this.#sent.length - MAX_SENT);
		}
	}
}
