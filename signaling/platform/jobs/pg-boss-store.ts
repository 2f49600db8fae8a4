/** The jobs in the database, by pg-boss. What its interface has no answer for is a statement of ours on its table. */
import { randomUUID } from 'node:crypto';
import { PgBoss, type Clock as PgBossClock, type CommandResponse } from 'pg-boss';
import type { CancelTimer, Clock } from '../../../core/lifecycle/clock.ts';
import { errorMessage } from '../../../core/errors/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import type { Database, Queryable } from '../database/database.ts';
import type { ClaimedJob, JobStore } from './job-runner.ts';
import type { AddJobOptions, JobCount } from './jobs.ts';
import { adaptDatabase, adaptHandle } from './pg-boss-database.ts';

/** The limits that a job carries; see `JobKind`. */
export type StoredKind = {
	name: string;
	retryLimit: number;
	retryDelaySeconds: number;
	maxRetryDelaySeconds: number;
	expireSeconds: number;
};

const NO_JOB = '00000000-0000-0000-0000-000000000000';
const DAY_SECONDS = 86_400;
/** The first start writes pg-boss's whole schema in one script, and a new version may rewrite its tables. */
const START_DEADLINE_MS = 120_000;
/** When several nodes make the schema at once, PostgreSQL rejects it for all but one, in spite of pg-boss's lock. */
const START_ATTEMPTS = 3;
/** Ended jobs stay for this long: failed ones to be seen, periodic ones so that they are not repeated. */
const KEEP_ENDED_SECONDS = 14 * DAY_SECONDS;
/** pg-boss deletes a job that has waited for this long. Ours wait until they are done. */
const KEEP_WAITING_SECONDS = 3650 * DAY_SECONDS;

type PgBossStoreDependencies = { database: Database; clock: Clock; logger: Logger };
type PgBossStoreOptions = {
	/** Name of the schema that pg-boss keeps its tables in. */
	schema: string;
	leaseSeconds: number;
};

export class PgBossStore implements JobStore {
	readonly #deps: PgBossStoreDependencies;
	readonly #options: PgBossStoreOptions;
	readonly #boss: PgBoss;
	#isStarting = false;

	constructor(deps: PgBossStoreDependencies, options: PgBossStoreOptions) {
		this.#deps = deps;
		this.#options = options;
		this.#boss = new PgBoss({
			db: adaptDatabase(deps.database, () => (this.#isStarting ? { deadlineMs: START_DEADLINE_MS } : {})),
			schema: options.schema,
			clock: adaptClock(deps.clock),
			// Its own periodic statements cost more than ours: the runner calls supervise() when there is something to do.
			supervise: false,
			schedule: false,
			monitorIntervalSeconds: 1,
			// For tables of millions of rows.
			registerInstance: false,
			reindex: false,
			monitorVacuum: false,
			// The kinds do not change while the server runs.
			queueCacheIntervalSeconds: DAY_SECONDS / 24,
			bamIntervalSeconds: DAY_SECONDS / 24,
		});
		this.#boss.on('error', (error) => deps.logger.warn({ reason: errorMessage(error) }, 'pg-boss reports an error'));
	}

