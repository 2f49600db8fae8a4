/** Tests of which database errors count as unavailability. */
import { describe, expect, it } from 'vitest';
import { QueryError, toDatabaseError } from './database.ts';

const refusal = (code: string, message: string): QueryError => new QueryError(message, code, undefined);

describe('toDatabaseError', () => {
	it.each([
		['53100', 'could not extend file "base/5/16530": No space left on device'],
		['53000', 'out of file descriptors: Too many open files'],
		['58030', 'could not read blocks 0..0 in file "base/5/1259": Input/output error'],
		['42501', 'could not open file "base/5/16530_fsm": Read-only file system'],
		['42501', 'could not write to file "pg_wal/xlogtemp.7": Permission denied'],
		['42501', 'could not create directory "base/pgsql_tmp": Operation not permitted'],
		['25006', 'cannot execute INSERT in a read-only transaction'],
	])('turns %s, "%s", into DATABASE_UNAVAILABLE', (code, message) => {
		expect(toDatabaseError(refusal(code, message))).toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
	});

	it.each([
		['42501', 'permission denied for table users'],
		['42P01', 'relation "users" does not exist'],
		['23505', 'duplicate key value violates unique constraint "users_name"'],
	])('keeps %s, "%s"', (code, message) => {
		const error = refusal(code, message);
		expect(toDatabaseError(error)).toBe(error);
	});
});
