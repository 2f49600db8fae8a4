/** The embedded database: PostgreSQL compiled to WebAssembly, in a separate thread, with one connection. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { Worker } from 'node:worker_threads';
import { childEnvironment } from '../../../core/config/child-environment.ts';
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
	type Database,
	type Queryable,
	type SqlValue,
} from './database.ts';
import type { PgliteReply, PgliteRequest } from './pglite-thread.ts';
import { SqlDatabase, type SqlEngine } from './sql-database.ts';
import { TransactionHandle, type StatementResult } from './transaction-handle.ts';

/** Longest wait for the database to open; the first time it writes its catalogue, 3–10 s on two slow cores. */
const OPEN_DEADLINE_MS = 60_000;
/** Longest wait for a close before the thread is ended, which is as safe as killing the process. */
const CLOSE_DEADLINE_MS = 5000;
/** Calls that may wait for the connection; more are rejected. */
const MAX_WAITING_CALLS = 500;
/**
 * Interval of checkpoints, which PGlite has no background process for. Without them the write-ahead log grows, and
 * opening after a kill takes as long as replaying it.
 */
const CHECKPOINT_INTERVAL_MS = 300_000;

type PgliteDatabaseDependencies = { clock: Clock; logger: Logger };

type Pending = { resolve: (result: StatementResult) => void; reject: (error: unknown) => void };

/**
 * Opens the database in `folder`, creating it on first use, and after the process was killed. The lock is the file
 * `<folder>.lock`. Throws DATA_FOLDER_LOCKED when another process holds it, DATABASE_UNAVAILABLE when opening fails.
 */
export async function openPgliteDatabase(
	deps: PgliteDatabaseDependencies,
	{ folder }: { folder: string },
): Promise<Database> {
	const lock = await lockFolder(`${folder}.lock`, deps);
	try {
		await createFolder(deps, folder);
		limitCompilation();
		const connection = await PgliteConnection.open(deps, folder);
		return new SqlDatabase({ engine: new PgliteEngine({ ...deps, lock }, folder, connection), clock: deps.clock });
	} catch (error) {
		await lock.release();
		throw error;
	}
}

// The first open writes some 900 files. A process that is killed meanwhile leaves a folder that never opens again, so
// they are written under another name, which is changed at the end. A process of its own writes them, because 130 MB of
// the memory that this takes stay with the process. It may outlive a killed server, so each has its own folder.
async function createFolder({ logger }: PgliteDatabaseDependencies, folder: string): Promise<void> {
	const unfinishedName = `${basename(folder)}.unfinished`;
	for (const name of await readdir(dirname(folder))) {
		if (name.startsWith(unfinishedName)) {
			await rm(join(dirname(folder), name), { recursive: true, force: true, maxRetries: 3 });
		}
	}
	if (existsSync(folder)) {
		return;
	}
	const unfinishedFolder = join(dirname(folder), `${unfinishedName}-${process.pid}`);
	const script = fileURLToPath(new URL('./pglite-create.ts', import.meta.url));
	const options = { env: childEnvironment(process.env), timeout: OPEN_DEADLINE_MS, killSignal: 'SIGKILL' } as const;
	try {
		await promisify(execFile)(process.execPath, [script, unfinishedFolder], options);
	} catch (error) {
		logger.error({ err: error }, 'the embedded database cannot be created');
		throw databaseUnavailable(error);
	}
	await rename(unfinishedFolder, folder);
}

/**
 * PostgreSQL is 9 MB of WebAssembly. Each thread that compiles it at once keeps some 20 MB of the process for good, so
 * one does. It compiles only what runs often: the rest is as quick as it is.
 */
function limitCompilation(): void {
	setFlagsFromString('--wasm-num-compilation-tasks=1');
	setFlagsFromString('--wasm-tiering-budget=200000000');
}

