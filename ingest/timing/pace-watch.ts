/**
 * Compares a publisher's stated times with the clock. No other check sees a track whose times run evenly, but too fast
 * or too slow. Causes: a file that is sent faster than it plays, an overloaded encoder, times that stand still. Pure.
 */

/** Long enough for the jitter of a line, short enough to warn the streamer while they look. */
const WINDOW_MS = 10_000;
/** A line that was held up catches up within a window; what two windows in a row show lasts. */
const WRONG_WINDOWS = 2;
/** Viewers' players make up for less. */
const LEAST_PACE = 0.85;
const MOST_PACE = 1.15;
/** A tick for each picture, where an encoder states the same time for all of them. */
const STANDS_STILL = 0.05;
/** A stream that ends before the first window: an encoder's buffer explains no larger lead over the clock. */
const LEAST_RUSH_MS = 5000;

type Mark = { statedMs: number; arrivedAtMs: number };

/** The pace of one track. */
export class PaceWatch {
	#first: Mark | undefined;
	#newest: Mark | undefined;
	#windowCount = 0;
	#wrongCount = 0;
	#pace: number | undefined;

	observe(statedMs: number, arrivedAtMs: number): void {
		this.#newest = { statedMs, arrivedAtMs };
		this.#first ??= this.#newest;
		const elapsedMs = arrivedAtMs - this.#first.arrivedAtMs;
		if (elapsedMs >= WINDOW_MS) {
			this.#windowCount++;
			const pace = (statedMs - this.#first.statedMs) / elapsedMs;
			this.#wrongCount = pace >= LEAST_PACE && pace <= MOST_PACE ? 0 : this.#wrongCount + 1;
			this.#pace = this.#wrongCount >= WRONG_WINDOWS ? Math.max(0, pace) : undefined;
			this.#first = this.#newest;
		}
	}

	/** Stated time for each unit of real time when it is wrong for long; undefined when it is right or unknown. */
	get wrongPace(): number | undefined {
		return this.#pace;
	}

	/** The same for a stream that has ended. */
	get wrongPaceAtEnd(): number | undefined {
		if (this.#windowCount > 0 || this.#first === undefined || this.#newest === undefined) {
			return this.#pace;
		}
		const statedMs = this.#newest.statedMs - this.#first.statedMs;
		const elapsedMs = this.#newest.arrivedAtMs - this.#first.arrivedAtMs;
		return statedMs - elapsedMs > LEAST_RUSH_MS ? statedMs / Math.max(1, elapsedMs) : undefined;
	}
}

/** What is wrong with a pace, in words that follow "times". Without figures, which make another problem each time. */
export function paceText(pace: number): string {
	if (pace < STANDS_STILL) {
		return 'stand still';
	}
	return pace < 1 ? 'run slower than the clock' : 'run faster than the clock';
}
