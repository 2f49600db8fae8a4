/** One broadcast in the SFU: its home router with the stage, and routers for viewers elsewhere, reached by pipes. */
import type { Producer, Router } from 'mediasoup/types';
import { Timer } from '../../core/lifecycle/timer.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import type { BroadcastId } from '../../core/ids.ts';
import type { Logger } from '../../core/logger.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import { DEFAULT_PAYLOAD_TYPES, payloadTypesKey, routerMediaCodecs, type PayloadTypes } from '../rtp/media-codecs.ts';
import { Stage, type StageEndReason } from '../stage/stage.ts';
import type { PooledWorker, WorkerPool } from '../workers/worker-pool.ts';

/** A router that serves viewers of one set of payload types on one worker. */
export type ViewerRouter = {
	key: string;
	router: Router;
	pooledWorker: PooledWorker;
	/** The Producer in this router for each Producer of the stage. */
	producers: ReadonlyMap<Producer, Producer>;
	viewerCount: number;
	/** Closes the router when it has had no viewer for a while. */
	idleTimer: Timer;
};

/** @internal for tests */
export type BroadcastRouterEvents = {
	/** The home worker died or it was closed: stage, publishers' and viewers' transports are gone. Once. */
	closed: [reason: StageEndReason];
};

/** A worker serves about 500 Consumers; above this many viewers the next one goes to another worker. */
const MAX_VIEWERS_PER_WORKER = 200;
/** The viewer chooses its payload types, so their combinations need a bound: real browsers make five or six. */
const MAX_VIEWER_ROUTERS = 24;
/** A pipe without viewers is closed after this long; a viewer that reloads finds it open. */
const IDLE_PIPE_MS = 8000;
/** Of a pipe's sockets. What is lost in a pipe to another worker nobody can send again. */
const PIPE_BUFFER_BYTES = 4_000_000;

type PortRange = { min: number; max: number };
type BroadcastRouterDependencies = { pool: WorkerPool; clock: Clock; logger: Logger };

/** Owns the routers of one broadcast. */
export class BroadcastRouter extends TypedEmitter<BroadcastRouterEvents> {
	readonly broadcastId: BroadcastId;
	readonly stage: Stage;
	readonly home: PooledWorker;
	readonly homeRouter: Router;
	readonly #deps: BroadcastRouterDependencies;
	readonly #ports: PortRange;
	readonly #scope: CloseScope<StageEndReason>;
	readonly #viewerRouters = new Map<string, Promise<ViewerRouter>>();

	/** Creates the home router on the least used worker, and its stage. */
	static async create(
		deps: BroadcastRouterDependencies,
		{ broadcastId, ports }: { broadcastId: BroadcastId; ports: PortRange },
	): Promise<BroadcastRouter> {
		const home = await deps.pool.acquire();
		const router = await createRouter(home, DEFAULT_PAYLOAD_TYPES);
		router.observer.once('close', () => home.routerCount--);
		try {
			const options = { payloadTypes: DEFAULT_PAYLOAD_TYPES, ports, cname: broadcastId };
			const stage = await Stage.create({ ...deps, router }, options);
			return new BroadcastRouter(deps, { broadcastId, ports, home, router, stage });
		} catch (error) {
			router.close();
			throw error;
		}
	}

