/** Decides how good the pictures of this node's WebRTC viewers may be, so that the budget of bits holds them. */
import { CEILING_STEPS, type PictureCeilings } from './held-pictures.ts';
import { withoutReserve } from './tier-limits.ts';

/** There must be room for better pictures for so long. A viewer notices each change. */
const FIRST_HOLD_MS = 5000;
/** Doubled up to this, whenever better pictures were too much soon. */
const MAX_HOLD_MS = 160_000;
/** Better pictures that lasted so long were no mistake. */
const PROVEN_AFTER_MS = 300_000;

/**
 * Pictures get smaller at once, as soon as the budget is exceeded, and better once they would fill no more than the
 * part of it that viewers fill ({@link withoutReserve}).
 */
export class CeilingControl {
	#step = 0;
	#raisedAtMs = -Infinity;
	#roomSinceMs: number | undefined;
	#holdMs = FIRST_HOLD_MS;

	get ceilings(): PictureCeilings {
		return CEILING_STEPS[this.#step]!;
	}

	/** One run. `bitrateBps`: what all viewers of this node may take under these ceilings. True: they have changed. */
	decide(maxBitrateBps: number, bitrateBps: (ceilings: PictureCeilings) => number, nowMs: number): boolean {
		const before = this.#step;
		const filled = withoutReserve(maxBitrateBps);
		const fitting = (): number => {
			const step = CEILING_STEPS.findIndex((ceilings) => bitrateBps(ceilings) <= filled);
			return step < 0 ? CEILING_STEPS.length - 1 : step;
		};
		if (bitrateBps(this.ceilings) > maxBitrateBps) {
			this.#lower(Math.max(before, fitting()), nowMs);
		} else if (before > 0) {
			this.#raise(Math.min(before, fitting()), nowMs);
		}
		return this.#step !== before;
	}

	#lower(step: number, nowMs: number): void {
		this.#roomSinceMs = undefined;
		if (step === this.#step) {
			return;
		}
		this.#step = step;
		const lastedMs = nowMs - this.#raisedAtMs;
		this.#holdMs = lastedMs < PROVEN_AFTER_MS ? Math.min(MAX_HOLD_MS, this.#holdMs * 2) : FIRST_HOLD_MS;
	}

	#raise(step: number, nowMs: number): void {
		if (step === this.#step) {
			this.#roomSinceMs = undefined;
			return;
		}
		this.#roomSinceMs ??= nowMs;
		if (nowMs - this.#roomSinceMs >= this.#holdMs) {
			this.#step = step;
			this.#raisedAtMs = nowMs;
			this.#roomSinceMs = undefined;
		}
	}
}
