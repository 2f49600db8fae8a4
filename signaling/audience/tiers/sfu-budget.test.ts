/** Tests of the budget and of the load meter with a fake clock and fake workers. */
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../../core/testing/recording-logger.ts';
import { maxWhepSessions, sfuBudget, SfuLoadMeter, viewerCost, type SfuLoadSource } from './sfu-budget.ts';

type Load = Awaited<ReturnType<SfuLoadSource['readLoads']>>[number];

/** Workers whose CPU time advances with the fake clock. */
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
	const deps = { source: workers, clock, logger: new RecordingLogger(), ...(readCpu === undefined ? {} : { readCpu }) };
	return { clock, workers, meter: new SfuLoadMeter(deps, 2) };
}

describe('maxWhepSessions', () => {
	it('leaves room above the budget for hand-overs, and bounds players without a socket', () => {
		expect([0, 40, 1000].map((maxConsumers) => maxWhepSessions(maxConsumers))).toEqual([10, 34, 610]);
	});
});

describe('sfuBudget', () => {
	it('allows 500 consumers a worker by default, and none without a worker', () => {
		const limits = { maxConsumers: 0, maxBitrateBps: 0, maxWorkerCpu: 0.85 };
		expect(sfuBudget(limits, 2)).toEqual({ maxConsumers: 1000, maxBitrateBps: Infinity, maxWorkerCpu: 0.85 });
		expect(sfuBudget({ ...limits, maxConsumers: 40, maxBitrateBps: 1e6 }, 2)).toMatchObject({
			maxConsumers: 40,
			maxBitrateBps: 1e6,
		});
		expect(sfuBudget({ ...limits, maxConsumers: 40 }, 0).maxConsumers).toBe(0);
	});
});

describe('viewerCost', () => {
	const health = { videoBitrateBps: 2_000_000, audioBitrateBps: 100_000 };
	const layer = { rateBps: 900_000, widthPixels: 640, heightPixels: 360 };

	it('is what the publisher sends; without smaller pictures nothing else', () => {
		expect(viewerCost(health)).toEqual({ consumersPerViewer: 2, bitrateBps: 2_100_000, soundBps: 100_000 });
		expect(viewerCost(health, [{ ...layer, name: 'source', meanBps: 2e6 }])).toEqual(viewerCost(health));
		expect(viewerCost(undefined).bitrateBps).toBe(3_000_000);
	});

	it('is measured for each picture, with the sound; before, it is the ceiling of its encoder', () => {
		const pictures = (rungBps: number | undefined, sourceBps: number | undefined): number[] =>
			viewerCost(health, [
				{ ...layer, name: '360p30', meanBps: rungBps },
				{ ...layer, name: 'source', meanBps: sourceBps },
			]).pictures!.map(({ bitrateBps }) => bitrateBps);
		expect(pictures(600_000, 2_050_000)).toEqual([700_000, 2_150_000]);
		expect(pictures(undefined, undefined)).toEqual([1_000_000, 2_100_000]);
	});

	it('has the size of pictures by their shorter side, also of upright ones', () => {
		const lying = { ...layer, meanBps: undefined };
		const upright = { ...lying, widthPixels: 720, heightPixels: 1280 };
		const { pictures } = viewerCost(health, [
			{ ...lying, name: '360p30' },
			{ ...upright, name: 'source' },
		]);
		expect(pictures!.map(({ shortSidePixels }) => shortSidePixels)).toEqual([360, 720]);
	});

	it('never falls from a picture to a better one', () => {
		const layers = [
			{ ...layer, name: '360p30', meanBps: 800_000 },
			{ ...layer, name: 'source', meanBps: 500_000 },
		] as const;
		expect(viewerCost(health, layers).pictures!.map(({ bitrateBps }) => bitrateBps)).toEqual([900_000, 900_000]);
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

	it('ignores the lower CPU time of a new worker process', async () => {
		const { clock, workers, meter } = setUp([0.5]);
		meter.start();
		await clock.advance(3000);
		workers.pids = [101];
		workers.cpus[0] = 0.1;
		await clock.advance(1000);
		expect(meter.reading.load.workerCpu).toBeCloseTo(0.5, 6);
		await meter.close();
	});

	it('keeps the last reading while reading fails, and reads again after a worker did not answer', async () => {
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

	it('reports no workers when none answers', async () => {
		const { clock, meter } = setUp([]);
		expect(meter.reading.workerCount).toBe(2);
		meter.start();
		await clock.advance(1000);
		expect(meter.reading.workerCount).toBe(0);
		await meter.close();
	});
});
