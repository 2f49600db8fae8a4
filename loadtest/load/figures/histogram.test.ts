/** Tests of the histogram. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { percentile } from '../../../core/percentiles.ts';
import { bucketIndex, bucketValue, Histogram } from './histogram.ts';

const values = fc.double({ min: -1e9, max: 1e9, noNaN: true });

describe('Histogram', () => {
	it('has an error of at most 1 part in 256, or half a unit', () => {
		fc.assert(
			fc.property(values, (value) => {
				const error = Math.abs(bucketValue(bucketIndex(value)) - value);
				expect(error).toBeLessThanOrEqual(Math.abs(value) / 256 + 1 / 16);
			}),
		);
	});

	it('puts larger values into later buckets', () => {
		fc.assert(
			fc.property(values, values, (a, b) => {
				expect(Math.sign(bucketIndex(a) - bucketIndex(b)) * Math.sign(a - b)).toBeGreaterThanOrEqual(0);
			}),
		);
	});

	it('gives the percentiles that exact arithmetic gives', () => {
		const samples = Array.from({ length: 10_000 }, (_, index) => ((index * 7919) % 10_000) / 10);
		const histogram = new Histogram();
		samples.forEach((sample) => histogram.record(sample));
		const wanted = [50, 90, 95, 99, 99.9];
		histogram.percentiles(wanted).forEach((value, index) => {
			expect(Math.abs(value - percentile(samples, wanted[index]!))).toBeLessThan(5);
		});
		expect(histogram.summary()).toMatchObject({ count: 10_000, min: 0, max: 999.9 });
		expect(histogram.summary()!.mean).toBeCloseTo(499.95, 6);
	});

	it('merges into the same figures as counting in one place, for any split', () => {
		fc.assert(
			fc.property(fc.array(fc.array(values, { maxLength: 20 }), { maxLength: 5 }), (parts) => {
				const [whole, merged] = [new Histogram(), new Histogram()];
				for (const part of parts) {
					const child = new Histogram();
					for (const value of part) {
						whole.record(value);
						child.record(value);
					}
					const data = child.take();
					expect(child.take()).toBeUndefined();
					if (data !== undefined) {
						// As between processes.
						merged.merge(JSON.parse(JSON.stringify(data)) as typeof data);
					}
				}
				const [a, b] = [whole.summary(), merged.summary()];
				expect(b === undefined).toBe(a === undefined);
				for (const key of ['count', 'min', 'p50', 'p99', 'max'] as const) {
					// JSON has no −0.
					expect((b?.[key] ?? 0) + 0).toBe((a?.[key] ?? 0) + 0);
				}
			}),
		);
	});

	it('gives no figures without samples, and refuses a value that is no number', () => {
		const histogram = new Histogram();
		expect([histogram.summary(), histogram.take(), histogram.percentiles([50])]).toEqual([undefined, undefined, [NaN]]);
		expect(() => histogram.record(NaN)).toThrow(TypeError);
	});

	it('has a bounded number of buckets', () => {
		const indexes = [0, 1, 1e3, 1e12, 1e300].map(bucketIndex);
		expect(Math.max(...indexes)).toBeLessThan(6000);
		expect(bucketIndex(-1e300)).toBe(-bucketIndex(1e300));
	});
});
