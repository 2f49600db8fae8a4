/** Assembles the SFU tier: the worker pool and the routers of the broadcasts on it. */
import { availableParallelism } from 'node:os';
import type { Clock } from '../core/lifecycle/clock.ts';
import type { BroadcastId } from '../core/ids.ts';
import type { Logger } from '../core/logger.ts';
import { BroadcastRouter } from './broadcast/broadcast-router.ts';
import type { SfuConfig } from './workers/sfu-config.ts';
import { WorkerPool } from './workers/worker-pool.ts';

/** The SFU tier, for ingest and for the server. */
export interface Sfu {
	readonly pool: WorkerPool;
	/** A router with a stage for a broadcast; throws SFU_UNAVAILABLE while no worker runs. */
	createBroadcastRouter(broadcastId: BroadcastId): Promise<BroadcastRouter>;
	/** Ends the workers and all that lives on them. */
	close(): Promise<void>;
}

/** Starts the workers; rejects when one cannot be started, and says what to do. */
export async function createSfu(parent: { clock: Clock; logger: Logger }, config: SfuConfig): Promise<Sfu> {
	const logger = parent.logger.child({ part: 'sfu' });
	const workerCount = config.workerCount === 0 ? availableParallelism() : config.workerCount;
	const deps = { clock: parent.clock, logger };
	const pool = new WorkerPool(deps, { ...config, workerCount });
	try {
		await pool.start();
	} catch (error) {
		await pool.close();
		throw error;
	}
	const routers = new Set<BroadcastRouter>();
	return {
		pool,
		async createBroadcastRouter(broadcastId) {
			const router = await BroadcastRouter.create(
				{ ...deps, pool, logger: logger.child({ broadcastId }) },
				{ broadcastId, ports: { min: config.plainPortMin, max: config.plainPortMax } },
			);
			routers.add(router);
			router.on('closed', () => routers.delete(router));
			return router;
		},
		async close() {
			await Promise.all([...routers].map((router) => router.close('server-shutdown')));
			await pool.close();
		},
	};
}
