/** The embedded database: PostgreSQL compiled to WebAssembly, in a folder and a thread of its own. One connection. */
import { existsSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { Worker } from 'node:worker_threads';
import { withDeadline, type Clock } from '../../../core/lifecycle/clock.ts';
import { CloseScope } from '../../../core/lifecycle/close-scope.ts';
import { SpillwayError } from '../../../core/errors/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import { lockFolder, type FolderLock } from '../folder/folder-lock.ts';
import {
	ANSWER_DEADLINE_MS,
	databaseUnavailable,
	QueryError,
	toDatabaseError,
	TRANSACTION_DEADLINE_MS,
	WRITE_PROBE,
	type Database,
	type Queryable,
	type SqlValue,
	type TransactionOptions,
} from './database.ts';
import type { PgliteReply, PgliteRequest } from './pglite-thread.ts';
import {
	assertCommitted,
	assertParams,
	TransactionGuard,
	TransactionHandle,
	type StatementResult,
} from './transaction-handle.ts';

/** Longest wait for the database to open; the very first time it writes its catalogue, 3–10 s on two slow cores. */
const OPEN_DEADLINE_MS = 60_000;
/** Longest wait for it to close before its thread is ended, which is as safe as killing the process. */
const CLOSE_DEADLINE_MS = 5000;
/** Calls that may wait for the one connection; more are refused at once. */
const MAX_WAITING_CALLS = 500;
/**
 * How often written changes are taken out of the write-ahead log. Without the server's background processes nobody else
 * does it; the log would grow while we run, and opening after a kill would take as long as replaying it.
 */
const CHECKPOINT_INTERVAL_MS = 300_000;

type PgliteDatabaseOptions = {
	/** Folder of its own; made when missing. The lock file is put beside it, as `<folder>.lock`. */
	folder: string;
	clock: Clock;
	logger: Logger;
};

type Pending = { resolve: (result: StatementResult) => void; reject: (error: unknown) => void };

/**
 * Opens the database in `folder`, making it on first use. Opens as well after the process was killed.
 * Throws DATA_FOLDER_LOCKED when another process has it, DATABASE_UNAVAILABLE when it cannot be opened.
 */
export async function openPgliteDatabase(options: PgliteDatabaseOptions): Promise<Database> {
	const lock = await lockFolder(`${options.folder}.lock`, options);
	try {
		await makeFolder(options);
		const connection = await PgliteConnection.open(options);
		return new PgliteDatabase(options, connection, lock);
	} catch (error) {
		await lock.release();
		throw error;
	}
}

// The first open writes some 900 files. Killed in the middle it leaves a folder that never opens again, so that is done
// under another name, and the name is given when all is there.
async function makeFolder(options: PgliteDatabaseOptions): Promise<void> {
	if (existsSync(options.folder)) {
		return;
	}
	const unfinishedFolder = `${options.folder}.unfinished`;
	await rm(unfinishedFolder, { recursive: true, force: true });
	const connection = await PgliteConnection.open({ ...options, folder: unfinishedFolder });
	await connection.close();
	await rename(unfinishedFolder, options.folder);
}

/** The thread seen from outside: statements go in one after the other, rows come back. */
class PgliteConnection {
	readonly #worker: Worker;
	readonly #clock: Clock;
	readonly #pending = new Map<number, Pending>();
	#lastId = 0;
	#exitError: Error | undefined;

	private constructor(worker: Worker, clock: Clock) {
		this.#worker = worker;
		this.#clock = clock;
		worker.on('message', (reply: PgliteReply) => this.#settle(reply));
		worker.on('error', (error) => this.#fail(error as Error));
		worker.on('exit', () => this.#fail(new Error('The thread of the embedded database has ended.')));
	}

	/** Starts the thread and waits until the database is open. */
	static async open(options: PgliteDatabaseOptions): Promise<PgliteConnection> {
		const worker = new Worker(new URL('./pglite-thread.ts', import.meta.url), {
			workerData: { folder: options.folder },
			// What it prints belongs to PostgreSQL's start and says nothing to an operator.
			stdout: true,
			stderr: true,
			execArgv: [],
		});
		worker.stdout.resume();
		worker.stderr.resume();
		const connection = new PgliteConnection(worker, options.clock);
		const opened = new Promise<StatementResult>((resolve, reject) => connection.#pending.set(-1, { resolve, reject }));
		try {
			await withDeadline(options.clock, opened, OPEN_DEADLINE_MS, () => new Error('It took too long to open.'));
			return connection;
		} catch (error) {
			await worker.terminate();
			options.logger.error({ err: error }, 'the embedded database cannot be opened');
			throw databaseUnavailable(error);
		}
	}

	/** True when the thread has ended, by our wish or not. */
	get isLost(): boolean {
		return this.#exitError !== undefined;
	}

	/** Runs one statement, or a script when `params` is undefined. Resolves or rejects however long it takes. */
	run(sql: string, params: readonly SqlValue[] | undefined): Promise<StatementResult> {
		return this.#send((id) => ({ id, sql, params }));
	}

	async close(): Promise<void> {
		if (!this.isLost) {
			const closed = this.#send((id) => ({ id, close: true }));
			await withDeadline(this.#clock, closed, CLOSE_DEADLINE_MS, () => databaseUnavailable()).catch(() => {
				// It is ended below either way, and opening it again replays its log.
			});
		}
		await this.#worker.terminate();
	}

	#send(makeRequest: (id: number) => PgliteRequest): Promise<StatementResult> {
		return new Promise((resolve, reject) => {
			if (this.#exitError !== undefined) {
				reject(databaseUnavailable(this.#exitError));
				return;
			}
			const id = ++this.#lastId;
			this.#pending.set(id, { resolve, reject });
			this.#worker.postMessage(makeRequest(id));
		});
	}

	#settle(reply: PgliteReply): void {
		const pending = this.#pending.get(reply.id);
		this.#pending.delete(reply.id);
		if ('error' in reply) {
			pending?.reject(toDatabaseError(new QueryError(reply.error.message, reply.error.code, reply.error.constraint)));
		} else {
			pending?.resolve(reply);
		}
	}

	#fail(error: Error): void {
		this.#exitError ??= error;
		for (const pending of this.#pending.values()) {
			pending.reject(databaseUnavailable(error));
		}
		this.#pending.clear();
	}
}

/** Hands the one connection to one call after the other. */
class PgliteDatabase implements Database {
	readonly #options: PgliteDatabaseOptions;
	readonly #guard = new TransactionGuard();
	readonly #scope: CloseScope<'closed'>;
	#connection: PgliteConnection;
	#last: Promise<unknown> = Promise.resolve();
	#waitingCount = 0;
	#hasWrites = false;

	constructor(options: PgliteDatabaseOptions, connection: PgliteConnection, lock: FolderLock) {
		this.#options = options;
		this.#connection = connection;
		this.#scope = new CloseScope(options.logger);
		this.#scope.onClose(() => lock.release());
		this.#scope.onClose(async () => {
			const isIdle = this.#last.catch(() => undefined);
			await withDeadline(options.clock, isIdle, CLOSE_DEADLINE_MS, () => databaseUnavailable()).catch(() => {
				// What still runs is cut off, and rolled back when the database is opened again.
			});
			await this.#connection.close();
		});
		this.#scope.every(options.clock, CHECKPOINT_INTERVAL_MS, () => this.#checkpoint());
	}

	async query<Row extends object>(sql: string, params: readonly SqlValue[] = []): Promise<Row[]> {
		return (await this.#runAlone(sql, params)).rows as Row[];
	}

	async runScript(sql: string): Promise<void> {
		await this.#runAlone(sql, undefined);
	}

	async transaction<T>(work: (handle: Queryable) => Promise<T>, options: TransactionOptions = {}): Promise<T> {
		this.#guard.assertOutside();
		const deadlineMs = options.deadlineMs ?? TRANSACTION_DEADLINE_MS;
		return this.#exclusively(async (connection) => {
			const handle = new TransactionHandle((sql, params) => this.#run(connection, sql, params));
			await connection.run('BEGIN', undefined);
			try {
				const result = await this.#guard.runInside(() =>
					withDeadline(this.#options.clock, work(handle), deadlineMs, () => databaseUnavailable()),
				);
				await handle.end();
				assertCommitted(await connection.run('COMMIT', undefined));
				return result;
			} catch (error) {
				await handle.end();
				// The error that ended the transaction tells more than that of a failed roll-back.
				await connection.run('ROLLBACK', undefined).catch(() => undefined);
				throw error;
			}
		});
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
		const result = this.#exclusively((connection) => this.#run(connection, sql, params));
		return withDeadline(this.#options.clock, result, ANSWER_DEADLINE_MS, () => databaseUnavailable());
	}

	async #run(
		connection: PgliteConnection,
		sql: string,
		params: readonly SqlValue[] | undefined,
	): Promise<StatementResult> {
		if (params !== undefined) {
			assertParams(params);
		}
		const result = await connection.run(sql, params);
		this.#hasWrites ||= result.command !== 'SELECT';
		return result;
	}

	// One call after the other. A call that waited past its deadline is not begun, so that a refused one has no effect.
	#exclusively<T>(work: (connection: PgliteConnection) => Promise<T>): Promise<T> {
		if (this.#scope.closed) {
			return Promise.reject(new SpillwayError('SERVER_STOPPING'));
		}
		if (this.#waitingCount >= MAX_WAITING_CALLS) {
			return Promise.reject(databaseUnavailable());
		}
		const { clock } = this.#options;
		const latestStartMs = clock.monotonicMs() + ANSWER_DEADLINE_MS;
		this.#waitingCount++;
		const result = this.#last.then(async () => {
			this.#waitingCount--;
			if (clock.monotonicMs() > latestStartMs) {
				throw databaseUnavailable();
			}
			return work(await this.#liveConnection());
		});
		this.#last = result.catch(() => undefined);
		return result;
	}

	// The thread ends unasked only when PostgreSQL itself breaks down; opening again replays its log.
	async #liveConnection(): Promise<PgliteConnection> {
		if (this.#connection.isLost && !this.#scope.closed) {
			this.#options.logger.error({}, 'the embedded database broke down and is opened again');
			this.#connection = await PgliteConnection.open(this.#options);
		}
		return this.#connection;
	}

	#checkpoint(): void {
		if (!this.#hasWrites) {
			return;
		}
		this.#hasWrites = false;
		this.#exclusively((connection) => connection.run('CHECKPOINT', undefined)).catch((error: unknown) => {
			this.#options.logger.warn({ err: error }, 'the embedded database could not take a checkpoint');
		});
	}
}
