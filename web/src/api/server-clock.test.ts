/** Clock offsets from exchanges. */
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { ServerClock, bestEstimate, estimateFromExchange, estimateFromSocket, mergeEstimate } from './server-clock.ts';

describe('estimateFromExchange', () => {
	it('assumes the middle of the round trip, with half of it as uncertainty', () => {
		const estimate = estimateFromExchange({ sentAtMs: 100, receivedAtMs: 110, serverMs: 5000 });
		expect(estimate).toEqual({ offsetMs: 4895, uncertaintyMs: 5, measuredAtMs: 110 });
	});
});

describe('bestEstimate', () => {
	const quick = { offsetMs: 1, uncertaintyMs: 1, measuredAtMs: 0 };
	const slow = { offsetMs: 2, uncertaintyMs: 4, measuredAtMs: 10_000 };

	it('prefers the shorter round trip until the clocks may have drifted', () => {
		expect(bestEstimate([slow, quick], 10_000)).toBe(quick);
		expect(bestEstimate([slow, { ...quick, measuredAtMs: -60_000 }], 10_000)).toBe(slow);
		expect(bestEstimate([], 0)).toBeUndefined();
	});
});

describe('ServerClock', () => {
	it('keeps the exchange with the least round trip', async () => {
		const clock = new FakeClock();
		const delaysMs = [40, 6, 20, 30, 50, 25];
		const serverClock = new ServerClock({
			clock,
			fetchTime: async () => {
				const delayMs = delaysMs.shift() ?? 60;
				await new Promise<void>((resolve) => clock.setTimeout(resolve, delayMs));
				// The whole delay is on the way back: the error is half of it.
				return { nowMs: clock.monotonicMs() - delayMs + 1_000_000 };
			},
		});
		expect(serverClock.toServerMs(0)).toBeUndefined();
		serverClock.start();
		await clock.advance(2000);
		expect(serverClock.uncertaintyMs).toBe(3);
		expect(serverClock.toServerMs(0)).toBe(1_000_000 - 3);
		serverClock.stop();
		await clock.advance(120_000);
		expect(clock.pendingCount).toBe(0);
	});

	it('keeps asking when the server does not answer at first', async () => {
		const clock = new FakeClock();
		let count = 0;
		const fetchTime = (): Promise<{ nowMs: number }> =>
			++count <= 6 ? Promise.reject(new Error('away')) : Promise.resolve({ nowMs: 7 });
		const serverClock = new ServerClock({ clock, fetchTime });
		serverClock.start();
		await clock.advance(1000);
		expect(serverClock.uncertaintyMs).toBeUndefined();
		await clock.advance(4000);
		expect(serverClock.uncertaintyMs).toBe(0);
		serverClock.stop();
	});
});

it('subtracts the server’s processing time from the round trip of a socket exchange', () => {
	const exchange = { clientSentMs: 100, clientReceivedMs: 130, serverReceivedMs: 5010, serverSentMs: 5030 };
	expect(estimateFromSocket(exchange)).toEqual({ offsetMs: 4905, uncertaintyMs: 5, measuredAtMs: 130 });
});

it('accepts a clock that was set, however good the old estimate was', () => {
	const kept = { offsetMs: 1000, uncertaintyMs: 0.5, measuredAtMs: 0 };
	const worse = { offsetMs: 1004, uncertaintyMs: 6, measuredAtMs: 1000 };
	const stepped = { offsetMs: 1900, uncertaintyMs: 6, measuredAtMs: 1000 };
	expect(mergeEstimate(kept, worse)).toBe(kept);
	expect(mergeEstimate(kept, stepped)).toBe(stepped);
	expect(mergeEstimate(undefined, worse)).toBe(worse);
});
