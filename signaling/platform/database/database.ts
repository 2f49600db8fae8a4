/**
 * What the server asks of a relational database. Embedded and PostgreSQL implement it and pass the same contract tests.
 */
import { SpillwayError } from '../../../core/errors/errors.ts';

/**
 * A parameter of a statement. JSON goes in as text (`JSON.stringify`): the two drivers disagree about objects. An array
 * is for `= ANY($1)`.
 */
export type SqlValue =
	string | number | boolean | bigint | Date | Uint8Array | null | readonly string[] | readonly number[];

/**
 * Runs statements. Both databases return the same types: `bigint` columns as number, `numeric`, `date` and `interval`
 * as text, both kinds of timestamp as Date, `bytea` as Uint8Array, `json` parsed. Array columns are outside the subset.
 */
export interface Queryable {
	/**
	 * Runs one statement and returns its rows; `RETURNING` tells what a write did. Throws DATABASE_UNAVAILABLE within 2 s
	 * when the database does not answer; what the database refuses is thrown as the driver's error with SQLSTATE in
	 * `code`.
	 */
	query<Row extends object>(sql: string, params?: readonly SqlValue[]): Promise<Row[]>;
	/** Runs several statements without parameters. For migrations. */
	runScript(sql: string): Promise<void>;
}

/** How long a transaction may take. */
export type TransactionOptions = {
	/** Limit of each statement and of the whole, ms. Default 2 s and 10 s; only migrations and maintenance need more. */
	deadlineMs?: number;
};

/** A relational database: a subset of PostgreSQL 15. */
export interface Database extends Queryable {
	/**
	 * Runs `work` in one transaction: committed when it resolves, rolled back when it rejects. The handle is the only one
	 * usable inside; the database's own methods throw TypeError there, because the embedded one has a single connection
	 * and would wait for itself. The handle ends with the transaction.
	 */
	transaction<T>(work: (handle: Queryable) => Promise<T>, options?: TransactionOptions): Promise<T>;
	/** Resolves when the database answers and takes a write; else throws DATABASE_UNAVAILABLE. For readiness. */
	checkHealth(): Promise<void>;
	/** Ends what runs, at most 5 s later. Idempotent. Later calls of the other methods throw SERVER_STOPPING. */
	close(): Promise<void>;
	[Symbol.asyncDispose](): Promise<void>;
}

/**
 * Longest time from a call to DATABASE_UNAVAILABLE. New publishers and sign-ins get their 503 that fast, not a hung
 * page.
 */
export const ANSWER_DEADLINE_MS = 2000;
/** Longest time that a transaction may hold its connection. */
export const TRANSACTION_DEADLINE_MS = 10_000;

/**
 * Writes to the log and to no table, so that it leaves nothing behind; the commit waits until it is on disk.
 */
export const WRITE_PROBE = "SELECT pg_logical_emit_message(true, 'spillway', 'readiness')";

/** When trying again makes sense: databases that restart take some seconds. */
const RETRY_AFTER_SECONDS = 5;

/** The one error for "the database does not answer", with its cause. */
export function databaseUnavailable(cause?: unknown): SpillwayError {
	return new SpillwayError('DATABASE_UNAVAILABLE', [], { cause, retryAfterSeconds: RETRY_AFTER_SECONDS });
}

/** A statement that the embedded database refused; PostgreSQL's driver has a class of its own with the same fields. */
export class QueryError extends Error {
	override readonly name = 'QueryError';
	/** SQLSTATE. */
	readonly code: string;
	/** Name of the constraint that was broken, if one was. */
	readonly constraint: string | undefined;

	constructor(message: string, code: string, constraint: string | undefined) {
		super(message);
		this.code = code;
		this.constraint = constraint;
	}
}

/** True when a row with the same unique value exists already; `constraint` narrows it to one constraint or index. */
export function isUniqueViolation(error: unknown, constraint?: string): boolean {
	const { code, constraint: broken } = (error ?? {}) as { code?: unknown; constraint?: unknown };
	return code === '23505' && (constraint === undefined || broken === constraint);
}

// SQLSTATE classes and codes that say "not now": connection failures, no room (disk full, out of memory, too many
// connections), shutdown, start-up, timeouts, a server that takes no writes because it stands by for another.
const UNAVAILABLE_SQLSTATE = /^(08...|53...|57P0.|57014|25P03|25006|58030)$/;
// PostgreSQL says 42501 for a file that it may not write (EROFS, EACCES, EPERM) as well as for a table that its role
// may not.
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

/** DATABASE_UNAVAILABLE for everything that means the database cannot be reached just now; other errors as they are. */
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
