/**
 * The thread of the embedded database. PGlite blocks its thread (the first start for seconds, a checkpoint for tens of
 * milliseconds), and the main thread forwards media.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { PGlite } from '@electric-sql/pglite';
import type { SqlValue } from './database.ts';
import { VALUE_PARSERS } from './value-parsers.ts';

/** From the main thread: a statement, a script (`params` undefined), or a request to close. */
export type PgliteRequest =
	{ id: number; sql: string; params: readonly SqlValue[] | undefined } | { id: number; close: true };

/** The answer. `id` -1: the database is open, or the reason why it could not be opened. */
export type PgliteReply =
	| { id: number; rows: object[]; command: string }
	| { id: number; error: { message: string; code: string; constraint: string | undefined } };

// PGlite's start parameters with less memory: 8 MB of buffers instead of 128 save 150 MB of resident memory. "-F" (no
// fsync) is required, because the WebAssembly file system has none: a killed process loses nothing, a power cut may.
const START_PARAMS = [
	'--single',
	'-F',
	'-O',
	'-j',
	...[
		'search_path=public',
		'exit_on_error=false',
		'log_checkpoints=false',
		'max_worker_processes=0',
		'max_parallel_workers=0',
		'max_parallel_workers_per_gather=0',
		'max_parallel_maintenance_workers=0',
		'io_method=sync',
		'shared_buffers=8MB',
		'wal_buffers=1MB',
		'TimeZone=UTC',
		'DateStyle=ISO',
		'IntervalStyle=postgres',
		'bytea_output=hex',
	].flatMap((setting) => ['-c', setting]),
];

const port = parentPort!;
const { folder } = workerData as { folder: string };

try {
	const database = await PGlite.create({ dataDir: folder, startParams: START_PARAMS, parsers: VALUE_PARSERS });
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
			reply({ id: request.id, rows: [], command: results.at(-1)?.command ?? '' });
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
