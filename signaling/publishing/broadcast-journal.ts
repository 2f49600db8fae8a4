/** Writes broadcasts into the database: start, end and its reason; closes the rows that a killed server left open. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import { SingleFlight } from '../../core/lifecycle/single-flight.ts';
import { Timer } from '../../core/lifecycle/timer.ts';
import { errorMessage } from '../../core/errors/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { BroadcastRegistry } from '../../ingest/broadcast/broadcast-registry.ts';
import type { Broadcast } from '../../ingest/broadcast/broadcast.ts';
import type { Queryable } from '../platform/database/database.ts';

/** Between attempts to write while the database is unavailable. */
const RETRY_MS = 5000;
/** Rows that wait for the database; beyond it the oldest is dropped with a warning. */
const MAX_WAITING = 1000;

type Write = { broadcastId: string; sql: string; params: readonly string[] };
type BroadcastJournalDependencies = {
	database: Queryable;
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
		this.#write(id, sql, [id, channelId, at]);
	}

	#onEnded({ id }: Broadcast, reason: string): void {
		const at = new Date(this.#deps.clock.nowMs()).toISOString();
		const sql = 'UPDATE broadcasts SET ended_at = $2, last_media_at = $2, end_reason = $3 WHERE id = $1';
		this.#write(id, sql, [id, at, reason]);
	}

	#write(broadcastId: string, sql: string, params: readonly string[]): void {
		const { logger } = this.#deps;
		this.#waiting.push({ broadcastId, sql, params });
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
				await this.#deps.database.query(next.sql, next.params);
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
