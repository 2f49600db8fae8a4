/** The server's interface to a relational database; the embedded one and PostgreSQL pass the same contract tests. */
import { SpillwayError } from '../../../core/errors/errors.ts';

/** A statement parameter. Pass JSON as text, because the two drivers disagree about objects; arrays for `= ANY($1)`. */
export type SqlValue =
	string | number | boolean | bigint | Date | Uint8Array | null | readonly string[] | readonly number[];

/**
 * Both databases return the same types: `bigint` columns as number; `numeric`, `date` and `interval` as text. They
 * return both kinds of timestamp as Date, `bytea` as Uint8Array, `json` parsed. Array columns are not supported.
 */
export interface Queryable {
	/**
	 * Runs one statement and returns its rows. Throws DATABASE_UNAVAILABLE within 2 s when the database does not answer,
	 * and the driver's error with SQLSTATE in `code` when the database rejects the statement.
	 */
	query<Row extends object>(sql: string, params?: readonly SqlValue[]): Promise<Row[]>;
	/** Runs several statements without parameters, and returns the rows of all of them. For migrations. */
	runScript(sql: string): Promise<object[]>;
	/** Calls back once when what was written with the handle is committed, never when it is rolled back. */
	afterCommit(callback: () => void): void;
}

export type TransactionOptions = {
	/** Limit of each statement and of the whole, ms. Default 2 s and 10 s; only migrations need more. */
	deadlineMs?: number;
};

/** A relational database: a subset of PostgreSQL 15. */
export interface Database extends Queryable {
	/**
	 * Runs `work` in one transaction: committed when it resolves, rolled back when it rejects. Inside only the handle may
	 * be used; the database's own methods throw TypeError there, because the embedded one has a single connection and
	 * waits for itself. The handle ends with the transaction.
	 */
	transaction<T>(work: (handle: Queryable) => Promise<T>, options?: TransactionOptions): Promise<T>;
	/** Resolves when the database accepts a write; otherwise throws DATABASE_UNAVAILABLE. For readiness. */
	checkHealth(): Promise<void>;
	/** Waits at most 5 s for running calls. Idempotent. Later calls of the other methods throw SERVER_STOPPING. */
	close(): Promise<void>;
	[Symbol.asyncDispose](): Promise<void>;
}

/** Longest time from a call to DATABASE_UNAVAILABLE, so that publishers and sign-ins get a 503 and no hung page. */
export const ANSWER_DEADLINE_MS = 2000;
export const TRANSACTION_DEADLINE_MS = 10_000;

/** Writes to the write-ahead log and to no table; the commit waits until it is on disk. */
export const WRITE_PROBE = "SELECT pg_logical_emit_message(true, 'spillway', 'readiness')";

/** A database restarts in some seconds. */
const RETRY_AFTER_SECONDS = 5;

export function databaseUnavailable(cause?: unknown): SpillwayError {
	return new SpillwayError('DATABASE_UNAVAILABLE', [], { cause, retryAfterSeconds: RETRY_AFTER_SECONDS });
}

/** The embedded database's error for a rejected statement; the error class of `pg` has the same fields. */
export class QueryError extends Error {
	override readonly name = 'QueryError';
	/** SQLSTATE. */
	readonly code: string;
	/** Name of the violated constraint, if any. */
	readonly constraint: string | undefined;

	constructor(message: string, code: string, constraint: string | undefined) {
		super(message);
		this.code = code;
		this.constraint = constraint;
	}
}

/** True when a row with the same unique value exists; `constraint` narrows it to one constraint or index. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
	const { code, constraint: broken } = (error ?? {}) as { code?: unknown; constraint?: unknown };
	return code === '23505' && (constraint === undefined || broken === constraint);
}

// SQLSTATE classes and codes of unavailability: connection failures, no resources (disk full, out of memory, too many
// connections), shutdown, start-up, timeouts, a read-only stand-by server.
const UNAVAILABLE_SQLSTATE = /^(08...|53...|57P0.|57014|25P03|25006|58030)$/;
// PostgreSQL reports 42501 for a file without write permission (EROFS, EACCES, EPERM) as well as for a table.
const FILE_REFUSED_SQLSTATE = '42501';
const FILE_REFUSED_MESSAGE = /^could not \w+ .*\b(?:file|directory)\b/i;
const UNAVAILABLE_SYSTEM_CODES = new Set([
	'ECONNREFUSED',
	'ECONNRESET',
	'EPIPE',
	'ETIMEDOUT',
	'ENOTFOUND',
	'EAI_AGAIN',
	'EHOSTUNREACH',
	'ENETUNREACH',
	'ENOENT',
	'EADDRNOTAVAIL',
]);
// pg throws these as plain errors without a code.
const UNAVAILABLE_MESSAGE =
	/connection terminated|timeout exceeded when trying to connect|not queryable|query read timeout|connection timeout/i;

/** Maps every error of unavailability to DATABASE_UNAVAILABLE; returns other errors unchanged. */
export function toDatabaseError(error: unknown): unknown {
	if (error instanceof SpillwayError) {
		return error;
	}
	const { code, message } = (error ?? {}) as { code?: unknown; message?: unknown };
	const isUnavailable =
		(typeof code === 'string' && (UNAVAILABLE_SQLSTATE.test(code) || UNAVAILABLE_SYSTEM_CODES.has(code))) ||
		(code === FILE_REFUSED_SQLSTATE && typeof message === 'string' && FILE_REFUSED_MESSAGE.test(message)) ||
		(code === undefined && typeof message === 'string' && UNAVAILABLE_MESSAGE.test(message));
	return isUnavailable ? databaseUnavailable(error) : error;
}
