/** Starts PostgreSQL compiled to WebAssembly, with the same settings in the database thread and at the creation. */
import { PGlite } from '@electric-sql/pglite';
import { VALUE_PARSERS } from './value-parsers.ts';

// PGlite's start parameters with less memory: 2 MB of buffers instead of 128 save 160 MB of resident memory, and the
// kernel caches the files as well. "-F" (no fsync) is required, because the WebAssembly file system has none: a killed
// process loses nothing, a power cut may.
const START_PARAMS = [
	'--single',
	'-F',
	'-O',
	'-j',
	...[
		'search_path=public',
		'exit_on_error=false',
		'log_checkpoints=false',
		'max_connections=4',
		'max_worker_processes=0',
		'max_parallel_workers=0',
		'max_parallel_workers_per_gather=0',
		'max_parallel_maintenance_workers=0',
		'io_method=sync',
		'shared_buffers=2MB',
		'wal_buffers=256kB',
		'TimeZone=UTC',
		'DateStyle=ISO',
		'IntervalStyle=postgres',
		'bytea_output=hex',
	].flatMap((setting) => ['-c', setting]),
];

/** Opens the database in the folder, which is created when it is missing. */
export function startPglite(folder: string): Promise<PGlite> {
	return PGlite.create({ dataDir: folder, startParams: START_PARAMS, parsers: VALUE_PARSERS });
}
