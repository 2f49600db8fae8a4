/** Tests of token buckets: bursts, steady rate, bounds. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../testing/fake-clock.ts';
import { TokenBucket, TokenBuckets } from './token-bucket.ts';

describe('TokenBucket', () => {
	it('allows a burst, then the steady rate, and returns how long to wait', async () => {
		const clock = new FakeClock();
		const bucket = new TokenBucket(clock, { perSecond: 10, burst: 3 });
		expect([bucket.take(), bucket.take(), bucket.take(), bucket.take()]).toEqual([true, true, true, false]);
		expect(bucket.waitMs).toBe(100);
		await clock.advance(100);
		expect([bucket.waitMs, bucket.take(), bucket.take()]).toEqual([0, true, false]);
	});

	it('never gives more than the burst and the rate allow', async () => {
		await fc.assert(
			fc.asyncProperty(
				fc.integer({ min: 1, max: 50 }),
				fc.integer({ min: 1, max: 50 }),
				fc.array(fc.tuple(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 0, max: 20 })), { maxLength: 20 }),
				async (perSecond, burst, steps) => {
					const clock = new FakeClock();
					const bucket = new TokenBucket(clock, { perSecond, burst });
					let takenCount = 0;
					for (const [pauseMs, tries] of steps) {
						await clock.advance(pauseMs);
						for (let round = 0; round < tries; round++) {
							takenCount += bucket.take() ? 1 : 0;
						}
						expect(takenCount).toBeLessThanOrEqual(burst + (perSecond * clock.monotonicMs()) / 1000 + 1e-6);
					}
				},
			),
			{ numRuns: 50 },
		);
	});
});

describe('TokenBuckets', () => {
	it('counts each key alone and evicts the one that was used longest ago', () => {
		const buckets = new TokenBuckets(new FakeClock(), { perSecond: 1, burst: 1 }, 2);
		expect([buckets.take('a'), buckets.take('a'), buckets.take('b')]).toEqual([0, 1000, 0]);
		expect(buckets.take('c')).toBe(0);
		expect(buckets.take('b')).toBe(1000);
		expect(buckets.take('a')).toBe(0);
	});
});
