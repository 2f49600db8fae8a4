/** Detects that the machine's wall clock is set: by hand, or by late time synchronisation. */
import type { Clock } from './clock.ts';

/** Synchronisation slews smaller differences. Small steps count when they have added up to this. */
const MIN_STEP_MS = 500;

/** Compares the wall clock with the monotonic clock. */
export class WallClockWatch {
	readonly #clock: Clock;
	#offsetMs: number;

	constructor(clock: Clock) {
		this.#clock = clock;
		this.#offsetMs = clock.nowMs() - clock.monotonicMs();
	}

	/** Milliseconds by which it was set, forwards or back, since the last call that returned a step; 0 for none. */
	takeStepMs(): number {
		const stepMs = this.#clock.nowMs() - this.#clock.monotonicMs() - this.#offsetMs;
		if (Math.abs(stepMs) < MIN_STEP_MS) {
			return 0;
		}
		this.#offsetMs += stepMs;
		return stepMs;
	}
}
