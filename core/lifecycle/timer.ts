/**
 * One timer that is armed, armed anew and disarmed: what an object with a single wait keeps instead of a function to
 * cancel.
 */
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

	/** Calls back once after the delay. An earlier arming no longer counts. */
	arm(delayMs: number): void {
		this.#cancel?.();
		this.#cancel = this.#clock.setTimeout(() => {
			// Before the callback, which may arm it again.
			this.#cancel = undefined;
			this.#callback();
		}, delayMs);
	}

	/** As {@link arm}, unless it is armed: the earlier arming stays. */
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