	/** Brings pg-boss's schema up to date and makes a queue for each kind. */
	async start(kinds: readonly StoredKind[]): Promise<void> {
		this.#isStarting = true;
		try {
			await this.#boss.start({ attempts: START_ATTEMPTS });
		} finally {
			this.#isStarting = false;
		}
		const known = new Set((await this.#boss.getQueues()).map(({ name }) => name));
		for (const { name } of kinds) {
			if (!known.has(name)) {
				// "short": no second job with the same singleton key waits for its first attempt.
				await this.#boss.createQueue(name, { policy: 'short' });
			}
			// pg-boss reads a queue when it first uses it, which it must not do inside a caller's transaction.
			await this.#boss.findJobs(name, { id: NO_JOB });
		}
	}

	/** Returns false when the singleton key kept the job out. */
	async add(handle: Queryable, kind: StoredKind, data: object, options: AddJobOptions): Promise<boolean> {
		const { startAfter, singletonKey = randomUUID() } = options;
		return this.#send(handle, kind, data, { singletonKey, ...(startAfter === undefined ? {} : { startAfter }) });
	}

	/** Adds the kind's job of this interval, unless another node or an earlier start did. */
	async addPeriodic(kind: StoredKind, intervalSeconds: number): Promise<boolean> {
		const slot = { singletonKey: 'periodic', singletonSeconds: intervalSeconds };
		return this.#send(this.#deps.database, kind, {}, slot);
	}

	async #send(
		handle: Queryable,
		kind: StoredKind,
		data: object,
		options: { singletonKey: string; singletonSeconds?: number; startAfter?: Date },
	): Promise<boolean> {
		const { leaseSeconds } = this.#options;
		const id = await this.#boss.send(kind.name, data, {
			...options,
			db: adaptHandle(handle),
			retryLimit: kind.retryLimit,
			retryDelay: kind.retryDelaySeconds,
			retryDelayMax: kind.maxRetryDelaySeconds,
			retryBackoff: true,
			// The runner ends an attempt that takes too long; this is for the one whose node cannot.
			expireInSeconds: kind.expireSeconds + leaseSeconds,
			heartbeatSeconds: leaseSeconds,
			deleteAfterSeconds: KEEP_ENDED_SECONDS,
			retentionSeconds: KEEP_WAITING_SECONDS,
		});
		return id !== null;
	}

	async peek(): Promise<{ dueInMs: ReadonlyMap<string, number>; hasLost: boolean }> {
		const rows = await this.#deps.database.query<{ name: string; due_in_ms: number | null; has_lost: boolean }>(
			`SELECT name,
				(EXTRACT(EPOCH FROM min(start_after) FILTER (WHERE state < 'active') - now()) * 1000)::float8 AS due_in_ms,
				bool_or(state = 'active' AND (heartbeat_on + heartbeat_seconds * interval '1s' < now()
					OR started_on + expire_seconds * interval '1s' < now())) AS has_lost
			FROM ${this.#table}
			WHERE state <= 'active'
			GROUP BY name`,
		);
		const waiting = rows.flatMap(({ name, due_in_ms: dueMs }) => (dueMs === null ? [] : [[name, dueMs] as const]));
		return { dueInMs: new Map(waiting), hasLost: rows.some(({ has_lost: hasLost }) => hasLost) };
	}

	async claim(kind: string, limit: number): Promise<ClaimedJob[]> {
		const jobs = await this.#boss.fetch<unknown>(kind, { batchSize: limit, includeMetadata: true });
		return jobs.map(({ id, data, retryCount, retryLimit }) => ({
			id,
			kind,
			data,
			attempt: retryCount + 1,
			isLast: retryCount >= retryLimit,
		}));
	}

	async complete(job: ClaimedJob): Promise<boolean> {
		return hasAffected(await this.#boss.complete(job.kind, attemptOf(job)));
	}

	async fail(job: ClaimedJob, message: string): Promise<boolean> {
		return hasAffected(await this.#boss.fail(job.kind, attemptOf(job), { message }));
	}

	async renew(job: ClaimedJob): Promise<boolean> {
		return hasAffected(await this.#boss.touch(job.kind, attemptOf(job)));
	}

	async release({ id, kind }: ClaimedJob): Promise<void> {
		// Without a start, pg-boss does not count this attempt.
		await this.#deps.database.query(
			`UPDATE ${this.#table} SET state = 'retry', started_on = NULL, heartbeat_on = NULL, start_after = now()
			WHERE name = $1 AND id = $2 AND state = 'active'`,
			[kind, id],
		);
	}

	async recover(): Promise<void> {
		await this.#boss.supervise();
	}

	async counts(): Promise<JobCount[]> {
		return this.#deps.database.query<JobCount>(
			`SELECT name AS kind,
				count(*) FILTER (WHERE state < 'active') AS waiting,
				count(*) FILTER (WHERE state = 'active') AS active,
				count(*) FILTER (WHERE state = 'failed') AS failed
			FROM ${this.#table}
			WHERE state <= 'active' OR state = 'failed'
			GROUP BY name`,
		);
	}

	async close(): Promise<void> {
		await this.#boss.stop({ graceful: false, close: false });
	}

	get #table(): string {
		return `${this.#options.schema}.job`;
	}
}

// With the attempt, pg-boss leaves the job alone when another node has it meanwhile.
function attemptOf({ id, attempt }: ClaimedJob): { id: string; retryCount: number } {
	return { id, retryCount: attempt - 1 };
}

/** Not in pg-boss's types. */
function hasAffected(response: CommandResponse): boolean {
	return (response as { affected: number }).affected > 0;
}

/** pg-boss's own timers would keep the process alive. */
function adaptClock(clock: Clock): PgBossClock {
	const cancel = (timer: unknown): void => (timer as CancelTimer | undefined)?.();
	return {
		now: () => clock.nowMs(),
		setTimeout: (callback, delayMs) => clock.setTimeout(callback, delayMs),
		clearTimeout: cancel,
		setInterval: (callback, intervalMs) => clock.setInterval(callback, intervalMs),
		clearInterval: cancel,
	};
}
