/** Tests of the attempt limiter. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../testing/fake-clock.ts';
import { AttemptLimiter, type Attempt } from './attempt-limiter.ts';

/** Makes wrong attempts one after another. Returns the wait that the last one got, 0 when it was checked. */
function fail(limiter: AttemptLimiter, count: number, key = 'a'): number {
	let waitMs = 0;
	for (let index = 0; index < count; index++) {
		const attempt = limiter.begin(key);
		waitMs = attempt.outcome === 'begun' ? 0 : attempt.waitMs;
		if (attempt.outcome === 'begun') {
			attempt.fail();
		}
	}
	return waitMs;
}

function beginAll(limiter: AttemptLimiter, count: number, key = 'a'): Attempt[] {
	return Array.from({ length: count }, () => limiter.begin(key)).filter((attempt) => attempt.outcome === 'begun');
}

describe('AttemptLimiter', () => {
	it('allows ten failures, then imposes waits that double up to a minute', async () => {
		const clock = new FakeClock();
		const limiter = new AttemptLimiter(clock);
		expect(fail(limiter, 11)).toBe(0);
		const waits: number[] = [];
		for (let round = 0; round < 8; round++) {
			const waitMs = fail(limiter, 1);
			waits.push(waitMs);
			await clock.advance(waitMs);
			expect(fail(limiter, 1)).toBe(0);
		}
		expect(waits).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
	});

	it('counts each key alone', () => {
		const limiter = new AttemptLimiter(new FakeClock());
		expect(fail(limiter, 12)).toBeGreaterThan(0);
		expect(fail(limiter, 1, 'b')).toBe(0);
	});

	it('does not count attempts under way as failures', () => {
		const limiter = new AttemptLimiter(new FakeClock());
		const underWay = beginAll(limiter, 30);
		expect(underWay).toHaveLength(30);
		expect(limiter.begin('a')).toEqual({ outcome: 'busy', waitMs: 1000 });
		for (const attempt of underWay) {
			attempt.end();
		}
		expect(limiter.keyCount).toBe(0);
		expect(fail(limiter, 10)).toBe(0);
	});

	it('checks of a volley of guesses only as many as may be under way, once', async () => {
		const clock = new FakeClock();
		const limiter = new AttemptLimiter(clock);
		for (const attempt of beginAll(limiter, 100)) {
			attempt.fail();
		}
		expect(limiter.begin('a')).toEqual({ outcome: 'failed-before', waitMs: 60_000 });
		await clock.advance(60_000);
		expect(beginAll(limiter, 100)).toHaveLength(1);
	});

	it('keeps earlier failures after a right attempt', async () => {
		const clock = new FakeClock();
		const limiter = new AttemptLimiter(clock);
		fail(limiter, 11);
		await clock.advance(1000);
		beginAll(limiter, 1)[0]!.end();
		expect(fail(limiter, 1)).toBe(0);
		expect(fail(limiter, 1)).toBe(2000);
	});

	it('deletes the failures of a key after 15 minutes', async () => {
		const clock = new FakeClock();
		const limiter = new AttemptLimiter(clock);
		fail(limiter, 11);
		await clock.advance(15 * 60_000);
		expect(fail(limiter, 11)).toBe(0);
	});

	it('keeps a bounded number of keys, and evicts the one with the oldest failure', () => {
		const limiter = new AttemptLimiter(new FakeClock(), { maxKeys: 3 });
		fail(limiter, 11, 'a');
		fail(limiter, 11, 'b');
		fail(limiter, 1, 'c');
		fail(limiter, 1, 'd');
		expect(limiter.keyCount).toBe(3);
		expect(fail(limiter, 1, 'a')).toBe(0);
		expect(fail(limiter, 1, 'b')).toBe(0);
	});

	it('allows few guesses an hour in any order, and any number of right attempts', async () => {
		await fc.assert(
			fc.asyncProperty(
				fc.array(
					fc.record({
						pauseMs: fc.integer({ min: 0, max: 90_000 }),
						begins: fc.integer({ min: 0, max: 50 }),
						finishes: fc.integer({ min: 0, max: 50 }),
					}),
					{ minLength: 1, maxLength: 30 },
				),
				async (steps) => {
					const clock = new FakeClock();
					const [guessed, right] = [new AttemptLimiter(clock), new AttemptLimiter(clock)];
					const underWay: Attempt[] = [];
					let checkedCount = 0;
					for (const { pauseMs, begins, finishes } of steps) {
						await clock.advance(pauseMs);
						const begun = beginAll(guessed, begins);
						checkedCount += begun.length;
						underWay.push(...begun);
						for (const attempt of underWay.splice(0, finishes)) {
							attempt.fail();
							attempt.end();
						}
						// A client that is always right and waits for the answers is never refused.
						for (const attempt of beginAll(right, 30)) {
							attempt.end();
							attempt.fail();
						}
						expect(right.keyCount).toBe(0);
						expect(underWay.length).toBeLessThanOrEqual(30);
					}
					const hours = clock.monotonicMs() / 3_600_000;
					expect(checkedCount).toBeLessThanOrEqual(45 + hours * (60 + 4 * 45));
				},
			),
			{ numRuns: 50 },
		);
	});
});
