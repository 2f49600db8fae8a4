/** How many messages one socket may send: a token bucket. */

/** A player sends one a second at most, and a burst when it starts: join, clock samples, the first states. */
export const MESSAGES_PER_SECOND = 10;
/** So many at once. */
export const MESSAGE_BURST = 60;

/** Filled steadily, emptied by each message. */
export class MessageRate {
	readonly #perSecond: number;
	readonly #burst: number;
	#tokens: number;
	#filledAtMs: number;

	/** `nowMs` is the monotonic time. */
	constructor(nowMs: number, perSecond = MESSAGES_PER_SECOND, burst = MESSAGE_BURST) {
		this.#perSecond = perSecond;
		this.#burst = burst;
		this.#tokens = burst;
		this.#filledAtMs = nowMs;
	}

	/** Takes one; false when it is too much. */
	take(nowMs: number): boolean {
		this.#tokens = Math.min(this.#burst, this.#tokens + ((nowMs - this.#filledAtMs) * this.#perSecond) / 1000);
		this.#filledAtMs = nowMs;
		if (this.#tokens < 1) {
			return false;
		}
		this.#tokens--;
		return true;
	}
}
