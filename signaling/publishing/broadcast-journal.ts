/** Writes broadcasts into the database: when they began, when and why they ended, and what a killed server left open. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { errorMessage } from '../../core/errors/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { BroadcastRegistry } from '../../ingest/broadcast/broadcast-registry.ts';
import type { Broadcast } from '../../ingest/broadcast/broadcast.ts';
import type { Database } from '../platform/database/database.ts';
import { createId } from '../../core/ids.ts';

/** An end that could not be written is tried again this often, until the database is back. */
const RETRY_MS = 5000;
/** Rows waiting for the database; the oldest is dropped with a warning. */
const MAX_WAITING = 1000;

type Write = { broadcastId: string; run(): Promise<void> };

/** Listens to the registry. */
export class BroadcastJournal {
	readonly #database: Database;
	readonly #registry: Pick<BroadcastRegistry, 'on'>;
	readonly #clock: Clock;
	readonly #logger: Logger;
	#waiting: Write[] = [];
	#flushing: Promise<void> | undefined;
	#cancelRetry: (() => void) | undefined;
	readonly #stopListening: (() => void)[] = [];

	constructor(dependencies: {
		database: Database;
		registry: Pick<BroadcastRegistry, 'on'>;
		clock: Clock;
		logger: Logger;
	}) {
		this.#database = dependencies.database;
		this.#registry = dependencies.registry;
		this.#clock = dependencies.clock;
		this.#logger = dependencies.logger;
	}

	/** Closes rows that a killed server left open, then listens. */
	async start(): Promise<void> {
		await this.#database.query(
			"UPDATE broadcasts SET ended_at = COALESCE(last_media_at, started_at), end_reason = 'server-lost' WHERE ended_at IS NULL",
		);
		this.#stopListening.push(
			this.#registry.on('broadcastStarted', (broadcast) => this.#onStarted(broadcast)),
			this.#registry.on('broadcastEnded', (broadcast, reason) => this.#onEnded(broadcast, reason)),
		);
	}

	/** Writes what waits, as far as the database lets it within its own deadline. */
	async close(): Promise<void> {
		for (const stop of this.#stopListening) {
			stop();
		}
		this.#cancelRetry?.();
		await this.#flush();
	}

	#onStarted(broadcast: Broadcast): void {
		const startedAt = new Date(broadcast.startedAt).toISOString();
		this.#write(broadcast.id, async () => {
			await this.#database.transaction(async (handle) => {
				await handle.query('INSERT INTO broadcasts (id, channel_id, started_at) VALUES ($1, $2, $3)', [
					broadcast.id,
					broadcast.channelId,
					startedAt,
				]);
				await handle.query('INSERT INTO outbox (id, kind, payload, created_at) VALUES ($1, $2, $3, $4)', [
					createId(this.#clock.nowMs()),
					'channel-live',
					JSON.stringify({ channelId: broadcast.channelId, broadcastId: broadcast.id }),
					startedAt,
				]);
			});
		});
	}

	#onEnded(broadcast: Broadcast, reason: string): void {
		const endedAt = new Date(this.#clock.nowMs()).toISOString();
		this.#write(broadcast.id, async () => {
			await this.#database.transaction(async (handle) => {
				await handle.query('UPDATE broadcasts SET ended_at = $2, last_media_at = $2, end_reason = $3 WHERE id = $1', [
					broadcast.id,
					endedAt,
					reason,
				]);
				await handle.query('INSERT INTO outbox (id, kind, payload, created_at) VALUES ($1, $2, $3, $4)', [
					createId(this.#clock.nowMs()),
					'channel-offline',
					JSON.stringify({ channelId: broadcast.channelId, broadcastId: broadcast.id }),
					endedAt,
				]);
			});
		});
	}

	#write(broadcastId: string, run: () => Promise<void>): void {
		this.#waiting.push({ broadcastId, run });
		if (this.#waiting.length > MAX_WAITING) {
			const dropped = this.#waiting.shift();
			this.#logger.warn(
				{ broadcastId: dropped?.broadcastId },
				'a broadcast could not be written down: the database is away too long',
			);
		}
		void this.#flush();
	}

	#flush(): Promise<void> {
		this.#flushing ??= this.#run().finally(() => (this.#flushing = undefined));
		return this.#flushing;
	}

	async #run(): Promise<void> {
		for (let next = this.#waiting[0]; next !== undefined; next = this.#waiting[0]) {
			try {
				await next.run();
				this.#waiting.shift();
			} catch (error) {
				this.#logger.warn(
					{ broadcastId: next.broadcastId, reason: errorMessage(error) },
					'a broadcast cannot be written down yet',
				);
				this.#cancelRetry?.();
				this.#cancelRetry = this.#clock.setTimeout(() => void this.#flush(), RETRY_MS);
				return;
			}
		}
	}
}
