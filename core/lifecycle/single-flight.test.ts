/** Tests of the single flight. */
import { describe, expect, it } from 'vitest';
import { SingleFlight } from './single-flight.ts';

describe('SingleFlight', () => {
	it('runs the work once for all concurrent callers, and again afterwards', async () => {
		const flight = new SingleFlight<number>();
		let count = 0;
		const work = (): Promise<number> => Promise.resolve(++count);
		const results = await Promise.all([flight.run(work), flight.run(work), flight.run(work)]);
		expect(results).toEqual([1, 1, 1]);
		expect(flight.isRunning).toBe(false);
		expect(await flight.run(work)).toBe(2);
	});

	it('rejects for every caller, and starts again after a failure', async () => {
		const flight = new SingleFlight<number>();
		const failing = (): Promise<number> => Promise.reject(new Error('away'));
		const results = await Promise.allSettled([flight.run(failing), flight.run(failing)]);
		expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected']);
		expect(await flight.run(() => Promise.resolve(3))).toBe(3);
	});
});
