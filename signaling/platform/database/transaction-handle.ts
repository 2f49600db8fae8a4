/**
 * What both databases share about transactions: the handle that ends, and the guard against using the database inside.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import type { Queryable, SqlValue } from './database.ts';

/** Rows of one statement and its command tag without counts, such as `SELECT`. */
export type StatementResult = { rows: object[]; command: string };

/** Runs one statement, or a script when `params` is undefined. */
type RunStatement = (sql: string, params: readonly SqlValue[] | undefined) => Promise<StatementResult>;

/** Knows whether the caller runs inside a transaction of this database. */
export class TransactionGuard {
	readonly #storage = new AsyncLocalStorage<{ isOpen: boolean }>();

	/**
	 * Throws TypeError inside a transaction that is still open. Work that it started and left behind may go on after it.
	 */
	assertOutside(): void {
		if (this.#storage.getStore()?.isOpen === true) {
			throw new TypeError('Inside a transaction only its handle may be used.');
		}
	}

	/** Runs `work` as the inside of a transaction. */
	async runInside<T>(work: () => Promise<T>): Promise<T> {
		const scope = { isOpen: true };
		try {
			return await this.#storage.run(scope, work);
		} finally {
			scope.isOpen = false;
		}
	}
}

/**
 * The handle inside a transaction. Statements run one after the other, also when the caller does not wait in between.
 */
export class TransactionHandle implements Queryable {
	readonly #run: RunStatement;
	#last: Promise<unknown> = Promise.resolve();
	#isEnded = false;

	constructor(run: RunStatement) {
		this.#run = run;
	}

	async query<Row extends object>(sql: string, params: readonly SqlValue[] = []): Promise<Row[]> {
		return (await this.#enqueue(sql, params)).rows as Row[];
	}

	async runScript(sql: string): Promise<void> {
		await this.#enqueue(sql, undefined);
	}

	/** No further statement is taken; resolves when those that were taken are through. */
	async end(): Promise<void> {
		this.#isEnded = true;
		await this.#last;
	}

	#enqueue(sql: string, params: readonly SqlValue[] | undefined): Promise<StatementResult> {
		if (this.#isEnded) {
			return Promise.reject(new TypeError('The transaction has ended; its handle cannot be used any more.'));
		}
		const result = this.#last.then(() => this.#run(sql, params));
		// The caller hears of a failure through `result`; the queue only needs to know that it is over.
		this.#last = result.catch(() => undefined);
		return result;
	}
}

/** Throws when COMMIT was answered by ROLLBACK, which happens when `work` swallowed the error of a statement. */
export function assertCommitted(result: StatementResult): void {
	if (result.command === 'ROLLBACK') {
		throw new TypeError(
			'The transaction was rolled back, because a statement in it had failed and the error was swallowed.',
		);
	}
}

/** Throws TypeError for `undefined`, which one driver takes as NULL and the other refuses. */
export function assertParams(params: readonly SqlValue[]): void {
	if (params.some((param) => param === undefined)) {
		throw new TypeError('A statement parameter is undefined; use null.');
	}
}
