/** Begins a job that never ends, and then waits to be killed: `node endless-job.ts <folder or URL>`. */
import { Type } from 'typebox';
import { systemClock } from '../../../../core/lifecycle/clock.ts';
import { silentLogger } from '../../../../core/logger.ts';
import { createPgDatabase } from '../../database/pg-database.ts';
import { openPgliteDatabase } from '../../database/pglite-database.ts';
import { createJobs } from '../create-jobs.ts';

const place = process.argv[2]!;
const common = { clock: systemClock, logger: silentLogger };
const database = place.startsWith('postgres:')
	? createPgDatabase(common, { url: place })
	: await openPgliteDatabase(common, { folder: place });
const jobs = createJobs({ database, ...common, mayRun: () => true }, { leaseSeconds: 10 });
const kind = { name: 'endless', data: Type.Object({ videoId: Type.String() }), retryDelaySeconds: 1 };
jobs.define(kind, async () => {
	process.stdout.write('begun');
	await new Promise(() => undefined);
});
await jobs.start();
await jobs.add(database, kind, { videoId: 'a' });
// The clock's timers do not keep a process alive, an open standard input does.
process.stdin.resume();
