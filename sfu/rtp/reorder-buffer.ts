/** Puts packets back in order, waiting a bounded time for those that come late or are sent again. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { Timer } from '../../core/lifecycle/timer.ts';
import { unwrap } from '../../core/units.ts';

/**
 * How long a gap is waited for: a lost packet is asked for and sent again within a round trip or two.
 * @internal for tests
 */
export const MAX_REORDER_MS = 150;
/** Packets held at most; 0.15 s of a 50 Mbit/s stream. Beyond it the gap is given up early. */
const MAX_HELD_PACKETS = 1024;

type Held<T> = { value: T; heldAtMs: number };

/** Releases values in sequence order. */
export class ReorderBuffer<T> {
	readonly #clock: Clock;
	readonly #release: (value: T, isAfterLoss: boolean) => void;
	readonly #held = new Map<number, Held<T>>();
	#nextUnwrapped: number | undefined;
	readonly #timer: Timer;
	#lostCount = 0;

	/** `release` is called in order; `isAfterLoss` says that one or more packets before it never came. */
	constructor(clock: Clock, release: (value: T, isAfterLoss: boolean) => void) {
		this.#clock = clock;
		this.#release = release;
		this.#timer = new Timer(clock, () => this.#onTimer());
	}

	/** Packets given up so far. */
	get lostCount(): number {
		return this.#lostCount;
	}

	/** Takes one packet. Duplicates and those too late are dropped. */
	push(sequenceNumber: number, value: T): void {
		if (this.#nextUnwrapped === undefined) {
			this.#nextUnwrapped = sequenceNumber;
		}
		const position = unwrap(sequenceNumber, this.#nextUnwrapped, 16);
		if (position === this.#nextUnwrapped) {
			this.#nextUnwrapped++;
			this.#release(value, false);
			if (this.#held.size > 0) {
				this.#releaseRun(false);
			}
		} else if (position > this.#nextUnwrapped) {
			this.#held.set(position, { value, heldAtMs: this.#clock.monotonicMs() });
			if (this.#held.size > MAX_HELD_PACKETS) {
				this.#giveUpGap();
			}
			this.#arm();
		}
	}

	/** Drops what is held and stops the timer. */
	close(): void {
		this.#held.clear();
		this.#timer.disarm();
	}

	#releaseRun(isAfterLoss: boolean): void {
		for (;;) {
			const next = this.#held.get(this.#nextUnwrapped!);
			if (next === undefined) {
				break;
			}
			this.#held.delete(this.#nextUnwrapped!);
			this.#nextUnwrapped!++;
			this.#release(next.value, isAfterLoss);
			isAfterLoss = false;
		}
		if (this.#held.size === 0) {
			this.#timer.disarm();
		}
	}

	#giveUpGap(): void {
		let oldest = Infinity;
		for (const position of this.#held.keys()) {
			oldest = Math.min(oldest, position);
		}
		this.#lostCount += oldest - this.#nextUnwrapped!;
		this.#nextUnwrapped = oldest;
		this.#releaseRun(true);
	}

	#arm(): void {
		if (!this.#timer.isArmed && this.#held.size > 0) {
			this.#timer.arm(Math.max(1, this.#oldestHeldAtMs() + MAX_REORDER_MS - this.#clock.monotonicMs()));
		}
	}

	#onTimer(): void {
		const deadlineMs = this.#clock.monotonicMs() - MAX_REORDER_MS;
		while (this.#held.size > 0 && this.#oldestHeldAtMs() <= deadlineMs) {
			this.#giveUpGap();
		}
		this.#arm();
	}

	#oldestHeldAtMs(): number {
		let oldest = Infinity;
		for (const held of this.#held.values()) {
			oldest = Math.min(oldest, held.heldAtMs);
		}
		return oldest;
	}
}
