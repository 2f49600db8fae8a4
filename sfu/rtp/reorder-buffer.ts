/** Puts packets back in order, and waits a bounded time for those that come late or are sent again. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { Timer } from '../../core/lifecycle/timer.ts';
import { unwrap } from '../../core/units.ts';

/** How long a gap is waited for: a lost packet is resent within a round trip or two. */
export const MAX_REORDER_MS = 150;
/** Packets held at most; 0.15 s of a 50 Mbit/s stream. Beyond it the gap is given up early. */
const MAX_HELD_PACKETS = 1024;

type Held<T> = { value: T; heldAtMs: number };

type ReorderBufferDependencies<T> = {
	clock: Clock;
	/** Called in sequence order; `isAfterLoss`: one or more packets before it never came. */
	release: (value: T, isAfterLoss: boolean) => void;
	/** How long a gap is waited for now; default {@link MAX_REORDER_MS}. */
	maxWaitMs?: () => number;
};

export class ReorderBuffer<T> {
	readonly #deps: ReorderBufferDependencies<T>;
	readonly #held = new Map<number, Held<T>>();
	#nextUnwrapped: number | undefined;
	readonly #timer: Timer;
	#lostCount = 0;
	#filledCount = 0;

	constructor(deps: ReorderBufferDependencies<T>) {
		this.#deps = deps;
		this.#timer = new Timer(deps.clock, () => this.#onTimer());
	}

	/** Packets given up so far. */
	get lostCount(): number {
		return this.#lostCount;
	}

	/** Gaps that a late packet has filled. */
	get filledCount(): number {
		return this.#filledCount;
	}

	/** Adds one packet. Duplicates and those too late are dropped. */
	push(sequenceNumber: number, value: T): void {
		this.#nextUnwrapped ??= sequenceNumber;
		const position = unwrap(sequenceNumber, this.#nextUnwrapped, 16);
		if (position === this.#nextUnwrapped) {
			this.#nextUnwrapped++;
			this.#deps.release(value, false);
			if (this.#held.size > 0) {
				this.#filledCount++;
				this.#releaseRun(false);
			}
		} else if (position > this.#nextUnwrapped) {
			this.#held.set(position, { value, heldAtMs: this.#deps.clock.monotonicMs() });
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

	get #maxWaitMs(): number {
		return this.#deps.maxWaitMs?.() ?? MAX_REORDER_MS;
	}

	#releaseRun(isAfterLoss: boolean): void {
		for (let next = this.#nextHeld(); next !== undefined; next = this.#nextHeld()) {
			this.#held.delete(this.#nextUnwrapped!);
			this.#nextUnwrapped!++;
			this.#deps.release(next.value, isAfterLoss);
			isAfterLoss = false;
		}
		if (this.#held.size === 0) {
			this.#timer.disarm();
		}
	}

	#nextHeld(): Held<T> | undefined {
		return this.#held.get(this.#nextUnwrapped!);
	}

	#giveUpGap(): void {
		const oldest = Math.min(...this.#held.keys());
		this.#lostCount += oldest - this.#nextUnwrapped!;
		this.#nextUnwrapped = oldest;
		this.#releaseRun(true);
	}

	#arm(): void {
		if (!this.#timer.isArmed && this.#held.size > 0) {
			this.#timer.arm(Math.max(1, this.#oldestHeldAtMs() + this.#maxWaitMs - this.#deps.clock.monotonicMs()));
		}
	}

	#onTimer(): void {
		const deadlineMs = this.#deps.clock.monotonicMs() - this.#maxWaitMs;
		while (this.#held.size > 0 && this.#oldestHeldAtMs() <= deadlineMs) {
			this.#giveUpGap();
		}
		this.#arm();
	}

	#oldestHeldAtMs(): number {
		return Math.min(...[...this.#held.values()].map(({ heldAtMs }) => heldAtMs));
	}
}
