/** mediasoup Workers, up to one per core, started when there is work. A dead one is replaced on the same port. */
import * as mediasoup from 'mediasoup';
import type { WebRtcServer, Worker } from 'mediasoup/types';
import { withChildEnvironment } from '../../core/config/child-environment.ts';
import { retryDelayMs, type RetryPolicy } from '../../core/lifecycle/back-off.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError, errorMessage } from '../../core/errors/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import { listenAddresses, type SfuConfig } from './sfu-config.ts';
import { WorkerLoadProbe, type WorkerLoad } from './worker-load.ts';

/** One running worker. */
export type PooledWorker = {
	/** Place in the pool; the port is the base port plus this. */
	index: number;
	worker: Worker;
	webRtcServer: WebRtcServer;
	/** UDP and TCP port of the WebRTC server. */
	port: number;
	/** Routers on it, for choosing the least used. */
	routerCount: number;
	/** Monotonic; undefined before it is seen without routers. */
	idleSinceMs: number | undefined;
	loadProbe: WorkerLoadProbe;
};

type WorkerPoolEvents = {
	/** A worker process has ended with everything on it, and is being replaced. */
	workerDied: [index: number, pid: number];
};

/** After a worker died. Starting one takes about 30 ms. */
const RESPAWN_POLICY: RetryPolicy = { maxAttempts: Infinity, firstDelayMs: 50, maxDelayMs: 10_000, jitterRatio: 0 };
/** A worker beyond the first that has had no router for this long is ended; the next start takes 30 ms. */
const IDLE_WORKER_MS = 60_000;
const IDLE_CHECK_INTERVAL_MS = 15_000;
/**
 * Of libwebrtc's estimation of lines, see docs/decisions.md: a line is probed each 2 s while less is sent than it
 * carries, key frames do not end that, and the pacer wakes each 25 ms instead of 5. The first is mediasoup's default.
 */
const FIELD_TRIALS = [
	'WebRTC-Bwe-AlrLimitedBackoff/Enabled/',
	'WebRTC-Bwe-AlrProbing/alr_interval:2s,alr_scale:2/',
	'WebRTC-AlrDetectorParameters/bw_usage:0.9,start:0.1,stop:-2.0/',
	'WebRTC-Pacer-MinPacketLimitMs/25/',
].join('');

export class WorkerPool extends TypedEmitter<WorkerPoolEvents> {
	readonly #deps: { clock: Clock; logger: Logger };
	readonly #config: SfuConfig;
	readonly #scope: CloseScope<'server-shutdown'>;
	readonly #workers = new Map<number, PooledWorker>();
	/** Places in the pool that have a worker, or are getting one. */
	readonly #takenIndices = new Set<number>();
	/** Of them, those whose worker died and is not replaced yet. */
	readonly #deadIndices = new Set<number>();

	/** `config.workerCount`: as many as may run at once. */
	constructor(deps: { clock: Clock; logger: Logger }, config: SfuConfig) {
		super(deps.logger);
		this.#deps = deps;
		this.#config = config;
		this.#scope = new CloseScope(deps.logger);
		this.#scope.onClose(() => this.#closeWorkers());
		this.#scope.every(deps.clock, IDLE_CHECK_INTERVAL_MS, () => this.#endIdleWorkers());
	}

	/** Starts the first worker; rejects when it cannot be started. The others come when there is work for them. */
	async start(): Promise<void> {
		await this.#startNext();
	}

	/** Starts all of them, for tests. */
	async startAll(): Promise<void> {
		while (this.#takenIndices.size < this.#config.workerCount && !this.#scope.closed) {
			await this.#startNext();
		}
	}

	/** Workers that run, and those that could be started. */
	get usableCount(): number {
		return this.#config.workerCount - this.#deadIndices.size;
	}

