/** A PostgreSQL server as the database, through a pool of `pg` connections. */
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
	type Database,
	type Queryable,
	type SqlValue,
} from './database.ts';
import { SqlDatabase, type SqlEngine } from './sql-database.ts';
import { TransactionHandle, type StatementResult } from './transaction-handle.ts';
import { VALUE_PARSERS } from './value-parsers.ts';

/** More connections do not make a server of this size faster, and PostgreSQL allows 100 in all by default. */
const MAX_CONNECTIONS = 10;
/** Calls that may wait for a connection; more are rejected, so that a slow database does not fill the memory. */
const MAX_WAITING_CALLS = 500;
/** Longest wait for a connection; leaves time for the statement within {@link ANSWER_DEADLINE_MS}. */
const CONNECT_DEADLINE_MS = 1500;
const CLOSE_DEADLINE_MS = 5000;

type PgDatabaseDependencies = { clock: Clock; logger: Logger };

/** Connects on first use and after a loss on the next call. `url`: `postgres://user:password@host:port/database`. */
export function createPgDatabase(deps: PgDatabaseDependencies, options: { url: string }): Database {
	return new SqlDatabase({ engine: new PgEngine(deps, options), clock: deps.clock });
}

class PgEngine implements SqlEngine {
	readonly #clock: Clock;
	readonly #pool: pg.Pool;
	readonly #scope: CloseScope<'closed'>;
	readonly #lostConnections: RateLimitedReport;

	constructor({ clock, logger }: PgDatabaseDependencies, { url }: { url: string }) {
		this.#clock = clock;
		this.#scope = new CloseScope(logger);
		this.#lostConnections = new RateLimitedReport(clock, logger, 'a database connection was lost');
		this.#pool = new pg.Pool({
			connectionString: url,
			max: MAX_CONNECTIONS,
			connectionTimeoutMillis: CONNECT_DEADLINE_MS,
			idleTimeoutMillis: 30_000,
			keepAlive: true,
			application_name: 'spillway',
			// These settings decide the text form of dates and bytes. The second timeout frees the locks of a transaction
			// whose process was stopped in the middle.
			options: '-c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres -c bytea_output=hex',
			statement_timeout: ANSWER_DEADLINE_MS,
			idle_in_transaction_session_timeout: TRANSACTION_DEADLINE_MS,
			types: {
				getTypeParser: ((typeId: number) => VALUE_PARSERS[typeId] ?? keepText) as typeof pg.types.getTypeParser,
			},
		});
		const onError = (error: Error): void => this.#lostConnections.count({ err: errorMessage(error) });
		// The pool reports errors of idle connections, a borrowed one its own; without listeners either ends the process.
		this.#pool.on('error', onError);
		this.#pool.on('connect', (client) => client.on('error', onError));
		this.#scope.onClose(async () => {
			await withDeadline(this.#clock, this.#pool.end(), CLOSE_DEADLINE_MS, () => databaseUnavailable());
		});
	}

	async run(sql: string, params: readonly SqlValue[] | undefined): Promise<StatementResult> {
		const startedAtMs = this.#clock.monotonicMs();
		const client = await this.#connect();
		const remainingMs = ANSWER_DEADLINE_MS - (this.#clock.monotonicMs() - startedAtMs);
		let brokenBy: Error | undefined;
		try {
			return await this.#runOn(client, sql, params, remainingMs);
		} catch (error) {
			brokenBy = unavailability(error);
			throw error;
		} finally {
			client.release(brokenBy);
		}
	}

	async transaction<T>(work: (handle: Queryable) => Promise<T>, deadlineMs: number | undefined): Promise<T> {
		const statementDeadlineMs = deadlineMs ?? ANSWER_DEADLINE_MS;
		const client = await this.#connect();
		const handle = new TransactionHandle((sql, params) => this.#runOn(client, sql, params, statementDeadlineMs));
		let brokenBy: Error | undefined;
		try {
			await this.#runOn(client, 'BEGIN', undefined, ANSWER_DEADLINE_MS);
			if (deadlineMs !== undefined) {
				const limits = `SET LOCAL statement_timeout = ${Math.ceil(deadlineMs)}`;
				await this.#runOn(client, limits, undefined, ANSWER_DEADLINE_MS);
			}
			const result = await work(handle);
			await handle.end();
			handle.committed(await this.#runOn(client, 'COMMIT', undefined, statementDeadlineMs));
			return result;
		} catch (error) {
			brokenBy = unavailability(error);
			if (brokenBy === undefined) {
				await handle.end();
				await this.#runOn(client, 'ROLLBACK', undefined, ANSWER_DEADLINE_MS).catch((rollbackError: unknown) => {
					brokenBy = rollbackError as Error;
				});
			}
			throw error;
		} finally {
			void handle.end();
			client.release(brokenBy);
		}
	}

	close(): Promise<void> {
		return this.#scope.close('closed');
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
			// Every failure to connect (refused, wrong password, no such database) counts as unavailability.
			this.#lostConnections.count({ err: errorMessage(error) });
			throw databaseUnavailable(error);
		}
	}

	async #runOn(
		client: pg.PoolClient,
		sql: string,
		params: readonly SqlValue[] | undefined,
		deadlineMs: number,
	): Promise<StatementResult> {
		try {
			const answer = client.query<object>(sql, params as SqlValue[] | undefined);
			const result = await withDeadline(this.#clock, answer, deadlineMs, () => databaseUnavailable());
			if (!Array.isArray(result)) {
				return { rows: result.rows, command: result.command };
			}
			// A script gives one result for each of its statements.
			return { rows: (result as { rows: object[] }[]).flatMap(({ rows }) => rows), command: '' };
		} catch (error) {
			throw toDatabaseError(error);
		}
	}
}

// A connection that did not answer in time must not return to the pool: its late answer can reach the next statement.
function unavailability(error: unknown): Error | undefined {
	return error instanceof SpillwayError && error.code === 'DATABASE_UNAVAILABLE' ? error : undefined;
}

function keepText(text: string): string {
	return text;
}
