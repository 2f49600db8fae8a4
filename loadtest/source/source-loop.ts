/** The one loop that makes picture and sound: sound runs on the picture's clock, never on one of its own. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { Timer } from '../../core/lifecycle/timer.ts';

/** A picture as the source made it; epoch milliseconds on the bench's clock. */
export type SentFrame = { frameNumber: number; captureTimeMs: number };

/** How often pictures are made and how sound is sampled. */
export type SourceFormat = {
	widthPixels: number;
	heightPixels: number;
	frameRate: number;
	sampleRate: number;
	/** Peak of a steady hum under the bursts, of full scale 1, by which gaps can be heard. Absent: silence. */
	humAmplitude?: number;
};

/** Takes what the loop makes. Both are called within the same tick: first the sound up to now, then the picture. */
export interface SourceOutput {
	/** The picture to draw now; `captureTimeMs` is this very instant. */
	picture(frame: SentFrame): void;
	/** Samples [firstSample, endSample) of a sound whose sample 0 was captured at `originMs` (epoch). */
	sound(originMs: number, firstSample: number, endSample: number): void;
}

/** How well the loop kept time. */
type SourceLateness = {
	/** Pictures made more than a whole frame interval late. */
	lateCount: number;
	/** Most that a picture was late, in milliseconds. */
	worstLateMs: number;
};

/** 20 minutes at 30 pictures a second. */
const MAX_SENT = 36_000;
/**
 * Sound is handed over this often, as a sound card does, so that no encoder waits for a whole picture's worth of it.
 */
const SOUND_STEPS_PER_FRAME = 4;
/** Catching up further than this at once would be a burst that no camera makes; the rest follows in the next tick. */
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
	readonly lateness: SourceLateness = { lateCount: 0, worstLateMs: 0 };

	/**
	 * `soundLeadMs` hands sound over that long before its capture time, which only a made sound can. FFmpeg's AAC encoder
	 * holds two frames, and its muxer holds each picture until the sound of the same instant is there; with a lead of
	 * those two frames sound leaves the encoder at its capture time, and the picture is measured instead of AAC.
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

	/** Makes no more. Idempotent. */
	stop(): void {
		this.#timer.disarm();
	}

	/** Epoch milliseconds of picture 0 and sample 0. */
	get originMs(): number {
		return this.#originMs;
	}

	/** The pictures made so far. */
	get sent(): readonly SentFrame[] {
		return this.#sent;
	}

	// Steps of a quarter frame: each hands over sound, each fourth makes a picture as well.
	#tick(): void {
		const stepMs = 1000 / this.#format.frameRate / SOUND_STEPS_PER_FRAME;
		for (let made = 0; made <= MAX_CATCH_UP_FRAMES * SOUND_STEPS_PER_FRAME; made++) {
			const lateMs = this.#clock.monotonicMs() - this.#originMonotonicMs - this.#stepIndex * stepMs;
			if (lateMs < 0) {
				break;
			}
			this.#makeSound(this.#stepIndex * stepMs);
			if (this.#stepIndex % SOUND_STEPS_PER_FRAME === 0) {
				this.lateness.worstLateMs = Math.max(this.lateness.worstLateMs, lateMs);
				this.lateness.lateCount += lateMs > stepMs * SOUND_STEPS_PER_FRAME ? 1 : 0;
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
