/** The loop that makes picture and sound on one clock. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { Timer } from '../../core/lifecycle/timer.ts';

/** A picture as the source made it; epoch milliseconds on the bench's clock. */
export type SentFrame = { frameNumber: number; captureTimeMs: number };

export type SourceFormat = {
	widthPixels: number;
	heightPixels: number;
	frameRate: number;
	sampleRate: number;
	/** Peak of a steady hum under the bursts, of full scale 1, in which gaps can be heard. Absent: silence. */
	humAmplitude?: number;
};

/** Receives the loop's output. In each tick the sound up to now comes first, then the picture. */
export interface SourceOutput {
	/** The picture to draw now, at `captureTimeMs`. */
	picture(frame: SentFrame): void;
	/** Samples [firstSample, endSample) of a sound whose sample 0 was captured at `originMs` (epoch). */
	sound(originMs: number, firstSample: number, endSample: number): void;
}

/** 20 minutes at 30 pictures a second. */
const MAX_SENT = 36_000;
/** Sound comes this often, as from a sound card, so that no encoder waits for the sound of a whole picture. */
const SOUND_STEPS_PER_FRAME = 4;
/** More at once is a burst that no camera makes; the rest follows in the next tick. */
const MAX_CATCH_UP_FRAMES = 15;

/** Makes picture k at origin + k/frameRate and the sound in between. */
export class SourceLoop {
	readonly #clock: Clock;
	readonly #format: SourceFormat;
	readonly #output: SourceOutput;
	readonly #soundLeadMs: number;
	readonly #timer: Timer;
	#originMs = 0;
	#originMonotonicMs = 0;
	#stepIndex = 0;
	#soundEnd = 0;
	readonly #sent: SentFrame[] = [];

	/**
	 * `soundLeadMs`: how long before its capture time sound is handed over. FFmpeg's AAC encoder holds two frames, and
	 * its muxer holds each picture until the sound of the same instant is there. With a lead of two frames the latency of
	 * the picture does not include that delay.
	 */
	constructor(clock: Clock, format: SourceFormat, output: SourceOutput, soundLeadMs = 0) {
		this.#clock = clock;
		this.#timer = new Timer(clock, () => this.#tick());
		this.#format = format;
		this.#output = output;
		this.#soundLeadMs = soundLeadMs;
	}

	/** Makes the first picture at once. */
	start(): void {
		this.#originMs = this.#clock.nowMs();
		this.#originMonotonicMs = this.#clock.monotonicMs();
		this.#tick();
	}

	/** Idempotent. */
	stop(): void {
		this.#timer.disarm();
	}

	/** Epoch milliseconds of picture 0 and sample 0. */
	get originMs(): number {
		return this.#originMs;
	}

	/** The newest {@link MAX_SENT} pictures. */
	get sent(): readonly SentFrame[] {
		return this.#sent;
	}

	// Steps of a quarter frame: each makes sound, each fourth also a picture.
	#tick(): void {
		const stepMs = 1000 / this.#format.frameRate / SOUND_STEPS_PER_FRAME;
		for (let made = 0; made <= MAX_CATCH_UP_FRAMES * SOUND_STEPS_PER_FRAME; made++) {
			if (this.#clock.monotonicMs() - this.#originMonotonicMs < this.#stepIndex * stepMs) {
				break;
			}
			this.#makeSound(this.#stepIndex * stepMs);
			if (this.#stepIndex % SOUND_STEPS_PER_FRAME === 0) {
				this.#makePicture(this.#stepIndex / SOUND_STEPS_PER_FRAME);
			}
			this.#stepIndex++;
		}
		const waitMs = this.#stepIndex * stepMs - (this.#clock.monotonicMs() - this.#originMonotonicMs);
		this.#timer.arm(Math.max(0, waitMs));
	}

	#makeSound(upToMs: number): void {
		const soundEnd = Math.round(((upToMs + this.#soundLeadMs) * this.#format.sampleRate) / 1000);
		if (soundEnd > this.#soundEnd) {
			this.#output.sound(this.#originMs, this.#soundEnd, soundEnd);
			this.#soundEnd = soundEnd;
		}
	}

	#makePicture(frameNumber: number): void {
		const frame = { frameNumber, captureTimeMs: this.#clock.nowMs() };
		this.#sent.push(frame);
		if (this.#sent.length > MAX_SENT) {
			this.#sent.shift();
		}
		this.#output.picture(frame);
	}
}
