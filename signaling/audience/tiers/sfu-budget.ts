/** The SFU's budget for its number of workers, and a meter of their real load. */
import { CloseScope } from '../../../core/lifecycle/close-scope.ts';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { errorMessage } from '../../../core/errors/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import { RateLimitedReport } from '../../../core/limits/rate-limited-report.ts';
import { shortSide } from '../../../core/media/rung.ts';
import type { OnAirLayer } from '../../../sfu/stage/stage-layers.ts';
import type { PictureCost } from './held-pictures.ts';
import type { SfuBudget, SfuLoad } from './tier-input.ts';

type SfuBudgetLimits = {
	/** Viewers' Consumers of this node; 0: {@link CONSUMERS_PER_WORKER} for each running worker. */
	maxConsumers: number;
	/** Bits per second towards viewers; 0: no limit. */
	maxBitrateBps: number;
	/** CPU of the busiest worker, 0–1. */
	maxWorkerCpu: number;
};

/** mediasoup's rule of thumb for a worker on one core. The CPU limit applies earlier on slower cores. */
const CONSUMERS_PER_WORKER = 500;
/** Leaves a worker room for key frames and bursts of joins; above it packets leave late. */
export const DEFAULT_MAX_WORKER_CPU = 0.85;
/** Between two readings. Shorter ones measure the scheduler's noise, longer ones notice a crowd too late. */
const LOAD_INTERVAL_MS = 1000;
/** Weight of the newest reading: a step shows to 90 % after some 6 s. The controller allows for the lag. */
const SMOOTHING = 0.3;
/** A worker that is too busy to answer must not stop the meter. */
const READ_TIMEOUT_MS = 5000;

/** Streams of one viewer: picture and sound. */
const CONSUMERS_PER_VIEWER = 2;
/** Sessions beyond the budget: of viewers who are leaving, and of those whose connection was just lost. */
const SPARE_SESSIONS = { ratio: 0.2, count: 10 };

/**
 * Above this many WHEP sessions every newcomer is rejected. Players that follow the controller stay below.
 * @internal for tests
 */
export function maxWhepSessions(maxConsumers: number): number {
	const viewers = maxConsumers / CONSUMERS_PER_VIEWER;
	return Math.ceil(viewers * (1 + SPARE_SESSIONS.ratio)) + SPARE_SESSIONS.count;
}

/** Implemented by `WorkerPool`. @internal for tests */
export interface SfuLoadSource {
	/** CPU time, Consumers and rate of each running worker. */
	readLoads(): Promise<
		readonly {
			index: number;
			pid: number;
			cpuTimeMs: number;
			viewerConsumerCount: number;
			viewerBitrateBps: number;
		}[]
	>;
}

/** The SFU's load, all channels. */
type SfuReading = {
	/** For the controller; smoothed. */
	load: SfuLoad;
	/** Viewers' Consumers at the last reading, players without a socket included. */
	consumers: number;
	/** Bits per second towards viewers at the last reading. */
	bitrateBps: number;
	/** Workers that answered. */
	workerCount: number;
};

/** The budget for a number of running workers; zero without one. @internal for tests */
export function sfuBudget(limits: SfuBudgetLimits, workerCount: number): SfuBudget {
	return {
		maxConsumers: workerCount === 0 ? 0 : limits.maxConsumers || workerCount * CONSUMERS_PER_WORKER,
		maxBitrateBps: limits.maxBitrateBps || Infinity,
		maxWorkerCpu: limits.maxWorkerCpu,
	};
}

/** The cost of one WebRTC viewer of a channel. */
export type ViewerCost = {
	consumersPerViewer: number;
	/** With the source's picture. */
	bitrateBps: number;
	/** Of these, the sound's. */
	soundBps: number;
	/** With each picture that they may get, lowest first, the source last; undefined without smaller ones. */
	pictures?: readonly PictureCost[] | undefined;
};

/** Until a publisher's rate is known. */
const ASSUMED_BITRATE_BPS = 3_000_000;

/** The picture's layers of the channel's stage. */
type MeasuredLayer = Pick<OnAirLayer, 'name' | 'rateBps' | 'meanBps' | 'widthPixels' | 'heightPixels'>;

/** `health`: of the channel's broadcast; undefined without one. `layers`: lowest first, the source last. */
export function viewerCost(
	health: { videoBitrateBps: number; audioBitrateBps: number } | undefined,
	layers: readonly MeasuredLayer[] = [],
): ViewerCost {
	const soundBps = health?.audioBitrateBps ?? 0;
	const bitrateBps = (health?.videoBitrateBps ?? 0) + soundBps || ASSUMED_BITRATE_BPS;
	const cost = { consumersPerViewer: CONSUMERS_PER_VIEWER, bitrateBps, soundBps };
	if (layers.length < 2) {
		return cost;
	}
	let highest = 0;
	const pictures = layers.map(({ name, rateBps, meanBps, ...size }): PictureCost => {
		const own = meanBps === undefined && name === 'source' ? bitrateBps : (meanBps ?? rateBps) + soundBps;
		// A calm scene may make a better picture cheaper than a worse one was.
		highest = Math.max(highest, own);
		return { name, bitrateBps: highest, soundBps, shortSidePixels: shortSide(size) };
	});
	return { ...cost, pictures };
}

