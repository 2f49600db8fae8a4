/** Tests of the limit on take-overs: how many in a row, how many in the long run, and for how long one waits. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MAX_TAKE_OVERS_IN_A_ROW, TAKE_OVER_INTERVAL_MS, TakeOverLimit } from './take-over-limit.ts';

describe('TakeOverLimit', () => {
	it('allows some in a row, whenever that is, and then none', () => {
		const limit = new TakeOverLimit();
		const nowMs = 5_000_000;
		const taken = Array.from({ length: MAX_TAKE_OVERS_IN_A_ROW + 2 }, () => limit.take(nowMs));
		expect(taken.filter(Boolean)).toHaveLength(MAX_TAKE_OVERS_IN_A_ROW);
		expect(taken.at(-1)).toBe(false);
		expect(limit.waitMs(nowMs)).toBe(TAKE_OVER_INTERVAL_MS);
	});

	it('tells how long is left, and allows one then', () => {
		const limit = new TakeOverLimit();
		for (let count = 0; count < MAX_TAKE_OVERS_IN_A_ROW; count++) {
			limit.take(0);
		}
		expect(limit.waitMs(20_000)).toBeCloseTo(TAKE_OVER_INTERVAL_MS - 20_000);
		expect(limit.take(TAKE_OVER_INTERVAL_MS - 1)).toBe(false);
		expect(limit.waitMs(TAKE_OVER_INTERVAL_MS + 1)).toBe(0);
		expect(limit.take(TAKE_OVER_INTERVAL_MS + 1)).toBe(true);
		expect(limit.take(TAKE_OVER_INTERVAL_MS + 2)).toBe(false);
	});

	it('never allows more than some in a row and one each interval, however often it is tried', () => {
		fc.assert(
			fc.property(fc.array(fc.integer({ min: 0, max: 90_000 }), { maxLength: 300 }), (pausesMs) => {
				const limit = new TakeOverLimit();
				const takenAtMs: number[] = [];
				let nowMs = 0;
				for (const pauseMs of pausesMs) {
					nowMs += pauseMs;
					if (limit.take(nowMs)) {
						takenAtMs.push(nowMs);
					}
				}
				takenAtMs.forEach((fromMs, first) =>
					takenAtMs.slice(first).forEach((toMs, index) => {
						const allowed = MAX_TAKE_OVERS_IN_A_ROW + (toMs - fromMs) / TAKE_OVER_INTERVAL_MS;
						expect(index + 1).toBeLessThanOrEqual(allowed + 1e-6);
					}),
				);
			}),
		);
	});
});
