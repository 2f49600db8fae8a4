/** The part of a database that is the same for every engine, with the guard against its use inside a transaction. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { withDeadline, type Clock } from '../../../core/lifecycle/clock.ts';
import {
	databaseUnavailable,
	TRANSACTION_DEADLINE_MS,
	WRITE_PROBE,
	type Database,
	type Queryable,
	type SqlValue,
	type TransactionOptions,
} from './database.ts';
import { assertParams, type RunStatement, type StatementResult } from './transaction-handle.ts';

/** One kind of database. */
export interface SqlEngine {
	/** Runs one statement outside a transaction, or a script when `params` is undefined. */
	readonly run: RunStatement;
	/** Runs `work` in a transaction. `deadlineMs` replaces the limit of each statement. */
	transaction<T>(work: (handle: Queryable) => Promise<T>, deadlineMs: number | undefined): Promise<T>;
	close(): Promise<void>;
}

export class SqlDatabase implements Database {
	readonly #deps: { engine: SqlEngine; clock: Clock };
	readonly #transactions = new AsyncLocalStorage<{ isOpen: boolean }>();

	constructor(deps: { engine: SqlEngine; clock: Clock }) {
		this.#deps = deps;
	}

	async query<Row extends object>(sql: string, params: readonly SqlValue[] = []): Promise<Row[]> {
		return (await this.#run(sql, params)).rows as Row[];
	}

	async runScript(sql: string): Promise<object[]> {
		return (await this.#run(sql, undefined)).rows;
	}

	// Outside a transaction each statement is committed when it has been answered.
	afterCommit(callback: () => void): void {
		this.#assertOutside();
		callback();
	}

	async transaction<T>(work: (handle: Queryable) => Promise<T>, { deadlineMs }: TransactionOptions = {}): Promise<T> {
		this.#assertOutside();
		const { engine, clock } = this.#deps;
		return engine.transaction(async (handle) => {
			const scope = { isOpen: true };
			const timeoutMs = deadlineMs ?? TRANSACTION_DEADLINE_MS;
			try {
				return await this.#transactions.run(scope, () =>
					withDeadline(clock, work(handle), timeoutMs, () => databaseUnavailable()),
				);
			} finally {
				scope.isOpen = false;
			}
		}, deadlineMs);
	}

	async checkHealth(): Promise<void> {
		await this.query(WRITE_PROBE);
	}

	close(): Promise<void> {
		return this.#deps.engine.close();
	}

	[Symbol.asyncDispose](): Promise<void> {
		return this.close();
	}

	async #run(sql: string, params: readonly SqlValue[] | undefined): Promise<StatementResult> {
		this.#assertOutside();
		assertParams(params);
		return this.#deps.engine.run(sql, params);
	}

	// Work that a transaction started without awaiting may continue after its end.
	#assertOutside(): void {
		if (this.#transactions.getStore()?.isOpen === true) {
			throw new TypeError('Inside a transaction only its handle may be used.');
		}
	}
}