export type SfuCapacity = {
	budget(): SfuBudget;
	load(): SfuLoad;
	/** Above this many WHEP sessions a newcomer is rejected. */
	maxSessions(): number;
	close(): Promise<void>;
};

/** Measures at once. `pool`: a `WorkerPool`. */
export function createSfuCapacity(
	pool: SfuLoadSource & { readonly usableCount: number },
	limits: SfuBudgetLimits,
	deps: { clock: Clock; logger: Logger },
): SfuCapacity {
	const meter = new SfuLoadMeter({ ...deps, source: pool }, pool.usableCount);
	meter.start();
	const budget = (): SfuBudget => sfuBudget(limits, pool.usableCount);
	return {
		budget,
		load: () => meter.reading.load,
		maxSessions: () => maxWhepSessions(budget().maxConsumers),
		close: () => meter.close(),
	};
}

type CpuMark = { pid: number; cpuTimeMs: number; atMs: number };

type SfuLoadMeterDependencies = {
	source: SfuLoadSource;
	clock: Clock;
	logger: Logger;
	/** Replaces the measured CPU when it returns a number, for tests and drills. */
	readCpu?: () => number | undefined;
};

/** Reads the workers once a second and smooths the readings. @internal for tests */
export class SfuLoadMeter {
	readonly #deps: SfuLoadMeterDependencies;
	readonly #scope: CloseScope<'server-shutdown'>;
	readonly #failures: RateLimitedReport;
	readonly #marks = new Map<number, CpuMark>();
	#isReading = false;
	#askedAtMs = -Infinity;
	#smoothCpu: number | undefined;
	#smoothConsumers = 0;
	#reading: SfuReading;

	constructor(deps: SfuLoadMeterDependencies, workerCount: number) {
		this.#deps = deps;
		this.#scope = new CloseScope(deps.logger);
		this.#failures = new RateLimitedReport(deps.clock, deps.logger, 'the SFU load was not read', 60_000);
		this.#reading = { load: { workerCpu: 0, consumersMeasured: 0 }, consumers: 0, bitrateBps: 0, workerCount };
	}

	/** The newest reading; an idle SFU before the first. */
	get reading(): SfuReading {
		return this.#reading;
	}

	start(): void {
		this.#scope.every(this.#deps.clock, LOAD_INTERVAL_MS, () => this.#readInTurn());
		this.#readInTurn();
	}

	close(): Promise<void> {
		return this.#scope.close('server-shutdown');
	}

	#readInTurn(): void {
		const nowMs = this.#deps.clock.monotonicMs();
		if (this.#isReading && nowMs - this.#askedAtMs < READ_TIMEOUT_MS) {
			return;
		}
		this.#isReading = true;
		this.#askedAtMs = nowMs;
		this.#deps.source
			.readLoads()
			.then(
				(loads) => {
					// A late answer belongs to an older request.
					if (this.#askedAtMs === nowMs && !this.#scope.closed) {
						this.#record(loads);
					}
				},
				(error: unknown) => this.#failures.count({ reason: errorMessage(error) }),
			)
			.finally(() => {
				if (this.#askedAtMs === nowMs) {
					this.#isReading = false;
				}
			})
			.catch(() => {
				// Both branches above are handled; this satisfies no-floating-promises.
			});
	}

	#record(loads: Awaited<ReturnType<SfuLoadSource['readLoads']>>): void {
		const atMs = this.#deps.clock.monotonicMs();
		let busiest: number | undefined;
		for (const { index, pid, cpuTimeMs } of loads) {
			const mark = this.#marks.get(index);
			this.#marks.set(index, { pid, cpuTimeMs, atMs });
			if (mark?.pid === pid && atMs > mark.atMs) {
				busiest = Math.max(busiest ?? 0, (cpuTimeMs - mark.cpuTimeMs) / (atMs - mark.atMs));
			}
		}
		const cpu = this.#deps.readCpu?.() ?? busiest;
		const consumers = loads.reduce((sum, load) => sum + load.viewerConsumerCount, 0);
		if (cpu !== undefined) {
			const isFirst = this.#smoothCpu === undefined;
			// Both have the same weight, because the controller divides one by the other.
			this.#smoothCpu = isFirst ? cpu : this.#smoothCpu! + SMOOTHING * (cpu - this.#smoothCpu!);
			this.#smoothConsumers += isFirst ? consumers : SMOOTHING * (consumers - this.#smoothConsumers);
		}
		this.#reading = {
			load: { workerCpu: this.#smoothCpu ?? 0, consumersMeasured: this.#smoothConsumers },
			consumers,
			bitrateBps: loads.reduce((sum, load) => sum + load.viewerBitrateBps, 0),
			workerCount: loads.length,
		};
	}
}
