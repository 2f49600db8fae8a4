/**
 * The tone code: a short burst at each whole second of the capture clock, whose pitch encodes the second. With it sound
 * can be compared with the picture. Pure, and without imports, because the same text also runs inside the browser.
 */

/** Length of a burst, attack and release included. */
export const TONE_DURATION_MS = 60;
/** Pitches, one for each second in turn; after this many seconds they repeat. */
export const TONE_CODE_COUNT = 16;
/** Peak of the sine, of full scale 1. */
const TONE_AMPLITUDE = 0.4;

const LOWEST_TONE_HZ = 600;
const TONE_STEP_HZ = 150;
const RAMP_MS = 2;
/** Sound below this is silence: an encoder's own noise is quieter, a burst is 20 times louder. */
const SILENCE_AMPLITUDE = 0.02;
/** A burst begins only after this much silence; otherwise it is programme sound. */
const SILENCE_BEFORE_MS = 100;
/** Length of the part of a burst that is searched for its pitch. */
const PITCH_WINDOW_MS = 45;
/** Share of the energy that the strongest pitch must have; programme sound has less. */
const MIN_PURITY = 0.6;

export type HeardTone = {
	/** The second of the capture clock, modulo {@link TONE_CODE_COUNT}. */
	code: number;
	/** Its attack, in milliseconds on the clock of the samples' times. */
	heardAtMs: number;
};

/** Pitch of the burst of that second (epoch seconds). */
function toneFrequencyHz(epochSecond: number): number {
	return LOWEST_TONE_HZ + TONE_STEP_HZ * (epochSecond % TONE_CODE_COUNT);
}

/** The sound at one instant of the capture clock (epoch milliseconds), −1 to 1. */
export function toneSampleAt(captureTimeMs: number): number {
	const epochSecond = Math.floor(captureTimeMs / 1000);
	const sinceMs = captureTimeMs - epochSecond * 1000;
	if (sinceMs >= TONE_DURATION_MS) {
		return 0;
	}
	const envelope = Math.min(1, sinceMs / RAMP_MS, (TONE_DURATION_MS - sinceMs) / RAMP_MS);
	return TONE_AMPLITUDE * envelope * Math.sin((2 * Math.PI * toneFrequencyHz(epochSecond) * sinceMs) / 1000);
}

/** The capture second (epoch milliseconds) of a tone: the newest one with its code before it was heard. */
export function toneCaptureTimeMs(tone: HeardTone): number {
	// 100 ms of tolerance, because two clocks are never exactly equal.
	const newestSecond = Math.floor((tone.heardAtMs + 100) / 1000);
	const age = (((newestSecond - tone.code) % TONE_CODE_COUNT) + TONE_CODE_COUNT) % TONE_CODE_COUNT;
	return (newestSecond - age) * 1000;
}

/** Finds bursts in a stream of samples. */
export class ToneDetector {
	readonly #sampleRate: number;
	#quietSamples = 0;
	#burst: number[] | undefined;
	#burstStartMs = 0;

	constructor(sampleRate: number) {
		this.#sampleRate = sampleRate;
	}

	/** The next samples (one channel, −1 to 1); `startMs` is when the first of them was heard. */
	push(samples: Float32Array, startMs: number): HeardTone[] {
		const found: HeardTone[] = [];
		const windowSamples = Math.round((PITCH_WINDOW_MS * this.#sampleRate) / 1000);
		const quietNeeded = (SILENCE_BEFORE_MS * this.#sampleRate) / 1000;
		for (let index = 0; index < samples.length; index++) {
			const sample = samples[index]!;
			if (this.#burst !== undefined) {
				this.#burst.push(sample);
				if (this.#burst.length >= windowSamples) {
					const code = this.#pitchCode(this.#burst);
					if (code !== undefined) {
						found.push({ code, heardAtMs: this.#burstStartMs });
					}
					this.#burst = undefined;
					this.#quietSamples = 0;
				}
			} else if (Math.abs(sample) < SILENCE_AMPLITUDE) {
				this.#quietSamples++;
			} else if (this.#quietSamples >= quietNeeded) {
				this.#burst = [sample];
				this.#burstStartMs = startMs + (index * 1000) / this.#sampleRate;
			} else {
				this.#quietSamples = 0;
			}
		}
		return found;
	}

	// Goertzel's algorithm at each of the pitches.
	#pitchCode(burst: readonly number[]): number | undefined {
		const total = burst.reduce((sum, sample) => sum + sample * sample, 0);
		let best = -1;
		let bestPower = 0;
		for (let code = 0; code < TONE_CODE_COUNT; code++) {
			const coefficient = 2 * Math.cos((2 * Math.PI * toneFrequencyHz(code)) / this.#sampleRate);
			let one = 0;
			let two = 0;
			for (const sample of burst) {
				const next = sample + coefficient * one - two;
				two = one;
				one = next;
			}
			const power = one * one + two * two - coefficient * one * two;
			if (power > bestPower) {
				bestPower = power;
				best = code;
			}
		}
		// A pure sine of energy E over n samples has the power E·n/2 at its own pitch.
		return bestPower / (total * (burst.length / 2)) >= MIN_PURITY ? best : undefined;
	}
}
