/** Publishes the bench's picture and sound by RTMP with the FFmpeg command line. */
import { sleep, systemClock } from '../../../core/lifecycle/clock.ts';
import type { EncoderProcess } from '../../source/encoder-process.ts';
import { describeSettings, type EncoderSettings, RAW_INPUT, videoEncoder } from '../../source/encoder-settings.ts';
import { benchSource } from '../../source/bench-source.ts';
import { type Publisher, type PublishTarget, throwFailure } from '../../source/publisher.ts';
import type { SentFrame, SourceLoop } from '../../source/source-loop.ts';

/** Without an error for this long FFmpeg is connected: a refused key ends it within milliseconds on one machine. */
const SETTLED_AFTER_MS = 700;

/** The FFmpeg arguments for pushing to `url`, sound included. */
export function rtmpArguments(settings: EncoderSettings, url: string): string[] {
	return [
		...RAW_INPUT,
		...['-map', '0:v', '-map', '0:a'],
		...videoEncoder(settings),
		...['-c:a', 'aac', '-b:a', String(settings.audioBitrateBps)],
		...['-flvflags', 'no_duration_filesize', '-flush_packets', '1', '-f', 'flv', url],
	];
}

/** One use: it cannot be started again. */
export class RtmpPublisher implements Publisher {
	readonly clockOffsetMs = 0;
	readonly #settings: EncoderSettings;
	readonly #url: string;
	#encoder: EncoderProcess | undefined;
	#loop: SourceLoop | undefined;

	constructor(settings: EncoderSettings, target: PublishTarget) {
		this.#settings = settings;
		this.#url = `${target.url.replace(/\/$/, '')}/${target.streamKey}`;
	}

	get description(): string {
		return `RTMP (FFmpeg), ${describeSettings(this.#settings)}`;
	}

	async start(): Promise<void> {
		const { encoder, loop } = benchSource(rtmpArguments(this.#settings, this.#url), this.#settings);
		[this.#encoder, this.#loop] = [encoder, loop];
		encoder.output.resume();
		encoder.onFailure = () => loop.stop();
		loop.start();
		await sleep(systemClock, SETTLED_AFTER_MS);
		throwFailure(encoder);
	}

	get failure(): Error | undefined {
		return this.#encoder?.failure;
	}

	async stop(): Promise<void> {
		this.#loop?.stop();
		await this.#encoder?.stop();
	}

	async kill(): Promise<void> {
		this.#loop?.stop();
		await this.#encoder?.kill();
	}

	sentFrames(): Promise<SentFrame[]> {
		return Promise.resolve([...(this.#loop?.sent ?? [])]);
	}
}
