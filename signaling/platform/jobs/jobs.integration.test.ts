/** Tests of jobs: one contract, on both databases. */
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Type } from 'typebox';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sleep, systemClock } from '../../../core/lifecycle/clock.ts';
import { silentLogger } from '../../../core/logger.ts';
import { RecordingLogger } from '../../../core/testing/recording-logger.ts';
import { DATABASE_KINDS, openTestDatabase } from '../../testing/both-databases.ts';
import { startPostgres } from '../../testing/real-servers.ts';
import { until } from '../../testing/until.ts';
import { databaseUnavailable, type Database } from '../database/database.ts';
import { createPgDatabase } from '../database/pg-database.ts';
import { createJobs } from './create-jobs.ts';
import type { JobKind, JobRun, Jobs } from './jobs.ts';

const common = { clock: systemClock, logger: silentLogger };
const DATA = Type.Object({ videoId: Type.String({ minLength: 1 }) }, { additionalProperties: false });
type TestKind = JobKind<typeof DATA>;

/** A kind that no other test uses. */
function newKind(limits: Partial<TestKind> = {}): TestKind {
	return { name: `test-${++newKind.count}`, data: DATA, retryDelaySeconds: 1, maxRetryDelaySeconds: 1, ...limits };
}
newKind.count = 0;

/** A database that a test takes away. */
function removable(database: Database): Database & { isAway: boolean } {
	const guard = <Call extends (...args: never[]) => Promise<unknown>>(call: Call): Call =>
		((...args) => (rig.isAway ? Promise.reject(databaseUnavailable()) : call(...args))) as Call;
	const rig = {
		isAway: false,
		query: guard(database.query.bind(database)) as Database['query'],
		runScript: guard(database.runScript.bind(database)),
		transaction: guard(database.transaction.bind(database)) as Database['transaction'],
		checkHealth: guard(database.checkHealth.bind(database)),
		afterCommit: database.afterCommit.bind(database),
		close: () => database.close(),
		[Symbol.asyncDispose]: () => database.close(),
	};
	return rig;
}

