/** A clock that tests advance. Timers fire in order meanwhile. */
import type { CancelTimer, Clock } from '../lifecycle/clock.ts';

type Timer = { atMs: number; order: number; callback: () => void; intervalMs: number | undefined };

/** Starts at 2026-01-01T00:00:00Z by default. */
export class FakeClock implements Clock {
	#startMs: number;
	#elapsedMs = 0;
	#order = 0;
	readonly #timers = new Set<Timer>();

	constructor(startMs = Date.UTC(2026, 0, 1)) {
		this.#startMs = startMs;
	}

	nowMs(): number {
		return this.#startMs + this.#elapsedMs;
	}

	monotonicMs(): number {
		return this.#elapsedMs;
	}

	setTimeout(callback: () => void, delayMs: number): CancelTimer {
		return this.#add(callback, delayMs, undefined);
	}

	setInterval(callback: () => void, intervalMs: number): CancelTimer {
		return this.#add(callback, intervalMs, Math.max(1, intervalMs));
	}

	/** Sets the wall clock forwards or back; monotonic time and timers do not change. */
	setWallClock(stepMs: number): void {
		this.#startMs += stepMs;
	}

	/** Pending timers; 0 after a clean close. */
	get pendingCount(): number {
		return this.#timers.size;
	}

	/** Advances the time, fires due timers, and lets promises settle between them. */
	async advance(ms: number): Promise<void> {
		const endMs = this.#elapsedMs + ms;
		for (;;) {
			await settle();
			let next: Timer | undefined;
			for (const timer of this.#timers) {
				if (
					timer.atMs <= endMs &&
					(next === undefined || timer.atMs < next.atMs || (timer.atMs === next.atMs && timer.order < next.order))
				) {
					next = timer;
				}
			}
			if (next === undefined) {
				break;
			}
			this.#elapsedMs = Math.max(this.#elapsedMs, next.atMs);
			if (next.intervalMs === undefined) {
				this.#timers.delete(next);
			} else {
				next.atMs += next.intervalMs;
			}
			next.callback();
		}
		this.#elapsedMs = endMs;
		await settle();
	}

	#add(callback: () => void, delayMs: number, intervalMs: number | undefined): CancelTimer {
		const timer: Timer = { atMs: this.#elapsedMs + Math.max(0, delayMs), order: this.#order++, callback, intervalMs };
		this.#timers.add(timer);
		return () => this.#timers.delete(timer);
	}
}

/** Runs chains of settled promises to their end. */
async function settle(): Promise<void> {
	for (let index = 0; index < 10; index++) {
		await Promise.resolve();
	}
}
