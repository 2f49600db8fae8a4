/** Tests of the arrival schedule. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { arrivalTimesMs, dealOut } from './load-run.ts';

describe('arrivalTimesMs', () => {
	it('spreads arrivals evenly over the ramp', () => {
		expect(arrivalTimesMs(4, 2000)).toEqual([0, 500, 1000, 1500]);
		expect(arrivalTimesMs(2, 0)).toEqual([0, 0]);
		expect(arrivalTimesMs(0, 2000)).toEqual([]);
	});
});

describe('dealOut', () => {
	it('gives every viewer to exactly one process, and no process two more than another', () => {
		fc.assert(
			fc.property(fc.nat(500), fc.integer({ min: 1, max: 64 }), (count, processCount) => {
				const hands = dealOut(arrivalTimesMs(count, 10_000), processCount);
				expect(hands.flat().sort((a, b) => a - b)).toEqual(arrivalTimesMs(count, 10_000));
				const sizes = hands.map((hand) => hand.length);
				expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
			}),
		);
	});
});