describe.each(DATABASE_KINDS)('Jobs ($kind)', ({ kind: databaseKind }) => {
	let opened: Awaited<ReturnType<typeof openTestDatabase>>;
	let database: Database & { isAway: boolean };
	let logger: RecordingLogger;
	let isBusy: boolean;
	const open: Jobs[] = [];

	beforeAll(async () => {
		opened = await openTestDatabase(databaseKind);
		database = removable(opened.database);
		await database.runScript('CREATE TABLE changes (id text)');
	});
	afterAll(() => opened.close());
	beforeEach(() => {
		[logger, isBusy] = [new RecordingLogger(), false];
	});
	afterEach(async () => {
		database.isAway = false;
		await Promise.all(open.splice(0).map((jobs) => jobs.close()));
		const failures = logger.lines.filter(({ message }) => /pg-boss|the jobs in the database/.test(message));
		expect(failures.filter(({ fields }) => !/The database does not answer/.test(String(fields['reason'])))).toEqual([]);
	});

	function newJobs(options: { schema?: string } = {}): Jobs {
		const deps = { database, clock: systemClock, logger, mayRun: () => !isBusy };
		const jobs = createJobs(deps, { closeGraceMs: 500, ...options });
		open.push(jobs);
		return jobs;
	}

	type Attempt = { videoId: string; attempt: number; atMs: number };
	async function startJobs(
		kind: TestKind,
		work: (videoId: string, run: JobRun) => Promise<void> = () => Promise.resolve(),
	): Promise<{ jobs: Jobs; attempts: Attempt[] }> {
		const jobs = newJobs();
		const attempts: Attempt[] = [];
		jobs.define(kind, async ({ videoId }, run) => {
			attempts.push({ videoId, attempt: run.attempt, atMs: systemClock.monotonicMs() });
			await work(videoId, run);
		});
		await jobs.start();
		return { jobs, attempts };
	}

	async function countOf(jobs: Jobs, { name }: TestKind): Promise<object> {
		const { kind: _kind, ...counts } = (await jobs.counts()).find(({ kind }) => kind === name)!;
		return counts;
	}
	const isEmpty = (jobs: Jobs, kind: TestKind) => async (): Promise<boolean> =>
		JSON.stringify(await countOf(jobs, kind)) === JSON.stringify({ waiting: 0, active: 0, failed: 0 });

	it('adds no job when the transaction is rolled back, and does one at once when it is committed', async () => {
		const kind = newKind();
		const { jobs, attempts } = await startJobs(kind);
		const change = (id: string, mustFail: boolean): Promise<void> =>
			database.transaction(async (handle) => {
				await handle.query('INSERT INTO changes VALUES ($1)', [id]);
				await expect(jobs.add(handle, kind, { videoId: id })).resolves.toBe(true);
				if (mustFail) {
					throw new RangeError('changed my mind');
				}
			});
		await expect(change('rolled back', true)).rejects.toThrow(RangeError);
		expect(await countOf(jobs, kind)).toEqual({ waiting: 0, active: 0, failed: 0 });
		await change('kept', false);
		const committedAtMs = systemClock.monotonicMs();
		await until(() => attempts.length > 0, 'the job has begun');
		expect(attempts).toMatchObject([{ videoId: 'kept', attempt: 1 }]);
		expect(attempts[0]!.atMs - committedAtMs).toBeLessThan(1000);
		await until(isEmpty(jobs, kind), 'the job is done');
	});

	it('rejects wrong data, unknown kinds and late definitions with a clear error, and adds nothing', async () => {
		const kind = newKind();
		const early = newJobs();
		early.define(kind, () => Promise.resolve());
		expect(() => early.define(kind, () => Promise.resolve())).toThrow(/defined twice/);
		await expect(early.add(database, kind, { videoId: 'a' })).rejects.toThrow(/before jobs were started/);
		const { jobs } = await startJobs(kind);
		const wrong: [unknown, RegExp][] = [
			[{}, /data of a job "test-\d+" is wrong/],
			[{ videoId: 7 }, /"\/videoId" must be string/],
			[{ videoId: 'a', more: 1 }, /wrong/],
			[null, /wrong/],
			[{ videoId: 'a'.repeat(20_000) }, /longer than 16384/],
		];
		for (const [data, message] of wrong) {
			await expect(jobs.add(database, kind, data as { videoId: string })).rejects.toThrow(message);
		}
		await expect(jobs.add(database, newKind(), { videoId: 'a' })).rejects.toThrow(/no kind of job/);
		expect(() => jobs.define(newKind(), () => Promise.resolve())).toThrow(/have started/);
		expect(await countOf(jobs, kind)).toEqual({ waiting: 0, active: 0, failed: 0 });
	});

	it('tries a failed job again after a growing pause; the last failure stays and is logged', async () => {
		const kind = newKind({ retryLimit: 2, maxRetryDelaySeconds: 2 });
		const { jobs, attempts } = await startJobs(kind, () => Promise.reject(new RangeError('no such video')));
		await jobs.add(database, kind, { videoId: 'a' });
		await until(async () => ((await countOf(jobs, kind)) as { failed: number }).failed === 1, 'it has failed for good');
		expect(attempts.map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
		const [first, second, third] = attempts.map(({ atMs }) => atMs);
		expect(second! - first!).toBeGreaterThan(900);
		expect(third! - second!).toBeGreaterThan(1900);
		const lines = logger.lines.filter(({ fields }) => fields['kind'] === kind.name);
		expect(lines.map(({ level }) => level)).toEqual(['warn', 'warn', 'error']);
		expect(lines.at(-1)).toMatchObject({ message: 'a job has failed for good', fields: { reason: 'no such video' } });
		const rows = await database.query('SELECT output FROM pgboss.job WHERE name = $1', [kind.name]);
		expect(rows).toMatchObject([{ output: { message: 'no such video' } }]);
	});

	it('does at most as many jobs of a kind at once as the kind allows', async () => {
		const kind = newKind({ concurrency: 2 });
		let [running, most] = [0, 0];
		const { jobs, attempts } = await startJobs(kind, async () => {
			most = Math.max(most, ++running);
			await sleep(systemClock, 100);
			running--;
		});
		await database.transaction(async (handle) => {
			for (const videoId of ['a', 'b', 'c', 'd', 'e']) {
				await jobs.add(handle, kind, { videoId });
			}
		});
		await until(isEmpty(jobs, kind), 'all are done');
		expect(most).toBe(2);
		expect(attempts.map(({ videoId }) => videoId).sort()).toEqual(['a', 'b', 'c', 'd', 'e']);
	});

	it('shares the jobs of two nodes: each is done once', async () => {
		const kind = newKind({ concurrency: 3 });
		const work = (): Promise<void> => sleep(systemClock, 20);
		const [one, other] = [await startJobs(kind, work), await startJobs(kind, work)];
		const ids = Array.from({ length: 30 }, (_, index) => String(index).padStart(2, '0'));
		await Promise.all(ids.map((videoId, index) => [one, other][index % 2]!.jobs.add(database, kind, { videoId })));
		await until(isEmpty(one.jobs, kind), 'all are done');
		expect([...one.attempts, ...other.attempts].map(({ videoId }) => videoId).sort()).toEqual(ids);
		expect(Math.min(one.attempts.length, other.attempts.length)).toBeGreaterThan(0);
	});

	it('prepares the database once when several nodes start at once, in a schema of its own', async () => {
		const kind = newKind();
		let count = 0;
		const nodes = Array.from({ length: 3 }, () => newJobs({ schema: 'other_jobs' }));
		nodes.forEach((jobs) => jobs.define(kind, async () => void count++));
		await Promise.all(nodes.map((jobs) => jobs.start()));
		await Promise.all(nodes.map((jobs) => jobs.add(database, kind, { videoId: 'a' })));
		await until(() => count === 3, 'all are done');
		const rows = await database.query('SELECT count(*) AS count FROM other_jobs.job WHERE name = $1', [kind.name]);
		expect(rows).toEqual([{ count: 3 }]);
	});

	it('touches the database not at all without a kind', async () => {
		const jobs = newJobs({ schema: 'never_made' });
		await jobs.start();
		expect(await jobs.counts()).toEqual([]);
		const rows = await database.query("SELECT 1 FROM information_schema.schemata WHERE schema_name = 'never_made'");
		expect(rows).toEqual([]);
	});

	it('keeps a second job with the same key out while the first one waits', async () => {
		const kind = newKind();
		let finish!: () => void;
		const isFinished = new Promise<void>((resolve) => (finish = resolve));
		const { jobs, attempts } = await startJobs(kind, () => isFinished);
		const add = (videoId: string, singletonKey: string): Promise<boolean> =>
			jobs.add(database, kind, { videoId }, { singletonKey });
		isBusy = true;
		expect([await add('a', 'k'), await add('b', 'k'), await add('c', 'other')]).toEqual([true, false, true]);
		isBusy = false;
		// A change that comes while the first one runs needs another run.
		await until(() => attempts.length === 1, 'the first one has begun');
		expect([await add('d', 'k'), await add('e', 'k')]).toEqual([true, false]);
		finish();
		await until(isEmpty(jobs, kind), 'all are done');
		expect(attempts.map(({ videoId }) => videoId)).toEqual(['a', 'c', 'd']);
	});

	it('begins no job while there is no room for it, and begins it afterwards', async () => {
		const kind = newKind();
		isBusy = true;
		const { jobs, attempts } = await startJobs(kind);
		await jobs.add(database, kind, { videoId: 'a' });
		await sleep(systemClock, 300);
		expect(attempts).toEqual([]);
		expect(await countOf(jobs, kind)).toEqual({ waiting: 1, active: 0, failed: 0 });
		isBusy = false;
		await until(isEmpty(jobs, kind), 'it is done');
	});

	it('begins a job not before its time', async () => {
		const kind = newKind();
		const { jobs, attempts } = await startJobs(kind);
		const addedAtMs = systemClock.monotonicMs();
		await jobs.add(database, kind, { videoId: 'late' }, { startAfter: new Date(systemClock.nowMs() + 1500) });
		await jobs.add(database, kind, { videoId: 'now' });
		await until(isEmpty(jobs, kind), 'both are done');
		expect(attempts.map(({ videoId }) => videoId)).toEqual(['now', 'late']);
		expect(attempts[1]!.atMs - addedAtMs).toBeGreaterThan(1400);
		expect(attempts[1]!.atMs - addedAtMs).toBeLessThan(4000);
	});

	it('breaks off an attempt that takes too long, and tries again', async () => {
		const kind = newKind({ expireSeconds: 1 });
		const reasons: unknown[] = [];
		const { jobs, attempts } = await startJobs(kind, async (_videoId, { attempt, signal }) => {
			if (attempt === 1) {
				signal.addEventListener('abort', () => reasons.push(signal.reason));
				await new Promise(() => undefined);
			}
		});
		await jobs.add(database, kind, { videoId: 'a' });
		await until(() => attempts.length === 2, 'it is tried again');
		await until(isEmpty(jobs, kind), 'it is done');
		expect(reasons).toEqual(['expired']);
	});

	it('adds a periodic job at the start, once in each interval, on one node of all', async () => {
		const kind = { name: newKind().name, data: Type.Object({}) };
		const runs: string[] = [];
		const start = async (seconds: number): Promise<void> => {
			const jobs = newJobs();
			jobs.define(kind, async (_data, { id }) => void runs.push(id));
			jobs.every(kind, { seconds });
			expect(() => jobs.every(kind, { seconds: 0.5 })).toThrow(TypeError);
			await jobs.start();
		};
		await start(86_400);
		await start(86_400);
		await until(() => runs.length > 0, 'it was done');
		await sleep(systemClock, 300);
		expect(runs).toHaveLength(1);
		await start(1);
		await until(() => runs.length >= 4, 'it was done in each second');
	});

	it('waits for a job that ends soon when it closes, and leaves the others to the next start', async () => {
		const [quick, endless] = [newKind(), newKind()];
		const jobs = newJobs();
		const signals: unknown[] = [];
		let begun = 0;
		jobs.define(quick, () => (begun++, sleep(systemClock, 200)));
		jobs.define(endless, async (_data, { signal }) => {
			begun++;
			signal.addEventListener('abort', () => signals.push(signal.reason));
			await new Promise(() => undefined);
		});
		await jobs.start();
		await jobs.add(database, quick, { videoId: 'a' });
		await jobs.add(database, endless, { videoId: 'b' });
		await until(() => begun === 2, 'both have begun');
		const closing = jobs.close();
		expect(jobs.close()).toBe(closing);
		await closing;
		expect(signals).toEqual(['closing']);
		const { attempts, jobs: next } = await startJobs(endless);
		await until(() => attempts.length > 0, 'the broken one begins again');
		expect(attempts).toMatchObject([{ videoId: 'b', attempt: 1 }]);
		await until(isEmpty(next, endless), 'it is done');
		const again = await startJobs(quick);
		expect(await countOf(again.jobs, quick)).toEqual({ waiting: 0, active: 0, failed: 0 });
		expect(again.attempts).toEqual([]);
	});

	it('continues after the database was away while jobs waited and ran', async () => {
		const kind = newKind({ concurrency: 2 });
		let finish!: () => void;
		const isFinished = new Promise<void>((resolve) => (finish = resolve));
		const { jobs, attempts } = await startJobs(kind, (videoId) => (videoId === 'a' ? isFinished : Promise.resolve()));
		await jobs.add(database, kind, { videoId: 'a' });
		await until(() => attempts.length === 1, 'the first one has begun');
		await jobs.add(database, kind, { videoId: 'b' }, { startAfter: new Date(systemClock.nowMs() + 300) });
		database.isAway = true;
		finish();
		await expect(jobs.add(database, kind, { videoId: 'c' })).rejects.toMatchObject({ code: 'DATABASE_UNAVAILABLE' });
		await sleep(systemClock, 1000);
		database.isAway = false;
		await until(isEmpty(jobs, kind), 'both are done');
		expect(attempts.map(({ videoId }) => videoId)).toEqual(['a', 'b']);
	});
});

describe('Jobs of a killed process', () => {
	let folder: string;
	beforeAll(() => {
		folder = mkdtempSync(join(tmpdir(), 'spillway-jobs-'));
	});
	afterAll(() => rmSync(folder, { recursive: true, force: true }));

	/** Ends as soon as a job has begun in the other process, which is killed. */
	async function killInTheMiddle(place: string): Promise<void> {
		const script = fileURLToPath(new URL('./testing/endless-job.ts', import.meta.url));
		const child = spawn(process.execPath, [script, place], { stdio: ['pipe', 'pipe', 'inherit'] });
		const exited = new Promise((resolve) => child.once('exit', resolve));
		try {
			await Promise.race([
				new Promise((resolve) => child.stdout.once('data', resolve)),
				exited.then(() => Promise.reject(new Error('The process ended before it began a job.'))),
			]);
		} finally {
			child.kill('SIGKILL');
			await exited;
		}
	}

	async function expectRepeated(database: Database): Promise<void> {
		const kind: TestKind = { name: 'endless', data: DATA };
		const jobs = createJobs({ database, ...common, mayRun: () => true }, { leaseSeconds: 10 });
		const attempts: [string, number][] = [];
		jobs.define(kind, async ({ videoId }, { attempt }) => void attempts.push([videoId, attempt]));
		await jobs.start();
		await until(() => attempts.length > 0, 'the job begins again');
		expect(attempts).toEqual([['a', 2]]);
		await jobs.close();
	}

	it('run again after their lease, and after the database server was lost', async () => {
		await using server = await startPostgres();
		await killInTheMiddle(server.url);
		await server.kill();
		await server.restart();
		await using database = createPgDatabase(common, { url: server.url });
		await expectRepeated(database);
	});
});
