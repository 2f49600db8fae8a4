/**
 * The thread of the embedded database. PGlite blocks its thread (the first start for seconds, a checkpoint for tens of
 * milliseconds), and the main thread forwards media.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { PGlite } from '@electric-sql/pglite';
import type { SqlValue } from './database.ts';
import { startPglite } from './pglite-start.ts';

/** From the main thread: a statement, a script (`params` undefined), or a request to close. */
export type PgliteRequest =
	{ id: number; sql: string; params: readonly SqlValue[] | undefined } | { id: number; close: true };

/** The answer. `id` -1: the database is open, or the reason why it could not be opened. */
export type PgliteReply =
	| { id: number; rows: object[]; command: string }
	| { id: number; error: { message: string; code: string; constraint: string | undefined } };

const port = parentPort!;
const { folder } = workerData as { folder: string };

try {
	const database = await startPglite(folder);
	let last: Promise<void> = Promise.resolve();
	port.on('message', (request: PgliteRequest) => {
		last = last.then(() => answer(database, request));
	});
	reply({ id: -1, rows: [], command: '' });
} catch (error) {
	reply({ id: -1, error: describe(error) });
	port.close();
}

async function answer(database: PGlite, request: PgliteRequest): Promise<void> {
	try {
		if ('close' in request) {
			await database.close();
			reply({ id: request.id, rows: [], command: '' });
			port.close();
		} else if (request.params === undefined) {
			const results = await database.exec(request.sql);
			const rows = results.flatMap((result) => result.rows as object[]);
			reply({ id: request.id, rows, command: results.at(-1)?.command ?? '' });
		} else {
			const result = await database.query<object>(request.sql, [...request.params]);
			reply({ id: request.id, rows: result.rows, command: result.command ?? '' });
		}
	} catch (error) {
		reply({ id: request.id, error: describe(error) });
	}
}

function reply(message: PgliteReply): void {
	port.postMessage(message);
}

function describe(error: unknown): { message: string; code: string; constraint: string | undefined } {
	const { message, code, constraint } = error as { message?: string; code?: string; constraint?: string };
	return { message: message ?? String(error), code: code ?? '', constraint };
}
