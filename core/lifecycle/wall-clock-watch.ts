/** Notices when the machine's wall clock is set: by hand, or by time synchronisation that comes late. */
import type { Clock } from './clock.ts';

/** Synchronisation slews smaller differences, and those that come in small steps count when they have added up. */
const MIN_STEP_MS = 500;

/** Compares the wall clock with the monotonic one. */
export class WallClockWatch {
	readonly #clock: Clock;
	#offsetMs: number;

	constructor(clock: Clock) {
		this.#clock = clock;
		this.#offsetMs = clock.nowMs() - clock.monotonicMs();
	}

	/**
	 * Milliseconds by which it was set, forwards or back, since the last call that returned some; 0 while it merely runs.
	 */
	takeStepMs(): number {
		const stepMs = this.#clock.nowMs() - this.#clock.monotonicMs() - this.#offsetMs;
		if (Math.abs(stepMs) < MIN_STEP_MS) {
			return 0;
		}
		this.#offsetMs += stepMs;
		return stepMs;
	}
}