	private constructor(
		deps: BroadcastRouterDependencies,
		own: { broadcastId: BroadcastId; ports: PortRange; home: PooledWorker; router: Router; stage: Stage },
	) {
		super(deps.logger);
		this.#deps = deps;
		this.broadcastId = own.broadcastId;
		this.stage = own.stage;
		this.home = own.home;
		this.homeRouter = own.router;
		this.#ports = own.ports;
		this.#scope = new CloseScope(deps.logger);
		this.#scope.onClose(async (reason) => {
			// First of all, so that viewers learn the reason before their transports close.
			this.emit('closed', reason);
			await this.#closeViewerRouters();
			await this.stage.close(reason);
			this.homeRouter.close();
		});
		this.stage.on('closed', (reason) => void this.#scope.close(reason), { once: true });
	}

	get closed(): boolean {
		return this.#scope.closed;
	}

	/** Viewers over all routers. */
	async viewerCount(): Promise<number> {
		const routers = await Promise.allSettled(this.#viewerRouters.values());
		return routers.reduce((sum, result) => sum + (result.status === 'fulfilled' ? result.value.viewerCount : 0), 0);
	}

	/** Routers behind a pipe, for statistics and tests. */
	get pipedRouterCount(): number {
		return [...this.#viewerRouters.keys()].filter((key) => key !== this.#homeKey()).length;
	}

	/** Counts the viewer until {@link releaseViewerRouter}. `onWorker` forces a worker (tests). */
	async acquireViewerRouter(payloadTypes: PayloadTypes, onWorker?: PooledWorker): Promise<ViewerRouter> {
		const pooledWorker = onWorker ?? (await this.#chooseWorker());
		const key = `${pooledWorker.index}:${payloadTypesKey(payloadTypes)}`;
		let pending = this.#viewerRouters.get(key);
		if (pending === undefined) {
			if (this.#viewerRouters.size >= MAX_VIEWER_ROUTERS) {
				throw new SpillwayError('SFU_UNAVAILABLE', ['too many different kinds of viewers watch this channel']);
			}
			pending = this.#createViewerRouter(key, pooledWorker, payloadTypes);
			this.#viewerRouters.set(key, pending);
			pending.catch(() => this.#viewerRouters.delete(key));
		}
		const viewerRouter = await pending;
		viewerRouter.viewerCount++;
		viewerRouter.idleTimer.disarm();
		return viewerRouter;
	}

	/** The viewer has left; after the last one a piped router is closed. */
	releaseViewerRouter(viewerRouter: ViewerRouter): void {
		viewerRouter.viewerCount--;
		if (viewerRouter.viewerCount === 0 && viewerRouter.router !== this.homeRouter && !this.#scope.closed) {
			viewerRouter.idleTimer.arm(IDLE_PIPE_MS);
		}
	}

	/** Ends the broadcast in the SFU. */
	close(reason: StageEndReason): Promise<void> {
		return this.#scope.close(reason);
	}

	#homeKey(): string {
		return `${this.home.index}:${payloadTypesKey(DEFAULT_PAYLOAD_TYPES)}`;
	}

	async #chooseWorker(): Promise<PooledWorker> {
		const counts = new Map<number, number>();
		for (const result of await Promise.allSettled(this.#viewerRouters.values())) {
			if (result.status === 'fulfilled') {
				const { pooledWorker, viewerCount } = result.value;
				counts.set(pooledWorker.index, (counts.get(pooledWorker.index) ?? 0) + viewerCount);
			}
		}
		if ((counts.get(this.home.index) ?? 0) < MAX_VIEWERS_PER_WORKER) {
			return this.home;
		}
		const viewersOn = ({ index }: PooledWorker): number => counts.get(index) ?? 0;
		const emptiest =
			this.#deps.pool.workers.toSorted((one, other) => viewersOn(one) - viewersOn(other))[0] ?? this.home;
		const isFull = viewersOn(emptiest) >= MAX_VIEWERS_PER_WORKER;
		return (isFull ? await this.#deps.pool.startAnother() : undefined) ?? emptiest;
	}

	async #createViewerRouter(
		key: string,
		pooledWorker: PooledWorker,
		payloadTypes: PayloadTypes,
	): Promise<ViewerRouter> {
		const { clock, logger } = this.#deps;
		const { producers } = this.stage;
		const viewerRouter = (router: Router, ownProducers: ReadonlyMap<Producer, Producer>): ViewerRouter => {
			const idleTimer = new Timer(clock, () => {
				this.#viewerRouters.delete(key);
				router.close();
				logger.info({ viewerRouter: key }, 'pipe closed after its last viewer');
			});
			return { key, router, pooledWorker, producers: ownProducers, viewerCount: 0, idleTimer };
		};
		if (key === this.#homeKey()) {
			return viewerRouter(this.homeRouter, new Map(producers.map((producer) => [producer, producer])));
		}
		const router = await createRouter(pooledWorker, payloadTypes);
		router.observer.once('close', () => {
			pooledWorker.routerCount--;
			// Its worker may have died while the home worker lives: the next viewer gets a new router.
			this.#viewerRouters.delete(key);
		});
		try {
			const piped = new Map<Producer, Producer>();
			for (const producer of producers) {
				piped.set(producer, await this.#pipe(producer, router));
			}
			this.stage.video.primePipe();
			logger.info({ viewerRouter: key }, 'pipe set up for its first viewer');
			return viewerRouter(router, piped);
		} catch (error) {
			router.close();
			throw error;
		}
	}

	async #pipe(producer: Producer, router: Router): Promise<Producer> {
		const { pipeProducer } = await this.homeRouter.pipeToRouter({
			producerId: producer.id,
			router,
			// Two routers of one worker may not have the same id, and payload types make that the usual case.
			keepId: false,
			listenInfo: {
				protocol: 'udp',
				ip: '127.0.0.1',
				portRange: this.#ports,
				sendBufferSize: PIPE_BUFFER_BYTES,
				recvBufferSize: PIPE_BUFFER_BYTES,
			},
		});
		return pipeProducer!;
	}

	async #closeViewerRouters(): Promise<void> {
		for (const result of await Promise.allSettled(this.#viewerRouters.values())) {
			if (result.status === 'fulfilled') {
				result.value.idleTimer.disarm();
				if (result.value.router !== this.homeRouter) {
					result.value.router.close();
				}
			}
		}
		this.#viewerRouters.clear();
	}
}

/** Counted before it exists, so that its worker is not ended as idle meanwhile. */
async function createRouter(pooledWorker: PooledWorker, payloadTypes: PayloadTypes): Promise<Router> {
	pooledWorker.routerCount++;
	try {
		return await pooledWorker.worker.createRouter({ mediaCodecs: routerMediaCodecs(payloadTypes) });
	} catch (error) {
		pooledWorker.routerCount--;
		throw error;
	}
}
