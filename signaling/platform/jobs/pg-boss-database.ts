/** Lets pg-boss use our database: both kinds, and the caller's transaction. */
import type { Db as PgBossDatabase } from 'pg-boss';
import type { Database, Queryable, SqlValue, TransactionOptions } from '../database/database.ts';

/** Its scripts that are one transaction each. */
const WHOLE_TRANSACTION = /^\s*BEGIN;([^]*);\s*COMMIT;?\s*$/;

/** For pg-boss's own statements. `options`: of its transactions, asked at each. */
export function adaptDatabase(database: Database, options: () => TransactionOptions): PgBossDatabase {
	return {
		async executeSql(text, values) {
			const script = WHOLE_TRANSACTION.exec(text)?.[1];
			if (script === undefined) {
				return adaptHandle(database).executeSql(text, values);
			}
			// Run as it is, a script that fails would leave its transaction open on the connection of later calls.
			return { rows: await database.transaction((handle) => handle.runScript(script), options()) };
		},
	};
}

/** For statements in the caller's transaction. */
export function adaptHandle(handle: Queryable): PgBossDatabase {
	return {
		executeSql: async (text, values = []) => ({
			// Without values it may be several statements.
			rows: await (values.length === 0 ? handle.runScript(text) : handle.query(text, values as SqlValue[])),
		}),
	};
}
