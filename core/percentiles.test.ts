/** Tests of percentiles. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { median, percentile } from './percentiles.ts';

describe('percentile', () => {
	it.each([
		[[1, 2, 3, 4], 50, 2.5],
		[[4, 1, 3, 2], 0, 1],
		[[4, 1, 3, 2], 100, 4],
		[[10, 20], 95, 19.5],
		[[7], 95, 7],
		[[9, 10, 100], 50, 10],
	])('of %j at %d %% is %d', (samples, p, expected) => {
		expect(percentile(samples, p)).toBeCloseTo(expected, 10);
	});

	it('is NaN without samples', () => {
		expect([percentile([], 50), median([])]).toEqual([NaN, NaN]);
	});

	it('does not change the samples, and is between the smallest and the largest', () => {
		const samples = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1 });
		fc.assert(
			fc.property(samples, fc.double({ min: 0, max: 100, noNaN: true }), (values, p) => {
				const copy = [...values];
				const result = percentile(values, p);
				expect(values).toEqual(copy);
				return result >= Math.min(...values) - 1e-6 && result <= Math.max(...values) + 1e-6;
			}),
		);
	});
});
