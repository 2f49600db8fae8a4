/** Writes broadcasts into the database: start, end and its reason; closes the rows that a killed server left open. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import { SingleFlight } from '../../core/lifecycle/single-flight.ts';
import { Timer } from '../../core/lifecycle/timer.ts';
import { errorMessage } from '../../core/errors/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { BroadcastRegistry } from '../../ingest/broadcast/broadcast-registry.ts';
import type { Broadcast } from '../../ingest/broadcast/broadcast.ts';
import type { Database } from '../platform/database/database.ts';
import { createId } from '../../core/ids.ts';

/** Between attempts to write while the database is unavailable. */
const RETRY_MS = 5000;
/** Rows that wait for the database; beyond it the oldest is dropped with a warning. */
const MAX_WAITING = 1000;

type Write = { broadcastId: string; run(): Promise<void> };
type BroadcastJournalDependencies = {
	database: Database;
	registry: Pick<BroadcastRegistry, 'on'>;
	clock: Clock;
	logger: Logger;
};

export class BroadcastJournal {
	readonly #deps: BroadcastJournalDependencies;
	readonly #retryTimer: Timer;
	readonly #flushing = new SingleFlight<void>();
	readonly #scope: CloseScope<'closed'>;
	readonly #waiting: Write[] = [];

	constructor(deps: BroadcastJournalDependencies) {
		this.#deps = deps;
		this.#retryTimer = new Timer(deps.clock, () => void this.#flush());
		this.#scope = new CloseScope(deps.logger);
		this.#scope.onClose(() => this.#flush());
		this.#scope.onClose(this.#retryTimer.disarm);
	}

	/** Closes the open rows of a killed server, then listens to the registry. */
	async start(): Promise<void> {
		const { database, registry } = this.#deps;
		await database.query(
			"UPDATE broadcasts SET ended_at = COALESCE(last_media_at, started_at), end_reason = 'server-lost' WHERE ended_at IS NULL",
		);
		this.#scope.onClose(registry.on('broadcastStarted', (broadcast) => this.#onStarted(broadcast)));
		this.#scope.onClose(registry.on('broadcastEnded', (broadcast, reason) => this.#onEnded(broadcast, reason)));
	}

	/** Writes the waiting rows, or gives up when the database does not answer by its own deadline. */
	close(): Promise<void> {
		return this.#scope.close('closed');
	}

	#onStarted({ id, channelId, startedAt }: Broadcast): void {
		const at = new Date(startedAt).toISOString();
		const sql = 'INSERT INTO broadcasts (id, channel_id, started_at) VALUES ($1, $2, $3)';
		this.#write({ id, channelId }, 'channel-live', at, sql, [id, channelId, at]);
	}

	#onEnded({ id, channelId }: Broadcast, reason: string): void {
		const at = new Date(this.#deps.clock.nowMs()).toISOString();
		const sql = 'UPDATE broadcasts SET ended_at = $2, last_media_at = $2, end_reason = $3 WHERE id = $1';
		this.#write({ id, channelId }, 'channel-offline', at, sql, [id, at, reason]);
	}

	/** Adds a row to the outbox in the same transaction. */
	#write(
		{ id, channelId }: Pick<Broadcast, 'id' | 'channelId'>,
		kind: 'channel-live' | 'channel-offline',
		at: string,
		sql: string,
		params: readonly string[],
	): void {
		const { database, clock, logger } = this.#deps;
		const run = (): Promise<void> =>
			database.transaction(async (handle) => {
				await handle.query(sql, params);
				await handle.query('INSERT INTO outbox (id, kind, payload, created_at) VALUES ($1, $2, $3, $4)', [
					createId(clock.nowMs()),
					kind,
					JSON.stringify({ channelId, broadcastId: id }),
					at,
				]);
			});
		this.#waiting.push({ broadcastId: id, run });
		if (this.#waiting.length > MAX_WAITING) {
			const dropped = this.#waiting.shift();
			logger.warn(
				{ broadcastId: dropped?.broadcastId },
				'a broadcast could not be recorded: the database is unavailable for too long',
			);
		}
		void this.#flush();
	}

	#flush(): Promise<void> {
		return this.#flushing.run(() => this.#run());
	}

	async #run(): Promise<void> {
		for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
			try {
				await next.run();
				this.#waiting.shift();
			} catch (error) {
				this.#deps.logger.warn(
					{ broadcastId: next.broadcastId, reason: errorMessage(error) },
					'a broadcast cannot be recorded yet',
				);
				if (!this.#scope.closed) {
					this.#retryTimer.arm(RETRY_MS);
				}
				return;
			}
		}
	}
}
