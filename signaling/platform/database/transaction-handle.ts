/** The handle inside a transaction, for both databases, and the checks of parameters and commits. */
import type { Queryable, SqlValue } from './database.ts';

/** Rows of one statement and its command tag without counts, such as `SELECT`. */
export type StatementResult = { rows: object[]; command: string };

/** Runs one statement, or a script when `params` is undefined. */
export type RunStatement = (sql: string, params: readonly SqlValue[] | undefined) => Promise<StatementResult>;

/** Runs statements one after the other, even when the caller does not await them. */
export class TransactionHandle implements Queryable {
	readonly #run: RunStatement;
	readonly #afterCommit: (() => void)[] = [];
	#last: Promise<unknown> = Promise.resolve();
	#isEnded = false;

	constructor(run: RunStatement) {
		this.#run = run;
	}

	async query<Row extends object>(sql: string, params: readonly SqlValue[] = []): Promise<Row[]> {
		return (await this.#enqueue(sql, params)).rows as Row[];
	}

	async runScript(sql: string): Promise<object[]> {
		return (await this.#enqueue(sql, undefined)).rows;
	}

	afterCommit(callback: () => void): void {
		this.#afterCommit.push(callback);
	}

	/** Rejects further statements; resolves when the accepted ones have ended. */
	async end(): Promise<void> {
		this.#isEnded = true;
		await this.#last;
	}

	/** Takes the answer to COMMIT: throws when it was a roll-back, and else calls back those who wait for it. */
	committed(result: StatementResult): void {
		assertCommitted(result);
		this.#afterCommit.forEach((callback) => callback());
	}

	async #enqueue(sql: string, params: readonly SqlValue[] | undefined): Promise<StatementResult> {
		if (this.#isEnded) {
			throw new TypeError('The transaction has ended; its handle cannot be used any more.');
		}
		assertParams(params);
		const result = this.#last.then(() => this.#run(sql, params));
		// `result` reports a failure to the caller; the queue only waits for the end.
		this.#last = result.catch(() => undefined);
		return result;
	}
}

// Throws when COMMIT was answered with ROLLBACK, because `work` swallowed the error of a statement.
function assertCommitted(result: StatementResult): void {
	if (result.command === 'ROLLBACK') {
		throw new TypeError(
			'The transaction was rolled back, because a statement in it had failed and the error was swallowed.',
		);
	}
}

/** Throws TypeError for `undefined`, which one driver treats as NULL and the other rejects. */
export function assertParams(params: readonly SqlValue[] | undefined): void {
	if (params?.some((param) => param === undefined) === true) {
		throw new TypeError('A statement parameter is undefined; use null.');
	}
}
