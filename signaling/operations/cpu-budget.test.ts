/** Tests of the budget for work that may wait. */
import { beforeEach, describe, expect, it } from 'vitest';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { CpuBudget, readMachineTimes } from './cpu-budget.ts';

describe('CpuBudget', () => {
	let clock: FakeClock;
	let times: { total: number; idle: number };
	let load: { workerCpu: number; lagMs: number };
	let budget: CpuBudget;

	beforeEach(() => {
		[clock, times, load] = [new FakeClock(), { total: 1e9, idle: 5e8 }, { workerCpu: 0, lagMs: 0 }];
		budget = new CpuBudget({
			clock,
			readTimes: () => ({ ...times }),
			sfu: { load: () => load, budget: () => ({ maxWorkerCpu: 0.8 }) },
			encoderLagMs: () => load.lagMs,
		});
	});

	/** Two cores run for ten seconds. */
	async function pass(busyShare: number): Promise<boolean> {
		await clock.advance(10_000);
		times = { total: times.total + 20_000, idle: times.idle + 20_000 * (1 - busyShare) };
		return budget.isRed();
	}

	it('is green at first, red on a busy machine, and green again well below that', async () => {
		expect(budget.isRed()).toBe(false);
		const shares = [0.1, 0.8, 0.9, 0.8, 0.72, 0.65, 0.8];
		const answers: boolean[] = [];
		for (const share of shares) {
			answers.push(await pass(share));
		}
		expect(answers).toEqual([false, false, true, true, true, false, false]);
	});

	it('keeps its answer when it is asked again at once', async () => {
		expect(await pass(0.95)).toBe(true);
		times = { total: times.total + 10, idle: times.idle + 10 };
		expect(budget.isRed()).toBe(true);
	});

	it.each([
		['an SFU worker is near its limit', { workerCpu: 0.73, lagMs: 0 }],
		['an encoder falls behind', { workerCpu: 0, lagMs: 400 }],
	])('is red when %s, and green when that is over', (_case, busy) => {
		Object.assign(load, busy);
		expect(budget.isRed()).toBe(true);
		Object.assign(load, { workerCpu: 0.5, lagMs: 100 });
		expect(budget.isRed()).toBe(false);
	});

	it('reads the real machine', async () => {
		const real = new CpuBudget({
			readTimes: readMachineTimes,
			clock,
			sfu: { load: () => load, budget: () => ({ maxWorkerCpu: 0.8 }) },
			encoderLagMs: () => 0,
		});
		await clock.advance(10_000);
		expect(typeof real.isRed()).toBe('boolean');
	});
});
