/** Writes viewer events to the table `viewer_events` in batches; keeps the newest ones while the database is away. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { retryDelayMs, type RetryPolicy } from '../../../core/lifecycle/back-off.ts';
import { CloseScope } from '../../../core/lifecycle/close-scope.ts';
import { SingleFlight } from '../../../core/lifecycle/single-flight.ts';
import { errorMessage } from '../../../core/errors/errors.ts';
import { createId, type ChannelId, type ViewerId } from '../../../core/ids.ts';
import type { Logger } from '../../../core/logger.ts';
import { RateLimitedReport } from '../../../core/limits/rate-limited-report.ts';
import type { Queryable } from '../../platform/database/database.ts';

/**
 * Kinds of the table `viewer_events`. `tier`: the first decision (tier, reason); `switch`: a later one (from, to,
 * reason).
 */
export type ViewerEventKind = 'join' | 'tier' | 'switch' | 'stall' | 'latency' | 'leave';

/** @internal for tests */
export type ViewerEvent = {
	viewerId: ViewerId;
	channelId: ChannelId;
	kind: ViewerEventKind;
	payload: Readonly<Record<string, string | number | boolean | null>>;
};

/** Never throws and never waits. */
export interface ViewerEventSink {
	write(event: ViewerEvent): void;
}

const FLUSH_INTERVAL_MS = 1000;
const RETRY_POLICY: RetryPolicy = {
	maxAttempts: Infinity,
	firstDelayMs: FLUSH_INTERVAL_MS,
	maxDelayMs: 30_000,
	jitterRatio: 0,
};
/** Events in one statement. */
const BATCH_SIZE = 500;
/** Events that wait for the database; beyond it the oldest are dropped. @internal for tests */
export const MAX_WAITING_EVENTS = 10_000;
const RETENTION_MS = 30 * 24 * 60 * 60 * 1000;
const PRUNE_INTERVAL_MS = 60 * 60 * 1000;

type Row = { id: string; viewer_id: string; channel_id: string; kind: string; payload: object; at: string };

type ViewerEventLogDependencies = { database: Queryable; clock: Clock; logger: Logger };

export class ViewerEventLog implements ViewerEventSink {
	readonly #deps: ViewerEventLogDependencies;
	readonly #dropped: RateLimitedReport;
	readonly #scope: CloseScope<'closed'>;
	#waiting: Row[] = [];
	readonly #flushing = new SingleFlight<void>();
	#failureCount = 0;
	#pausedUntilMs = -Infinity;

	constructor(deps: ViewerEventLogDependencies) {
		const { clock, logger } = deps;
		this.#deps = deps;
		this.#dropped = new RateLimitedReport(clock, logger, 'viewer events were dropped', 10_000);
		this.#scope = new CloseScope(logger);
		this.#scope.onClose(() => this.#flush());
		this.#scope.every(clock, FLUSH_INTERVAL_MS, () => void this.#flush());
		this.#scope.every(clock, PRUNE_INTERVAL_MS, () => void this.#prune());
	}

	/** Events that were never written. */
	get droppedCount(): number {
		return this.#dropped.total;
	}

	write({ viewerId, channelId, kind, payload }: ViewerEvent): void {
		const nowMs = this.#deps.clock.nowMs();
		const at = new Date(nowMs).toISOString();
		this.#waiting.push({ id: createId(nowMs), viewer_id: viewerId, channel_id: channelId, kind, payload, at });
		if (this.#waiting.length > MAX_WAITING_EVENTS) {
			this.#waiting.shift();
			this.#dropped.count({ cause: 'the database is away or too slow' });
		}
	}

	/** Writes the waiting events, as far as the database answers within its own deadline. */
	close(): Promise<void> {
		return this.#scope.close('closed');
	}

	#flush(): Promise<void> {
		return this.#flushing.run(() => this.#flushAll());
	}

	async #flushAll(): Promise<void> {
		while (this.#waiting.length > 0 && this.#deps.clock.monotonicMs() >= this.#pausedUntilMs) {
			const batch = this.#waiting.splice(0, BATCH_SIZE);
			try {
				await this.#insert(batch);
				this.#failureCount = 0;
			} catch (error) {
				this.#requeue(batch, error);
				return;
			}
		}
	}

	// A channel may have been deleted meanwhile: its events are skipped, and must not fail the batch.
	async #insert(batch: readonly Row[]): Promise<void> {
		await this.#deps.database.query(
			`INSERT INTO viewer_events (id, viewer_id, channel_id, kind, payload, at)
			SELECT event.id, event.viewer_id, event.channel_id, event.kind, event.payload, event.at
			FROM jsonb_to_recordset($1::jsonb)
				AS event (id text, viewer_id text, channel_id text, kind text, payload jsonb, at timestamptz)
			JOIN channels ON channels.id = event.channel_id
			ON CONFLICT (id) DO NOTHING`,
			[JSON.stringify(batch)],
		);
	}

	#requeue(batch: readonly Row[], error: unknown): void {
		this.#failureCount++;
		this.#pausedUntilMs = this.#deps.clock.monotonicMs() + retryDelayMs(RETRY_POLICY, this.#failureCount, 0)!;
		if (this.#failureCount === 1) {
			this.#deps.logger.warn({ reason: errorMessage(error) }, 'viewer events cannot be written just now');
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
			const before = new Date(this.#deps.clock.nowMs() - RETENTION_MS);
			await this.#deps.database.query('DELETE FROM viewer_events WHERE at < $1', [before]);
		} catch (error) {
			this.#deps.logger.debug({ reason: errorMessage(error) }, 'old viewer events could not be removed yet');
		}
	}
}
