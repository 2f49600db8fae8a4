/** Tests of the budget and of the load meter on a clock and workers made for it. */
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../../core/testing/recording-logger.ts';
import { maxWhepSessions, sfuBudget, SfuLoadMeter, type SfuLoadSource } from './sfu-budget.ts';

type Load = Awaited<ReturnType<SfuLoadSource['readLoads']>>[number];

/** Workers whose CPU runs with the fake clock. */
class FakeWorkers implements SfuLoadSource {
	readonly cpus: number[];
	pids = [100, 200];
	consumers = 0;
	error: Error | undefined;
	isStuck = false;
	readCount = 0;
	readonly #clock: FakeClock;

	constructor(clock: FakeClock, cpus: number[]) {
		this.#clock = clock;
		this.cpus = cpus;
	}

	async readLoads(): Promise<Load[]> {
		this.readCount++;
		if (this.isStuck) {
			await new Promise(() => {});
		}
		if (this.error !== undefined) {
			throw this.error;
		}
		return this.cpus.map((cpu, index) => ({
			index,
			pid: this.pids[index]!,
			cpuTimeMs: 5000 + cpu * this.#clock.monotonicMs(),
			viewerConsumerCount: this.consumers / this.cpus.length,
			viewerBitrateBps: this.consumers * 1000,
		}));
	}
}

function setUp(
	cpus: number[],
	readCpu?: () => number | undefined,
): { clock: FakeClock; workers: FakeWorkers; meter: SfuLoadMeter } {
	const clock = new FakeClock();
	const workers = new FakeWorkers(clock, cpus);
	const logger = new RecordingLogger();
	const meter = new SfuLoadMeter(workers, 2, { clock, logger, ...(readCpu === undefined ? {} : { readCpu }) });
	return { clock, workers, meter };
}

describe('maxWhepSessions', () => {
	it('leaves those who obey room to move, and bounds the others', () => {
		expect([0, 40, 1000].map((maxConsumers) => maxWhepSessions(maxConsumers))).toEqual([10, 34, 610]);
	});
});

describe('sfuBudget', () => {
	it('allows 500 consumers a worker unless told, and nothing without a worker', () => {
		const limits = { maxConsumers: 0, maxBitrateBps: 0, maxWorkerCpu: 0.85 };
		expect(sfuBudget(limits, 2)).toEqual({ maxConsumers: 1000, maxBitrateBps: Infinity, maxWorkerCpu: 0.85 });
		expect(sfuBudget({ ...limits, maxConsumers: 40, maxBitrateBps: 1e6 }, 2)).toMatchObject({
			maxConsumers: 40,
			maxBitrateBps: 1e6,
		});
		expect(sfuBudget({ ...limits, maxConsumers: 40 }, 0).maxConsumers).toBe(0);
	});
});

describe('SfuLoadMeter', () => {
	it('reads the busiest worker, consumers and bits', async () => {
		const { clock, workers, meter } = setUp([0.2, 0.6]);
		workers.consumers = 40;
		meter.start();
		await clock.advance(10_000);
		expect(meter.reading.load.workerCpu).toBeCloseTo(0.6, 6);
		expect(meter.reading).toMatchObject({ consumers: 40, bitrateBps: 80_000, workerCount: 2 });
		expect(meter.reading.load.consumersMeasured).toBe(40);
		await meter.close();
		expect(clock.pendingCount).toBe(0);
	});

	it('smooths CPU and consumers alike', async () => {
		let cpu = 0;
		const { clock, workers, meter } = setUp([0], () => cpu);
		meter.start();
		await clock.advance(5000);
		cpu = 0.8;
		workers.consumers = 80;
		await clock.advance(2000);
		const { workerCpu, consumersMeasured } = meter.reading.load;
		expect(workerCpu).toBeCloseTo(0.8 * (1 - 0.7 ** 2), 6);
		expect(consumersMeasured! / workerCpu).toBeCloseTo(100, 6);
		await meter.close();
	});

	it('does not take a new process for one that gave CPU time back', async () => {
		const { clock, workers, meter } = setUp([0.5]);
		meter.start();
		await clock.advance(3000);
		workers.pids = [101];
		workers.cpus[0] = 0.1;
		await clock.advance(1000);
		expect(meter.reading.load.workerCpu).toBeCloseTo(0.5, 6);
		await meter.close();
	});

	it('keeps the last reading while reading fails, and asks again after a worker did not answer', async () => {
		const { clock, workers, meter } = setUp([0.5]);
		workers.consumers = 10;
		meter.start();
		await clock.advance(3000);
		workers.error = new Error('channel closed');
		await clock.advance(2000);
		expect(meter.reading.consumers).toBe(10);
		workers.error = undefined;
		workers.isStuck = true;
		await clock.advance(1000);
		const { readCount } = workers;
		await clock.advance(3000);
		expect(workers.readCount).toBe(readCount);
		workers.isStuck = false;
		workers.consumers = 12;
		await clock.advance(3000);
		expect(meter.reading.consumers).toBe(12);
		await meter.close();
	});

	it('tells of no workers when none answers', async () => {
		const { clock, meter } = setUp([]);
		expect(meter.reading.workerCount).toBe(2);
		meter.start();
		await clock.advance(1000);
		expect(meter.reading.workerCount).toBe(0);
		await meter.close();
	});
});
