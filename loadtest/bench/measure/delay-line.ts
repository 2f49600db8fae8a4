/** A queue whose entries leave later: each after its own delay, in the order in which they are due. */
import type { CancelTimer, Clock } from '../../../core/lifecycle/clock.ts';

/** Bytes that may wait. */
const MAX_WAITING_BYTES = 64_000_000;

type Waiting = { dueMs: number; bytes: number; leave: () => void };

export class DelayLine {
	readonly #clock: Clock;
	/** Ascending by `dueMs`. */
	readonly #waiting: Waiting[] = [];
	#cancelTimer: CancelTimer | undefined;
	#timerDueMs = Infinity;
	#waitingBytes = 0;
	/** When the newest entry that keeps the order is due. */
	#newestDueMs = -Infinity;
	/** Entries so far. */
	heldCount = 0;

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/**
	 * False when it is full. An entry never leaves before an earlier one, also when the delay has become smaller.
	 * `overtakenForMs`: this one waits that much longer, and later entries may leave before it.
	 */
	add(bytes: number, leave: () => void, delayMs: number, overtakenForMs = 0): boolean {
		if (this.#waitingBytes + bytes > MAX_WAITING_BYTES) {
			return false;
		}
		this.heldCount++;
		this.#waitingBytes += bytes;
		const inOrderMs = Math.max(this.#clock.monotonicMs() + delayMs, this.#newestDueMs);
		if (overtakenForMs === 0) {
			this.#newestDueMs = inOrderMs;
		}
		this.#insert({ dueMs: inOrderMs + overtakenForMs, bytes, leave });
		this.#schedule();
		return true;
	}

	/** Drops everything that waits. */
	clear(): void {
		this.#cancelTimer?.();
		this.#cancelTimer = undefined;
		this.#timerDueMs = Infinity;
		this.#waiting.splice(0);
		this.#waitingBytes = 0;
	}

	#insert(entry: Waiting): void {
		let at = this.#waiting.length;
		while (at > 0 && this.#waiting[at - 1]!.dueMs > entry.dueMs) {
			at--;
		}
		this.#waiting.splice(at, 0, entry);
	}

	#schedule(): void {
		const dueMs = this.#waiting[0]?.dueMs ?? Infinity;
		if (dueMs >= this.#timerDueMs) {
			return;
		}
		this.#cancelTimer?.();
		this.#timerDueMs = dueMs;
		const delayMs = Math.max(0, dueMs - this.#clock.monotonicMs());
		this.#cancelTimer = this.#clock.setTimeout(() => this.#release(), delayMs);
	}

	#release(): void {
		[this.#cancelTimer, this.#timerDueMs] = [undefined, Infinity];
		while (this.#waiting[0] !== undefined && this.#waiting[0].dueMs <= this.#clock.monotonicMs()) {
			const { bytes, leave } = this.#waiting.shift()!;
			this.#waitingBytes -= bytes;
			leave();
		}
		this.#schedule();
	}
}
