/** The database in a PostgreSQL server, through a pool of `pg` connections. */
import pg from 'pg';
import { withDeadline, type Clock } from '../../../core/lifecycle/clock.ts';
import { CloseScope } from '../../../core/lifecycle/close-scope.ts';
import { SpillwayError, errorMessage } from '../../../core/errors/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import { RateLimitedReport } from '../../../core/limits/rate-limited-report.ts';
import {
	ANSWER_DEADLINE_MS,
	databaseUnavailable,
	toDatabaseError,
	TRANSACTION_DEADLINE_MS,
	WRITE_PROBE,
	type Database,
	type Queryable,
	type SqlValue,
	type TransactionOptions,
} from './database.ts';
import {
	assertCommitted,
	assertParams,
	TransactionGuard,
	TransactionHandle,
	type StatementResult,
} from './transaction-handle.ts';
import { VALUE_PARSERS } from './value-parsers.ts';

/** Connections at most. More do not make a server of this size faster, and PostgreSQL allows 100 in all by default. */
const MAX_CONNECTIONS = 10;
/** Calls that may wait for a connection; more are refused at once, so that a slow database does not fill the memory. */
const MAX_WAITING_CALLS = 500;
/** Longest wait for a connection; leaves time for the statement within {@link ANSWER_DEADLINE_MS}. */
const CONNECT_DEADLINE_MS = 1500;
/** Longest wait for the pool to end while closing. */
const CLOSE_DEADLINE_MS = 5000;

type PgDatabaseOptions = {
	/** `postgres://user:password@host:port/database`. */
	url: string;
	clock: Clock;
	logger: Logger;
};

/** Connects on first use; a lost server is found again by the next call. */
export class PgDatabase implements Database {
	readonly #clock: Clock;
	readonly #pool: pg.Pool;
	readonly #guard = new TransactionGuard();
	readonly #scope: CloseScope<'closed'>;
	readonly #lostConnections: RateLimitedReport;

	constructor(options: PgDatabaseOptions) {
		this.#clock = options.clock;
		this.#scope = new CloseScope(options.logger);
		this.#lostConnections = new RateLimitedReport(options.clock, options.logger, 'a database connection was lost');
		this.#pool = new pg.Pool({
			connectionString: options.url,
			max: MAX_CONNECTIONS,
			connectionTimeoutMillis: CONNECT_DEADLINE_MS,
			idleTimeoutMillis: 30_000,
			keepAlive: true,
			application_name: 'spillway',
			// Dates and bytes come as text, whose form these settings decide. The second timeout frees the locks of a
			// transaction whose process was stopped in the middle.
			options: '-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres -c bytea_output=hex',
			statement_timeout: ANSWER_DEADLINE_MS,
			idle_in_transaction_session_timeout: TRANSACTION_DEADLINE_MS,
			types: {
				getTypeParser: ((typeId: number) => VALUE_PARSERS[typeId] ?? keepText) as typeof pg.types.getTypeParser,
			},
		});
		const onError = (error: Error): void => this.#lostConnections.count({ err: errorMessage(error) });
		// An idle connection that breaks is reported by the pool, a borrowed one by itself; either would end the process.
		this.#pool.on('error', onError);
		this.#pool.on('connect', (client) => client.on('error', onError));
		this.#scope.onClose(async () => {
			await withDeadline(this.#clock, this.#pool.end(), CLOSE_DEADLINE_MS, () => databaseUnavailable());
		});
	}

	async query<Row extends object>(sql: string, params: readonly SqlValue[] = []): Promise<Row[]> {
		return (await this.#runAlone(sql, params)).rows as Row[];
	}

	async runScript(sql: string): Promise<void> {
		await this.#runAlone(sql, undefined);
	}

	async transaction<T>(work: (handle: Queryable) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
		this.#guard.assertOutside();
		const statementDeadlineMs = options.deadlineMs ?? ANSWER_DEADLINE_MS;
		const client = await this.#connect();
		const handle = new TransactionHandle((sql, params) => this.#run(client, sql, params, statementDeadlineMs));
		let brokenBy: Error | undefined;
		try {
			await this.#run(client, 'BEGIN', undefined, ANSWER_DEADLINE_MS);
			if (options.deadlineMs !== undefined) {
				const limits = `SET LOCAL statement_timeout = ${Math.ceil(options.deadlineMs)}`;
				await this.#run(client, limits, undefined, ANSWER_DEADLINE_MS);
			}
			const wholeDeadlineMs = options.deadlineMs ?? TRANSACTION_DEADLINE_MS;
			const result = await this.#guard.runInside(() =>
				withDeadline(this.#clock, work(handle), wholeDeadlineMs, () => databaseUnavailable()),
			);
			await handle.end();
			assertCommitted(await this.#run(client, 'COMMIT', undefined, statementDeadlineMs));
			return result;
		} catch (error) {
			brokenBy = unavailability(error);
			if (brokenBy === undefined) {
				await handle.end();
				await this.#run(client, 'ROLLBACK', undefined, ANSWER_DEADLINE_MS).catch((rollbackError: unknown) => {
					brokenBy = rollbackError as Error;
				});
			}
			throw error;
		} finally {
			void handle.end();
			client.release(brokenBy);
		}
	}

	async checkHealth(): Promise<void> {
		await this.query(WRITE_PROBE);
	}

	close(): Promise<void> {
		return this.#scope.close('closed');
	}

	[Symbol.asyncDispose](): Promise<void> {
		return this.close();
	}

	async #runAlone(sql: string, params: readonly SqlValue[] | undefined): Promise<StatementResult> {
		this.#guard.assertOutside();
		const startedAtMs = this.#clock.monotonicMs();
		const client = await this.#connect();
		const remainingMs = ANSWER_DEADLINE_MS - (this.#clock.monotonicMs() - startedAtMs);
		let brokenBy: Error | undefined;
		try {
			return await this.#run(client, sql, params, remainingMs);
		} catch (error) {
			brokenBy = unavailability(error);
			throw error;
		} finally {
			client.release(brokenBy);
		}
	}

	async #connect(): Promise<pg.PoolClient> {
		if (this.#scope.closed) {
			throw new SpillwayError('SERVER_STOPPING');
		}
		if (this.#pool.waitingCount >= MAX_WAITING_CALLS) {
			throw databaseUnavailable();
		}
		try {
			return await this.#pool.connect();
		} catch (error) {
			// Whatever keeps us from connecting (refused, wrong password, no such database) means: not available.
			this.#lostConnections.count({ err: errorMessage(error) });
			throw databaseUnavailable(error);
		}
	}

	async #run(
		client: pg.PoolClient,
		sql: string,
		params: readonly SqlValue[] | undefined,
		deadlineMs: number,
	): Promise<StatementResult> {
		if (params !== undefined) {
			assertParams(params);
		}
		try {
			const answer = client.query<object>(sql, params as SqlValue[] | undefined);
			const result = await withDeadline(this.#clock, answer, deadlineMs, () => databaseUnavailable());
			// A script gives one result for each of its statements, which nobody asks for.
			return Array.isArray(result) ? { rows: [], command: '' } : { rows: result.rows, command: result.command };
		} catch (error) {
			throw toDatabaseError(error);
		}
	}
}

// A connection that did not answer in time may still answer, and the next statement would take that for its own: such a
// connection must not go back to the pool.
function unavailability(error: unknown): Error | undefined {
	return error instanceof SpillwayError && error.code === 'DATABASE_UNAVAILABLE' ? error : undefined;
}

function keepText(text: string): string {
	return text;
}
