/** Delays of the retry policy. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RECONNECT_POLICY, retryDelayMs } from './back-off.ts';

describe('retryDelayMs', () => {
	it('doubles up to the maximum when chance is 0', () => {
		const delays = [1, 2, 3, 4, 5, 6, 7, 1000].map((attempt) => retryDelayMs(RECONNECT_POLICY, attempt, 0));
		expect(delays).toEqual([400, 800, 1600, 3200, 6400, 8000, 8000, 8000]);
	});

	it('waits at least as long as the server asks, but no longer than the maximum', () => {
		expect(retryDelayMs(RECONNECT_POLICY, 1, 0.5, 2)).toBe(2000);
		expect(retryDelayMs(RECONNECT_POLICY, 1, 0.5, 3600)).toBe(8000);
	});

	it('gives up after the last attempt', () => {
		const policy = { ...RECONNECT_POLICY, maxAttempts: 2 };
		expect(retryDelayMs(policy, 2, 0)).toBe(800);
		expect(retryDelayMs(policy, 3, 0)).toBeUndefined();
	});

	it('spreads viewers over the second half of the delay', () => {
		fc.assert(
			fc.property(
				fc.integer({ min: 1, max: 1e9 }),
				fc.double({ min: 0, max: 0.999, noNaN: true }),
				(attempt, chance) => {
					const fullMs = retryDelayMs(RECONNECT_POLICY, attempt, 0)!;
					const delayMs = retryDelayMs(RECONNECT_POLICY, attempt, chance)!;
					expect(delayMs).toBeCloseTo(fullMs * (1 - chance / 2), 6);
				},
			),
		);
	});
});