/** The main thread's end of the database thread. */
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
	static async open({ clock, logger }: PgliteDatabaseDependencies, folder: string): Promise<PgliteConnection> {
		const worker = new Worker(new URL('./pglite-thread.ts', import.meta.url), {
			workerData: { folder },
			// PostgreSQL's output at its start is of no use to an operator.
			stdout: true,
			stderr: true,
			execArgv: [],
		});
		worker.stdout.resume();
		worker.stderr.resume();
		const connection = new PgliteConnection(worker, clock);
		const opened = new Promise<StatementResult>((resolve, reject) => connection.#pending.set(-1, { resolve, reject }));
		try {
			await withDeadline(clock, opened, OPEN_DEADLINE_MS, () => new Error('It took too long to open.'));
			return connection;
		} catch (error) {
			await worker.terminate();
			logger.error({ err: error }, 'the embedded database cannot be opened');
			throw databaseUnavailable(error);
		}
	}

	/** True when the thread has ended for any reason. */
	get isLost(): boolean {
		return this.#exitError !== undefined;
	}

	/** Runs one statement, or a script when `params` is undefined. Has no deadline. */
	run(sql: string, params: readonly SqlValue[] | undefined): Promise<StatementResult> {
		return this.#send((id) => ({ id, sql, params }));
	}

	async close(): Promise<void> {
		if (!this.isLost) {
			const closed = this.#send((id) => ({ id, close: true }));
			await withDeadline(this.#clock, closed, CLOSE_DEADLINE_MS, () => databaseUnavailable()).catch(() => {
				// The thread is ended below, and the next open replays the log.
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

/** Runs one call after the other on the connection. */
class PgliteEngine implements SqlEngine {
	readonly #deps: PgliteDatabaseDependencies;
	readonly #folder: string;
	readonly #scope: CloseScope<'closed'>;
	#connection: PgliteConnection;
	#last: Promise<unknown> = Promise.resolve();
	#waitingCount = 0;
	#hasWrites = false;

	constructor(deps: PgliteDatabaseDependencies & { lock: FolderLock }, folder: string, connection: PgliteConnection) {
		this.#deps = deps;
		this.#folder = folder;
		this.#connection = connection;
		this.#scope = new CloseScope(deps.logger);
		this.#scope.onClose(() => deps.lock.release());
		this.#scope.onClose(async () => {
			const isIdle = this.#last.catch(() => undefined);
			await withDeadline(deps.clock, isIdle, CLOSE_DEADLINE_MS, () => databaseUnavailable()).catch(() => {
				// Running calls are cut off, and rolled back at the next open.
			});
			await this.#connection.close();
		});
		this.#scope.every(deps.clock, CHECKPOINT_INTERVAL_MS, () => this.#checkpoint());
	}

	async run(sql: string, params: readonly SqlValue[] | undefined): Promise<StatementResult> {
		const result = this.#exclusively((connection) => this.#runOn(connection, sql, params));
		return withDeadline(this.#deps.clock, result, ANSWER_DEADLINE_MS, () => databaseUnavailable());
	}

	async transaction<T>(work: (handle: Queryable) => Promise<T>): Promise<T> {
		return this.#exclusively(async (connection) => {
			const handle = new TransactionHandle((sql, params) => this.#runOn(connection, sql, params));
			await connection.run('BEGIN', undefined);
			try {
				const result = await work(handle);
				await handle.end();
				handle.committed(await connection.run('COMMIT', undefined));
				return result;
			} catch (error) {
				await handle.end();
				// The error that ended the transaction is more useful than that of a failed roll-back.
				await connection.run('ROLLBACK', undefined).catch(() => undefined);
				throw error;
			}
		});
	}

	close(): Promise<void> {
		return this.#scope.close('closed');
	}

	async #runOn(
		connection: PgliteConnection,
		sql: string,
		params: readonly SqlValue[] | undefined,
	): Promise<StatementResult> {
		const result = await connection.run(sql, params);
		this.#hasWrites ||= result.command !== 'SELECT';
		return result;
	}

	// A call that waited past its deadline is not started, so that a rejected call has no effect.
	#exclusively<T>(work: (connection: PgliteConnection) => Promise<T>): Promise<T> {
		if (this.#scope.closed) {
			return Promise.reject(new SpillwayError('SERVER_STOPPING'));
		}
		if (this.#waitingCount >= MAX_WAITING_CALLS) {
			return Promise.reject(databaseUnavailable());
		}
		const { clock } = this.#deps;
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

	// The thread ends by itself only when PostgreSQL crashes; opening the database again replays its log.
	async #liveConnection(): Promise<PgliteConnection> {
		if (this.#connection.isLost && !this.#scope.closed) {
			this.#deps.logger.error({}, 'the embedded database broke down and is opened again');
			this.#connection = await PgliteConnection.open(this.#deps, this.#folder);
		}
		return this.#connection;
	}

	#checkpoint(): void {
		if (!this.#hasWrites) {
			return;
		}
		this.#hasWrites = false;
		this.#exclusively((connection) => connection.run('CHECKPOINT', undefined)).catch((error: unknown) => {
			this.#deps.logger.warn({ err: error }, 'the embedded database could not take a checkpoint');
		});
	}
}