	/** Ports in use, in the order of the workers. */
	get ports(): number[] {
		return [...this.#workers.values()].map((entry) => entry.port);
	}

	/** Workers that run. */
	get liveCount(): number {
		return this.#workers.size;
	}

	/** Process ids of the workers, for health and for fault tests. */
	get pids(): number[] {
		return [...this.#workers.values()].map((entry) => entry.worker.pid);
	}

	/** The running workers. */
	get workers(): readonly PooledWorker[] {
		return [...this.#workers.values()];
	}

	/** An idle worker, else one that is started, else the least used. Throws SFU_UNAVAILABLE while there is none. */
	async acquire(): Promise<PooledWorker> {
		const isBusy = this.workers.every(({ routerCount }) => routerCount > 0);
		return (isBusy ? await this.startAnother() : undefined) ?? this.leastUsed();
	}

	/** One more worker, unless the limit is reached or it cannot be started. */
	async startAnother(): Promise<PooledWorker | undefined> {
		if (this.#scope.closed || this.#takenIndices.size >= this.#config.workerCount) {
			return undefined;
		}
		try {
			return await this.#startNext();
		} catch (error) {
			this.#deps.logger.error(
				{ reason: errorMessage(error) },
				'another SFU worker could not be started; those that run continue',
			);
			return undefined;
		}
	}

	/** The worker with the fewest routers; throws SFU_UNAVAILABLE while none runs. */
	leastUsed(): PooledWorker {
		const [best] = this.workers.toSorted((one, other) => one.routerCount - other.routerCount);
		if (best === undefined) {
			throw new SpillwayError('SFU_UNAVAILABLE', ['no worker runs'], { retryAfterSeconds: 1 });
		}
		return best;
	}

	/** What each running worker does now; one that dies meanwhile is left out. */
	async readLoads(): Promise<WorkerLoad[]> {
		const readings = await Promise.allSettled(
			this.workers.map(async ({ index, loadProbe }) => ({ index, ...(await loadProbe.read()) })),
		);
		return readings.flatMap((reading) => (reading.status === 'fulfilled' ? [reading.value] : []));
	}

	close(): Promise<void> {
		return this.#scope.close('server-shutdown');
	}

	async #startNext(): Promise<PooledWorker | undefined> {
		let index = 0;
		while (this.#takenIndices.has(index)) {
			index++;
		}
		this.#takenIndices.add(index);
		try {
			return await this.#startWorker(index, this.#config.rtcPort === 0 ? 0 : this.#config.rtcPort + index);
		} catch (error) {
			this.#takenIndices.delete(index);
			throw error;
		}
	}

	async #startWorker(index: number, port: number): Promise<PooledWorker | undefined> {
		// mediasoup passes its whole environment on.
		const worker = await withChildEnvironment(() =>
			withoutSignalListeners(() =>
				mediasoup.createWorker({
					logLevel: 'warn',
					libwebrtcFieldTrials: FIELD_TRIALS,
					...(this.#config.workerBin === undefined ? {} : { workerBin: this.#config.workerBin }),
				}),
			),
		);
		// Before the first router, so that none is missed.
		const loadProbe = new WorkerLoadProbe(worker);
		try {
			const { webRtcServer, port: chosen } = await this.#createWebRtcServer(worker, port);
			if (this.#scope.closed) {
				worker.close();
				return undefined;
			}
			const entry: PooledWorker = {
				index,
				worker,
				webRtcServer,
				port: chosen,
				loadProbe,
				routerCount: 0,
				idleSinceMs: undefined,
			};
			this.#workers.set(index, entry);
			this.#deadIndices.delete(index);
			worker.on('died', (error) => this.#onDied(entry, error));
			this.#deps.logger.info({ index, pid: worker.pid, port: chosen }, 'SFU worker started');
			return entry;
		} catch (error) {
			worker.close();
			throw error;
		}
	}

	// Every address listens on the same port. With port 0 the first one chooses it.
	async #createWebRtcServer(worker: Worker, port: number): Promise<{ webRtcServer: WebRtcServer; port: number }> {
		const addresses = listenAddresses(this.#config.announcedAddresses);
		const attempts = port === 0 ? 20 : 1;
		for (let attempt = 1; ; attempt++) {
			const candidate = port === 0 ? 20_000 + (crypto.getRandomValues(new Uint16Array(1))[0]! % 12_000) : port;
			try {
				const webRtcServer = await worker.createWebRtcServer({
					listenInfos: addresses.flatMap(({ ip, announcedAddress }) =>
						(['udp', 'tcp'] as const).map((protocol) => ({
							protocol,
							ip,
							port: candidate,
							...(announcedAddress === undefined ? {} : { announcedAddress }),
							...(protocol === 'udp' ? { sendBufferSize: 4_000_000, recvBufferSize: 4_000_000 } : {}),
						})),
					),
				});
				return { webRtcServer, port: candidate };
			} catch (error) {
				if (attempt >= attempts) {
					throw new SpillwayError(
						'CONFIG_INVALID',
						[
							`The WebRTC port ${candidate} cannot be used (${errorMessage(error)}). Choose another with SPILLWAY_RTC_PORT.`,
						],
						{ cause: error },
					);
				}
			}
		}
	}

	#onDied(entry: PooledWorker, error: Error): void {
		if (this.#scope.closed) {
			return;
		}
		this.#workers.delete(entry.index);
		this.#deadIndices.add(entry.index);
		this.#deps.logger.error({ index: entry.index, pid: entry.worker.pid, reason: error.message }, 'SFU worker died');
		this.emit('workerDied', entry.index, entry.worker.pid);
		this.#respawn(entry.index, entry.port, 1);
	}

	#respawn(index: number, port: number, attempt: number): void {
		const { clock, logger } = this.#deps;
		this.#scope.after(clock, retryDelayMs(RESPAWN_POLICY, attempt, 0)!, () => {
			this.#startWorker(index, port).catch((error: unknown) => {
				logger.error({ index, reason: errorMessage(error) }, 'an SFU worker could not be replaced');
				this.#respawn(index, port, attempt + 1);
			});
		});
	}

	#endIdleWorkers(): void {
		const nowMs = this.#deps.clock.monotonicMs();
		for (const entry of this.#workers.values()) {
			entry.idleSinceMs = entry.routerCount > 0 ? undefined : (entry.idleSinceMs ?? nowMs);
			const isLongIdle = entry.idleSinceMs !== undefined && nowMs - entry.idleSinceMs >= IDLE_WORKER_MS;
			if (entry.index > 0 && isLongIdle) {
				this.#workers.delete(entry.index);
				this.#takenIndices.delete(entry.index);
				entry.worker.close();
				this.#deps.logger.info({ index: entry.index, pid: entry.worker.pid }, 'SFU worker ended: it had no work');
			}
		}
	}

	#closeWorkers(): void {
		for (const entry of this.#workers.values()) {
			entry.worker.close();
		}
		this.#workers.clear();
	}
}

// mediasoup 3.27.1 closes every worker at SIGINT and SIGTERM, which cuts viewers off before the server is drained. It
// adds these listeners before createWorker() first waits.
function withoutSignalListeners<T>(start: () => T): T {
	const signals = ['SIGINT', 'SIGTERM'] as const;
	const before = new Set(signals.flatMap((signal) => process.rawListeners(signal)));
	const result = start();
	for (const signal of signals) {
		for (const listener of process.rawListeners(signal)) {
			if (!before.has(listener)) {
				process.removeListener(signal, listener as NodeJS.SignalsListener);
			}
		}
	}
	return result;
}
