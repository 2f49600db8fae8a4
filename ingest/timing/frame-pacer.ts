/**
 * Sends frames at an even pace. A receiver's jitter buffer grows to the worst unevenness of the last half minute, and
 * plays the picture as late as the sound. AAC comes in bursts of the encoder's muxer and is cut into Opus frames of
 * another length. Waiting here for all but the latest tenth costs less than that buffer (docs/decisions.md).
 */
import { percentile } from '../../core/percentiles.ts';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { Timer } from '../../core/lifecycle/timer.ts';

/** Frames by which the pace is judged: two seconds of 10 ms frames. */
const SAMPLE_COUNT = 200;
/** Frames between two measurements of the pace; before the first one every frame goes at once. */
const JUDGE_EVERY = 10;
/** Frames that are later than this many percent of the others go at once. */
const PUNCTUAL_PERCENT = 90;
/** The pace moves by this much a frame, which a receiver does not count as jitter. */
const STEP_MS = 0.25;
/** When it is off by more, as after an encoder's start, it jumps. */
const MAX_OFF_MS = 15;
/** No frame waits longer: an encoder that catches up after its start has no pace. */
const MAX_WAIT_MS = 45;

/** One track's pace. */
export class FramePacer {
	readonly #deps: { clock: Clock };
	readonly #timer: Timer;
	/** Arrival − media time of the latest frames, milliseconds; a ring. */
	readonly #lateness: number[] = [];
	#count = 0;
	#targetMs: number | undefined;
	#paceMs: number | undefined;
	readonly #waiting: Array<{ dueMs: number; release: () => void }> = [];

	constructor(deps: { clock: Clock }) {
		this.#deps = deps;
		this.#timer = new Timer(deps.clock, () => this.#releaseDue());
	}

	/** Calls `release` when the frame is due, now at the earliest, in the order of the calls. */
	push(mediaTimeMs: number, release: () => void): void {
		const nowMs = this.#deps.clock.monotonicMs();
		this.#measure(nowMs - mediaTimeMs);
		const dueMs = this.#paceMs === undefined ? nowMs : Math.min(mediaTimeMs + this.#paceMs, nowMs + MAX_WAIT_MS);
		this.#waiting.push({ dueMs, release });
		this.#releaseDue();
	}

	/** Drops the frames that wait, and the pace. */
	reset(): void {
		this.#timer.disarm();
		this.#waiting.length = 0;
		this.#lateness.length = 0;
		this.#count = 0;
		this.#targetMs = undefined;
		this.#paceMs = undefined;
	}

	#measure(latenessMs: number): void {
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
		const nowMs = this.#deps.clock.monotonicMs();
		// Timers count whole milliseconds; what is due within half of one goes now.
		while (this.#waiting.length > 0 && this.#waiting[0]!.dueMs <= nowMs + 0.5) {
			this.#waiting.shift()!.release();
		}
		this.#timer.disarm();
		if (this.#waiting.length > 0) {
			this.#timer.arm(this.#waiting[0]!.dueMs - nowMs);
		}
	}
}
