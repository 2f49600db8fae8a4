/** One mediasoup Worker per core, each with its WebRTC server. A dead one is replaced on the same port. */
import * as mediasoup from 'mediasoup';
import type { WebRtcServer, Worker } from 'mediasoup/types';
import { CloseScope } from '../core/close-scope.ts';
import type { Clock } from '../core/clock.ts';
import { SpillwayError, errorMessage } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { TypedEmitter } from '../core/typed-emitter.ts';
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
	/** What the worker does for viewers. */
	loadProbe: WorkerLoadProbe;
};

/** Events of the pool. */
export type WorkerPoolEvents = {
	/** A worker process is gone with all that lived on it. It is being replaced. */
	workerDied: [index: number, pid: number];
};

/** The first retry after a worker died; doubled up to the longest. Starting one takes about 30 ms. */
const RESPAWN_FIRST_DELAY_MS = 50;
const RESPAWN_MAX_DELAY_MS = 10_000;

/** Owns the worker processes. */
export class WorkerPool extends TypedEmitter<WorkerPoolEvents> {
	readonly #config: SfuConfig;
	readonly #workerCount: number;
	readonly #clock: Clock;
	readonly #logger: Logger;
	readonly #scope: CloseScope<'server-shutdown'>;
	readonly #workers = new Map<number, PooledWorker>();

	constructor(config: SfuConfig, workerCount: number, dependencies: { clock: Clock; logger: Logger }) {
		super(dependencies.logger);
		this.#config = config;
		this.#workerCount = workerCount;
		this.#clock = dependencies.clock;
		this.#logger = dependencies.logger;
		this.#scope = new CloseScope(dependencies.logger);
		this.#scope.onClose(() => this.#closeWorkers());
	}

	/** Starts all workers; rejects when one cannot be started. */
	async start(): Promise<void> {
		for (let index = 0; index < this.#workerCount; index++) {
			const port = this.#config.rtcPort === 0 ? 0 : this.#config.rtcPort + index;
			await this.#startWorker(index, port);
		}
	}

	/** Ports in use, in the order of the workers. */
	get ports(): number[] {
		return [...this.#workers.values()].map((entry) => entry.port);
	}

	/** How many of the workers run. */
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

	/** The worker with the fewest routers; throws SFU_UNAVAILABLE while none runs. */
	leastUsed(): PooledWorker {
		let best: PooledWorker | undefined;
		for (const entry of this.#workers.values()) {
			if (best === undefined || entry.routerCount < best.routerCount) {
				best = entry;
			}
		}
		if (best === undefined) {
			throw new SpillwayError('SFU_UNAVAILABLE', ['no worker runs'], { retryAfterSeconds: 1 });
		}
		return best;
	}

	/** What each running worker does now; one that dies while it is asked is left out. */
	async readLoads(): Promise<WorkerLoad[]> {
		const readings = await Promise.allSettled(
			this.workers.map(async ({ index, loadProbe }) => ({ index, ...(await loadProbe.read()) })),
		);
		return readings.flatMap((reading) => (reading.status === 'fulfilled' ? [reading.value] : []));
	}

	/** Ends the workers. */
	close(): Promise<void> {
		return this.#scope.close('server-shutdown');
	}

	async #startWorker(index: number, port: number): Promise<void> {
		const worker = await mediasoup.createWorker({
			logLevel: 'warn',
			...(this.#config.workerBin === undefined ? {} : { workerBin: this.#config.workerBin }),
		});
		// Before the first router, so that none is missed.
		const loadProbe = new WorkerLoadProbe(worker);
		try {
			const { webRtcServer, port: chosen } = await this.#createWebRtcServer(worker, port);
			if (this.#scope.closed) {
				worker.close();
				return;
			}
			const entry: PooledWorker = { index, worker, webRtcServer, port: chosen, routerCount: 0, loadProbe };
			this.#workers.set(index, entry);
			worker.on('died', (error) => this.#onDied(entry, error));
			this.#logger.info({ index, pid: worker.pid, port: chosen }, 'SFU worker started');
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
					throw new Error(
						`The WebRTC port ${candidate} cannot be used (${errorMessage(error)}). Choose another with SPILLWAY_RTC_PORT.`,
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
		this.#logger.error({ index: entry.index, pid: entry.worker.pid, reason: error.message }, 'SFU worker died');
		this.emit('workerDied', entry.index, entry.worker.pid);
		void this.#respawn(entry.index, entry.port, RESPAWN_FIRST_DELAY_MS);
	}

	#respawn(index: number, port: number, delayMs: number): void {
		const cancel = this.#clock.setTimeout(() => {
			unregister();
			if (this.#scope.closed) {
				return;
			}
			this.#startWorker(index, port).catch((error: unknown) => {
				this.#logger.error({ index, reason: errorMessage(error) }, 'an SFU worker could not be replaced');
				this.#respawn(index, port, Math.min(delayMs * 2, RESPAWN_MAX_DELAY_MS));
			});
		}, delayMs);
		const unregister = this.#scope.onClose(() => cancel());
	}

	#closeWorkers(): void {
		for (const entry of this.#workers.values()) {
			entry.worker.close();
		}
		this.#workers.clear();
	}
}
