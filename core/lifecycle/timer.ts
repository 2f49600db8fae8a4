/** One timer that can be armed, armed again and disarmed, for an object with a single wait. */
import type { CancelTimer, Clock } from './clock.ts';

/** Fires once for each arming. Give `disarm` to the owner's CloseScope. */
export class Timer {
	readonly #clock: Clock;
	readonly #callback: () => void;
	#cancel: CancelTimer | undefined;

	constructor(clock: Clock, callback: () => void) {
		this.#clock = clock;
		this.#callback = callback;
	}

	/** True until it fires or is disarmed. */
	get isArmed(): boolean {
		return this.#cancel !== undefined;
	}

	/** Calls back once after the delay. Replaces an earlier arming. */
	arm(delayMs: number): void {
		this.#cancel?.();
		this.#cancel = this.#clock.setTimeout(() => {
			// Before the callback, which may arm it again.
			this.#cancel = undefined;
			this.#callback();
		}, delayMs);
	}

	/** As {@link arm}, but keeps an earlier arming. */
	armOnce(delayMs: number): void {
		if (this.#cancel === undefined) {
			this.arm(delayMs);
		}
	}

	/** Harmless when it is not armed. */
	readonly disarm = (): void => {
		this.#cancel?.();
		this.#cancel = undefined;
	};
}
