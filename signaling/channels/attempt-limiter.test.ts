/** Tests of the limiter: free failures, growing waits, forgetting, bounds. */
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { addressKey, AttemptLimiter } from './attempt-limiter.ts';

function fail(limiter: AttemptLimiter, count: number, address = '192.0.2.1'): number {
	let waitMs = 0;
	for (let index = 0; index < count; index++) {
		waitMs = limiter.begin(address);
	}
	return waitMs;
}

describe('AttemptLimiter', () => {
	it('lets ten failures pass, then asks for waits that double up to a minute', async () => {
		const clock = new FakeClock();
		const limiter = new AttemptLimiter(clock);
		expect(fail(limiter, 11)).toBe(0);
		const waits: number[] = [];
		for (let round = 0; round < 8; round++) {
			const waitMs = limiter.begin('192.0.2.1');
			waits.push(waitMs);
			await clock.advance(waitMs);
			expect(limiter.begin('192.0.2.1')).toBe(0);
		}
		expect(waits).toEqual([1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
	});

	it('does not hold one address against another', () => {
		const limiter = new AttemptLimiter(new FakeClock());
		expect(fail(limiter, 12)).toBeGreaterThan(0);
		expect(limiter.begin('192.0.2.2')).toBe(0);
	});

	it('counts attempts that are still being checked', () => {
		const limiter = new AttemptLimiter(new FakeClock());
		const waits = Array.from({ length: 100 }, () => limiter.begin('192.0.2.1'));
		expect(waits.filter((waitMs) => waitMs === 0)).toHaveLength(11);
	});

	it('takes back what a success began, and nothing else', async () => {
		const clock = new FakeClock();
		const limiter = new AttemptLimiter(clock);
		for (let round = 0; round < 100; round++) {
			expect(limiter.begin('192.0.2.1')).toBe(0);
			limiter.succeed('192.0.2.1');
		}
		expect(limiter.addressCount).toBe(0);
		fail(limiter, 11);
		await clock.advance(1000);
		expect(limiter.begin('192.0.2.1')).toBe(0);
		limiter.succeed('192.0.2.1');
		expect(limiter.begin('192.0.2.1')).toBe(0);
		expect(limiter.begin('192.0.2.1')).toBe(2000);
	});

	it('forgets an address after a quarter of an hour', async () => {
		const clock = new FakeClock();
		const limiter = new AttemptLimiter(clock);
		fail(limiter, 11);
		await clock.advance(15 * 60_000);
		expect(fail(limiter, 10)).toBe(0);
	});

	it('remembers a bounded number of addresses, forgetting the one that failed longest ago', () => {
		const limiter = new AttemptLimiter(new FakeClock(), 3);
		fail(limiter, 11, 'a');
		fail(limiter, 11, 'b');
		for (const address of ['c', 'd']) {
			limiter.begin(address);
		}
		expect(limiter.addressCount).toBe(3);
		expect(limiter.begin('a')).toBe(0);
	});
});

describe('addressKey', () => {
	it.each([
		['192.0.2.7', '192.0.2.7'],
		['::ffff:192.0.2.7', '192.0.2.7'],
		['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
		['2001:db8:1:2::1', '2001:db8:1:2::/64'],
		['2001:0db8:0001:0002::', '2001:db8:1:2::/64'],
		['::1', '0:0:0:0::/64'],
		['fe80::1%eth0', 'fe80:0:0:0::/64'],
		['not an address', 'not an address'],
	])('takes %s as %s', (address, key) => {
		expect(addressKey(address)).toBe(key);
	});
});
