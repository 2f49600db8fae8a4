/** A call that is made at most once in an interval. One that comes too early is made when the interval is over. */
import type { Clock } from '../lifecycle/clock.ts';
import { Timer } from '../lifecycle/timer.ts';

export class PacedCall {
	readonly #deps: { clock: Clock };
	readonly #options: { intervalMs: number; call: () => void };
	readonly #timer: Timer;
	#calledAtMs = -Infinity;

	constructor(deps: { clock: Clock }, options: { intervalMs: number; call: () => void }) {
		this.#deps = deps;
		this.#options = options;
		this.#timer = new Timer(deps.clock, () => this.#call());
	}

	/** Makes the call now, or at the end of the interval. Several early ones are one. */
	request(): void {
		const waitMs = this.#calledAtMs + this.#options.intervalMs - this.#deps.clock.monotonicMs();
		if (waitMs <= 0) {
			this.#call();
		} else {
			this.#timer.armOnce(waitMs);
		}
	}

	/** Drops a call that waits. */
	cancel(): void {
		this.#timer.disarm();
	}

	#call(): void {
		this.#timer.disarm();
		this.#calledAtMs = this.#deps.clock.monotonicMs();
		this.#options.call();
	}
}
