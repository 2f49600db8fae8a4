/** Limits of mediasoup's estimate of a viewer's line, for each layer. Pure. */

/** What the estimate may be, in bits a second. */
export type LineLimits = { minBps: number; maxBps: number };

/** Without a picture: nothing is worth a probe of the line. */
export const SOUND_ALONE_LIMITS: LineLimits = { minBps: 30_000, maxBps: 60_000 };

/**
 * Limits while a viewer is on a layer. `rates`: of the layers on air, lowest first. The least is above the layer's own
 * rate, so that mediasoup never leaves it by itself; and below the next one's, so that it sends less than it may, and
 * therefore probes the line. The most bounds probes and what mediasoup sends to fill them.
 */
export function lineLimits(rates: readonly number[], index: number): LineLimits {
	const rising = risingRates(rates);
	const own = rising[index]!;
	const next = rising[index + 1];
	const top = rising.at(-1)!;
	const afterNext = rising[index + 2];
	const mostBps = Math.min(afterNext === undefined ? Infinity : 1.35 * afterNext, 1.5 * top);
	const leastBps = next === undefined ? 1.02 * own : Math.max(1.05 * own, (index === 0 ? 0.8 : 0.85) * next);
	return { minBps: Math.round(leastBps), maxBps: Math.round(Math.max(mostBps, leastBps * 1.05)) };
}

/** Limits for the moment in which the line's queue drains: the estimate of before is worth nothing. */
export function drainLimits(rates: readonly number[], index: number): LineLimits {
	const { minBps } = lineLimits(rates, 0);
	const own = risingRates(rates)[index]!;
	return { minBps, maxBps: Math.round(Math.max(minBps * 1.08, 1.1 * own)) };
}

/** A calm scene may make a better rung cheaper than a worse one was. */
export function risingRates(rates: readonly number[]): number[] {
	let highest = 0;
	return rates.map((rate) => (highest = Math.max(highest, rate)));
}
