/** Judges by an encoder's lag how many rungs it carries: fewer when it falls behind, more when it is calm. Pure. */

/** An encoder this far behind is too slow, when it stays so. */
const OVERLOAD_LAG_MS = 700;
const OVERLOAD_AFTER_MS = 2000;
/** A new encoder has this long to start and to catch up, before it loses a rung. */
const SETTLE_MS = 5000;
/** Below this it keeps up. */
const CALM_LAG_MS = 300;
/** Calm for this long, it may have one more; twice as long each time that this failed. */
const FIRST_RESTORE_AFTER_MS = 30_000;
const MAX_RESTORE_AFTER_MS = 600_000;

export class LadderLoad {
	#highestCount = Infinity;
	#overloadedSinceMs: number | undefined;
	#calmSinceMs: number | undefined;
	/** Of the encoder that makes as many rungs as now. */
	#beganAtMs: number | undefined;
	#restoreAfterMs = FIRST_RESTORE_AFTER_MS;
	#wasRestored = false;

	/** Most rungs that it carries; Infinity while it was never too slow. */
	get highestCount(): number {
		return this.#highestCount;
	}

	/**
	 * `lagMs`: media time between its input and its output. `count`: rungs that it makes. Call it a few times a second.
	 */
	observe({ lagMs, count, nowMs }: { lagMs: number; count: number; nowMs: number }): void {
		this.#overloadedSinceMs = lagMs >= OVERLOAD_LAG_MS ? (this.#overloadedSinceMs ?? nowMs) : undefined;
		this.#calmSinceMs = lagMs <= CALM_LAG_MS ? (this.#calmSinceMs ?? nowMs) : undefined;
		this.#beganAtMs ??= nowMs;
		if (nowMs - this.#beganAtMs < SETTLE_MS) {
			return;
		}
		if (count > 0 && nowMs - (this.#overloadedSinceMs ?? nowMs) >= OVERLOAD_AFTER_MS) {
			if (this.#wasRestored) {
				this.#restoreAfterMs = Math.min(2 * this.#restoreAfterMs, MAX_RESTORE_AFTER_MS);
			}
			this.#change(count - 1, nowMs);
			this.#wasRestored = false;
		} else if (nowMs - (this.#calmSinceMs ?? nowMs) >= this.#restoreAfterMs && Number.isFinite(this.#highestCount)) {
			this.#change(this.#highestCount + 1, nowMs);
			this.#wasRestored = true;
		}
	}

	#change(highestCount: number, nowMs: number): void {
		this.#highestCount = highestCount;
		this.#beganAtMs = nowMs;
		this.#overloadedSinceMs = undefined;
		this.#calmSinceMs = undefined;
	}
}
