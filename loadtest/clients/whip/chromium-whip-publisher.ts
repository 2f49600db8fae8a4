/** Publishes by WHIP from headless Chromium: canvas and Web Audio, H.264 or VP8, key frames only when requested. */
import type { Browser } from 'playwright-core';
import { BenchPage } from '../chromium/bench-page.ts';
import { killChromium, launchChromium } from '../chromium/chromium.ts';
import type { SendOptions } from '../chromium/page/webrtc-page.ts';
import type { Publisher, PublishTarget } from '../../source/publisher.ts';
import type { SentFrame } from '../../source/source-loop.ts';

/** 20 minutes at 30 pictures a second. */
const MAX_SENT = 36_000;

/** One use. */
export class ChromiumWhipPublisher implements Publisher {
	readonly #options: SendOptions;
	readonly #target: PublishTarget;
	#browser: Browser | undefined;
	#benchPage: BenchPage | undefined;
	readonly #sent: SentFrame[] = [];

	constructor(options: SendOptions, target: PublishTarget) {
		this.#options = options;
		this.#target = target;
	}

	get description(): string {
		const { codec, widthPixels, heightPixels, frameRate } = this.#options;
		const codecName = codec === 'h264' ? 'H.264' : 'VP8';
		return `WHIP (Chromium, ${codecName}), ${widthPixels}x${heightPixels} at ${frameRate} frames/s, key frames on request only`;
	}

	async start(): Promise<void> {
		this.#browser = await launchChromium();
		try {
			this.#benchPage = await BenchPage.openOwn(this.#browser, new URL(this.#target.url).origin);
			await this.#benchPage.call('sendCanvasByWhip', this.#options, this.#target.url, this.#target.streamKey);
		} catch (error) {
			await this.#browser.close();
			throw error;
		}
	}

	/** Stops sending a simulcast layer, by its place, or sends it again. */
	async switchLayer(index: number, isOn: boolean): Promise<void> {
		await this.#benchPage!.call('switchLayer', index, isOn);
	}

	async stop(): Promise<void> {
		if (this.#browser?.isConnected()) {
			await this.#benchPage?.call('endSession').catch(() => undefined);
			await this.#browser.close();
		}
	}

	async kill(): Promise<void> {
		if (this.#browser?.isConnected()) {
			await this.#collect();
			await killChromium(this.#browser);
		}
	}

	async sentFrames(): Promise<SentFrame[]> {
		await this.#collect();
		return [...this.#sent];
	}

	/** The pictures have the page's clock. */
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
