/** How long a viewer waits before the next change to a better layer, after those that failed. Pure. */

const FIRST_HOLD_MS = 1000;
const FAILED_HOLD_MS = 10_000;
const MAX_HOLD_MS = 60_000;
/** A short probe may pass a line faster than it is. An estimate that has misled once must be exceeded by this. */
const MISLED_MARGIN = 1.15;
/** So near to what the estimate may be at most, it says nothing of how much more there is. */
const AT_MOST_SHARE = 0.95;
const FORGIVEN_AFTER_MS = 60_000;

export class FailedClimbs {
	/** By layer; `estimateBps`: what led to the last one. */
	readonly #failures = new Map<number, { count: number; atMs: number; estimateBps: number }>();

	add(spatialLayer: number, nowMs: number, estimateBps: number): void {
		const count = (this.#failures.get(spatialLayer)?.count ?? 0) + 1;
		this.#failures.set(spatialLayer, { count, atMs: nowMs, estimateBps });
	}

	/** Since the last change. `estimateBps`: of the line, `mostBps`: what it may be at most; absent without estimates. */
	holdMs(spatialLayer: number, estimateBps = Infinity, mostBps = Infinity): number {
		const failure = this.#failures.get(spatialLayer);
		if (failure === undefined) {
			return FIRST_HOLD_MS;
		}
		if (estimateBps < MISLED_MARGIN * failure.estimateBps && estimateBps < AT_MOST_SHARE * mostBps) {
			return MAX_HOLD_MS;
		}
		return Math.min(MAX_HOLD_MS, FAILED_HOLD_MS * 2 ** failure.count);
	}

	/** Forgets those of layers that the viewer has kept for long. */
	forgive(nowMs: number, shownLayer = -1): void {
		for (const [spatialLayer, { atMs }] of this.#failures) {
			if (nowMs - atMs > FORGIVEN_AFTER_MS && shownLayer >= spatialLayer) {
				this.#failures.delete(spatialLayer);
			}
		}
	}
}
