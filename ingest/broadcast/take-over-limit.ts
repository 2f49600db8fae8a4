/**
 * Keeps encoders with one stream key from replacing one another for ever, when each of them comes back at once. Pure; a token
 * bucket: so many take-overs in a row, then one each interval.
 */

/** More than anybody does on purpose: to a second encoder and back, twice. */
export const MAX_TAKE_OVERS_IN_A_ROW = 4;
/**
 * After that, one take-over each minute. Two encoders that fight interrupt the viewers once a minute at most; a person who
 * means it waits no longer than that, or stops the other encoder, after which nothing is waited for.
 */
export const TAKE_OVER_INTERVAL_MS = 60_000;

/** Counts the take-overs of one broadcast. Times are those of Clock.monotonicMs(). */
export class TakeOverLimit {
	#left = MAX_TAKE_OVERS_IN_A_ROW;
	#countedAtMs = 0;

	/** How long until the next take-over is allowed; 0 when it is now. */
	waitMs(nowMs: number): number {
		this.#refill(nowMs);
		return this.#left >= 1 ? 0 : (1 - this.#left) * TAKE_OVER_INTERVAL_MS;
	}

	/** One take-over happens. Returns false, and counts nothing, when it is one too many. */
	take(nowMs: number): boolean {
		if (this.waitMs(nowMs) > 0) {
			return false;
		}
		this.#left--;
		return true;
	}

	#refill(nowMs: number): void {
		const gained = (nowMs - this.#countedAtMs) / TAKE_OVER_INTERVAL_MS;
		this.#left = Math.min(MAX_TAKE_OVERS_IN_A_ROW, this.#left + gained);
		this.#countedAtMs = nowMs;
	}
}
