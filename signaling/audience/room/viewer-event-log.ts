/** What viewers go through, written into the database in batches; while it is away the newest are kept, up to a bound. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { CloseScope } from '../../../core/lifecycle/close-scope.ts';
import { errorMessage } from '../../../core/errors/errors.ts';
import { createId, type ChannelId, type ViewerId } from '../../../core/ids.ts';
import type { Logger } from '../../../core/logger.ts';
import { RateLimitedReport } from '../../../core/limits/rate-limited-report.ts';
import type { Queryable } from '../../platform/database/database.ts';

/** The kinds of event: see the table `viewer_events`. */
export type ViewerEventKind = 'join' | 'tier' | 'switch' | 'stall' | 'latency' | 'leave';

/** One event. */
export type ViewerEvent = {
	viewerId: ViewerId;
	channelId: ChannelId;
	kind: ViewerEventKind;
	payload: Readonly<Record<string, string | number | boolean | null>>;
};

/** Takes events; never throws and never waits. */
export interface ViewerEventSink {
	write(event: ViewerEvent): void;
}

/** Events are written this often. */
const FLUSH_INTERVAL_MS = 1000;
/** Longest pause after the database did not answer. */
const MAX_PAUSE_MS = 30_000;
/** Events in one statement. */
const BATCH_SIZE = 500;
/** Events that wait for the database; the oldest beyond go. */
export const MAX_WAITING_EVENTS = 10_000;
/** Events are kept for this long. */
const RETENTION_MS = 30 * 24 * 60 * 60 * 1000;
const PRUNE_INTERVAL_MS = 60 * 60 * 1000;

type Row = { id: string; viewer_id: string; channel_id: string; kind: string; payload: object; at: string };

/** Writes to `viewer_events`. */
export class ViewerEventLog implements ViewerEventSink {
	readonly #database: Queryable;
	readonly #clock: Clock;
	readonly #logger: Logger;
	readonly #dropped: RateLimitedReport;
	readonly #scope: CloseScope<'closed'>;
	#waiting: Row[] = [];
	#flushing: Promise<void> | undefined;
	#pauseMs = 0;
	#pausedUntilMs = -Infinity;

	constructor(options: { database: Queryable; clock: Clock; logger: Logger }) {
		this.#database = options.database;
		this.#clock = options.clock;
		this.#logger = options.logger;
		this.#dropped = new RateLimitedReport(options.clock, options.logger, 'viewer events were dropped', 10_000);
		this.#scope = new CloseScope(options.logger);
		this.#scope.onClose(() => this.#flush());
		this.#scope.onClose(this.#clock.setInterval(() => void this.#flush(), FLUSH_INTERVAL_MS));
		this.#scope.onClose(this.#clock.setInterval(() => void this.#prune(), PRUNE_INTERVAL_MS));
	}

	/** Events that were never written. */
	get droppedCount(): number {
		return this.#dropped.total;
	}

	write({ viewerId, channelId, kind, payload }: ViewerEvent): void {
		const nowMs = this.#clock.nowMs();
		const at = new Date(nowMs).toISOString();
		this.#waiting.push({ id: createId(nowMs), viewer_id: viewerId, channel_id: channelId, kind, payload, at });
		if (this.#waiting.length > MAX_WAITING_EVENTS) {
			this.#waiting.shift();
			this.#dropped.count({ cause: 'the database is away or too slow' });
		}
	}

	/** Writes what waits, as far as the database lets it within its own deadline. */
	close(): Promise<void> {
		return this.#scope.close('closed');
	}

	#flush(): Promise<void> {
		this.#flushing ??= this.#flushAll().finally(() => (this.#flushing = undefined));
		return this.#flushing;
	}

	async #flushAll(): Promise<void> {
		while (this.#waiting.length > 0 && this.#clock.monotonicMs() >= this.#pausedUntilMs) {
			const batch = this.#waiting.splice(0, BATCH_SIZE);
			try {
				await this.#insert(batch);
				this.#pauseMs = 0;
			} catch (error) {
				this.#keep(batch, error);
				return;
			}
		}
	}

	// A channel may have been deleted meanwhile: its events go with it, and must not take the others along.
	async #insert(batch: readonly Row[]): Promise<void> {
		await this.#database.query(
			`INSERT INTO viewer_events (id, viewer_id, channel_id, kind, payload, at)
			SELECT event.id, event.viewer_id, event.channel_id, event.kind, event.payload, event.at
			FROM jsonb_to_recordset($1::jsonb)
				AS event (id text, viewer_id text, channel_id text, kind text, payload jsonb, at timestamptz)
			JOIN channels ON channels.id = event.channel_id
			ON CONFLICT (id) DO NOTHING`,
			[JSON.stringify(batch)],
		);
	}

	#keep(batch: readonly Row[], error: unknown): void {
		this.#pauseMs = Math.min(MAX_PAUSE_MS, Math.max(FLUSH_INTERVAL_MS, this.#pauseMs * 2));
		this.#pausedUntilMs = this.#clock.monotonicMs() + this.#pauseMs;
		if (this.#pauseMs === FLUSH_INTERVAL_MS) {
			this.#logger.warn({ reason: errorMessage(error) }, 'viewer events cannot be written just now');
		}
		const room = MAX_WAITING_EVENTS - this.#waiting.length;
		const kept = room > 0 ? batch.slice(-room) : [];
		this.#waiting.unshift(...kept);
		for (let index = kept.length; index < batch.length; index++) {
			this.#dropped.count({ cause: 'the database is away or too slow' });
		}
	}

	async #prune(): Promise<void> {
		try {
			const before = new Date(this.#clock.nowMs() - RETENTION_MS);
			await this.#database.query('DELETE FROM viewer_events WHERE at < $1', [before]);
		} catch (error) {
			this.#logger.debug({ reason: errorMessage(error) }, 'old viewer events could not be removed yet');
		}
	}
}
