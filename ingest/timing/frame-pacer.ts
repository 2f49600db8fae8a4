/**
 * Lets frames go at an even pace. A receiver's jitter buffer grows to the worst unevenness of the last half minute and
 * plays the picture as late as the sound: AAC in bursts of the encoder's muxer, cut into Opus frames of another length,
 * cost more there than waiting here for all but the latest tenth (docs/decisions.md).
 */
import { percentile } from '../../core/percentiles.ts';
import type { CancelTimer, Clock } from '../../core/lifecycle/clock.ts';

/** Frames by which the pace is judged: two seconds of 10 ms frames. */
const SAMPLE_COUNT = 200;
/** Until then every frame goes at once; and so often the pace is judged anew. */
const JUDGE_EVERY = 10;
/** Frames later than this many percent of the others go at once, when they come. */
const PUNCTUAL_PERCENT = 90;
/** The pace moves by this much a frame, less than what a receiver takes for jitter. */
const STEP_MS = 0.25;
/** Off by more than this, as after an encoder's start, there is no pace yet: it jumps. */
const MAX_OFF_MS = 15;
/** No frame waits longer: an encoder that catches up after its start is not a pace. */
const MAX_WAIT_MS = 45;

/** One track's pace. */
export class FramePacer {
	readonly #clock: Clock;
	/** Arrival − media time of the latest frames, milliseconds; a ring. */
	readonly #lateness: number[] = [];
	#count = 0;
	#targetMs: number | undefined;
	#paceMs: number | undefined;
	readonly #waiting: Array<{ dueMs: number; release: () => void }> = [];
	#cancelTimer: CancelTimer | undefined;

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** Calls `release` when the frame is due, now at the earliest, in the order of the calls. */
	push(mediaTimeMs: number, release: () => void): void {
		const nowMs = this.#clock.monotonicMs();
		this.#judge(nowMs - mediaTimeMs);
		const dueMs = this.#paceMs === undefined ? nowMs : Math.min(mediaTimeMs + this.#paceMs, nowMs + MAX_WAIT_MS);
		this.#waiting.push({ dueMs, release });
		this.#releaseDue();
	}

	/** Forgets what waits and what was learnt. */
	reset(): void {
		this.#cancelTimer?.();
		this.#cancelTimer = undefined;
		this.#waiting.length = 0;
		this.#lateness.length = 0;
		this.#count = 0;
		this.#targetMs = undefined;
		this.#paceMs = undefined;
	}

	#judge(latenessMs: number): void {
		this.#lateness[this.#count % SAMPLE_COUNT] = latenessMs;
		this.#count++;
		if (this.#count % JUDGE_EVERY === 0) {
			this.#targetMs = Math.min(
				percentile(this.#lateness, PUNCTUAL_PERCENT),
				Math.min(...this.#lateness) + MAX_WAIT_MS,
			);
		}
		if (this.#targetMs !== undefined) {
			const offMs = this.#targetMs - (this.#paceMs ?? this.#targetMs);
			this.#paceMs =
				Math.abs(offMs) > MAX_OFF_MS
					? this.#targetMs
					: this.#targetMs - offMs + Math.max(-STEP_MS, Math.min(STEP_MS, offMs));
		}
	}

	#releaseDue(): void {
		const nowMs = this.#clock.monotonicMs();
		// Timers count whole milliseconds; what is due within half of one goes now.
		while (this.#waiting.length > 0 && this.#waiting[0]!.dueMs <= nowMs + 0.5) {
			this.#waiting.shift()!.release();
		}
		this.#cancelTimer?.();
		this.#cancelTimer =
			this.#waiting.length === 0
				? undefined
				: this.#clock.setTimeout(() => this.#releaseDue(), this.#waiting[0]!.dueMs - nowMs);
	}
}
