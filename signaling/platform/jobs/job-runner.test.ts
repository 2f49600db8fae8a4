/** Tests of the runner's timing on a fake clock: when it asks the database, renews, gives up and closes. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SpillwayError } from '../../../core/errors/errors.ts';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../../core/testing/recording-logger.ts';
import { JobRunner, type ClaimedJob, type JobStore } from './job-runner.ts';
import type { JobRun } from './jobs.ts';

class FakeStore implements JobStore {
	readonly #kinds: readonly string[];
	/** Due at once. */
	waiting: string[] = [];
	dueInMs: number | undefined;
	hasLost = false;
	isAway = false;
	isLeaseHeld = true;
	readonly calls: string[] = [];

	constructor(kinds: readonly string[] = ['export']) {
		this.#kinds = kinds;
	}

	async peek(): ReturnType<JobStore['peek']> {
		this.#call('peek');
		const dueMs = this.waiting.length > 0 ? 0 : this.dueInMs;
		return {
			dueInMs: new Map(dueMs === undefined ? [] : this.#kinds.map((kind) => [kind, dueMs])),
			hasLost: this.hasLost,
		};
	}

	async claim(kind: string, limit: number): Promise<ClaimedJob[]> {
		this.#call(`claim ${limit}`);
		return this.waiting.splice(0, limit).map((id) => ({ id, kind, data: {}, attempt: 1, isLast: false }));
	}

	complete = async ({ id }: ClaimedJob): Promise<boolean> => this.#call(`complete ${id}`);
	fail = async ({ id }: ClaimedJob, message: string): Promise<boolean> => this.#call(`fail ${id}: ${message}`);
	renew = async ({ id }: ClaimedJob): Promise<boolean> => this.#call(`renew ${id}`) && this.isLeaseHeld;
	release = async ({ id }: ClaimedJob): Promise<void> => void this.#call(`release ${id}`);

	async recover(): Promise<void> {
		this.#call('recover');
		this.hasLost = false;
	}

	/** The calls since the last time. */
	takeCalls(): string[] {
		return this.calls.splice(0);
	}

	#call(name: string): true {
		this.calls.push(name);
		if (this.isAway) {
			throw new SpillwayError('DATABASE_UNAVAILABLE');
		}
		return true;
	}
}

describe('JobRunner', () => {
	let clock: FakeClock;
	let logger: RecordingLogger;
	let store: FakeStore;
	let isBusy: boolean;
	let runner: JobRunner;
	let runs: (JobRun & { end(error?: Error): void })[];

	beforeEach(async () => {
		[clock, logger, store, isBusy, runs] = [new FakeClock(), new RecordingLogger(), new FakeStore(), false, []];
		const work = (_data: unknown, run: JobRun): Promise<void> =>
			new Promise((resolve, reject) => {
				runs.push({ ...run, end: (error) => (error === undefined ? resolve() : reject(error)) });
			});
		runner = new JobRunner(
			{ store, clock, logger, mayRun: () => !isBusy },
			{ leaseSeconds: 60, closeGraceMs: 2000, kinds: [{ name: 'export', concurrency: 2, expireSeconds: 600, work }] },
		);
		runner.wake();
		await clock.advance(0);
		expect(store.takeCalls()).toEqual(['peek', 'recover']);
	});

	afterEach(async () => {
		const closing = runner.close();
		await clock.advance(5000);
		await closing;
		expect(clock.pendingCount).toBe(0);
	});

	async function begin(...ids: string[]): Promise<void> {
		store.waiting.push(...ids);
		runner.wake();
		await clock.advance(0);
		store.takeCalls();
	}

	it('asks the database every ten seconds while it is idle, and when the next job is due', async () => {
		await clock.advance(30_000);
		expect(store.takeCalls()).toEqual(['peek', 'peek', 'peek']);
		store.dueInMs = 1500;
		await clock.advance(10_000);
		store.takeCalls();
		store.dueInMs = undefined;
		await clock.advance(1499);
		expect(store.takeCalls()).toEqual([]);
		await clock.advance(1);
		expect(store.takeCalls()).toEqual(['peek']);
	});

	it('looks one more time for all who woke it meanwhile', async () => {
		for (let count = 0; count < 50; count++) {
			runner.wake();
		}
		await clock.advance(0);
		expect(store.takeCalls()).toEqual(['peek', 'peek']);
	});

	it('claims as many as there is room for, and more when one has ended', async () => {
		store.waiting = ['a', 'b', 'c'];
		runner.wake();
		await clock.advance(0);
		expect(store.takeCalls()).toEqual(['peek', 'claim 2', 'peek']);
		runs[0]!.end();
		await clock.advance(0);
		expect(store.takeCalls()).toEqual(['complete a', 'peek', 'claim 1', 'peek']);
		expect(runs.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
	});

	it('asks nothing of the database while the machine is busy', async () => {
		isBusy = true;
		store.waiting = ['a'];
		runner.wake();
		await clock.advance(20_000);
		expect(store.takeCalls()).toEqual([]);
		isBusy = false;
		await clock.advance(5000);
		expect(store.takeCalls()).toEqual(['peek', 'claim 2', 'peek']);
	});

	it('begins urgent jobs, and no others, while the machine is busy', async () => {
		isBusy = true;
		const begun: string[] = [];
		const kind = (name: string, isUrgent: boolean) => ({
			name,
			isUrgent,
			concurrency: 1,
			expireSeconds: 600,
			work: async () => void begun.push(name),
		});
		const urgentStore = new FakeStore(['slow', 'export']);
		urgentStore.waiting = ['a'];
		const other = new JobRunner(
			{ store: urgentStore, clock, logger, mayRun: () => !isBusy },
			{ leaseSeconds: 60, closeGraceMs: 2000, kinds: [kind('slow', false), kind('export', true)] },
		);
		other.wake();
		await clock.advance(0);
		expect(begun).toEqual(['export']);
		await other.close();
	});

	it('takes back the jobs of lost nodes, and deletes old ones once an hour', async () => {
		store.hasLost = true;
		await clock.advance(10_000);
		expect(store.takeCalls()).toEqual(['peek', 'recover']);
		await clock.advance(1000);
		expect(store.takeCalls()).toEqual(['peek']);
		await clock.advance(3_600_000);
		expect(store.takeCalls().filter((call) => call === 'recover')).toHaveLength(1);
	});

	it('renews the lease while a job runs, and breaks it off when the lease is lost', async () => {
		await begin('a');
		await clock.advance(40_000);
		expect(store.takeCalls().filter((call) => call !== 'peek')).toEqual(['renew a', 'renew a']);
		store.isLeaseHeld = false;
		await clock.advance(20_000);
		expect(runs[0]!.signal.reason).toBe('lease-lost');
		expect(store.takeCalls().filter((call) => call !== 'peek')).toEqual(['renew a']);
		await clock.advance(60_000);
		expect(store.takeCalls()).not.toContain('renew a');
	});

	it('breaks off an attempt that takes too long', async () => {
		await begin('a');
		await clock.advance(600_000);
		expect(runs[0]!.signal.reason).toBe('expired');
		expect(store.takeCalls()).toContain('fail a: It took too long.');
	});

	it('writes an end down again and again while the database is away, and warns once a minute', async () => {
		await begin('a');
		store.isAway = true;
		runs[0]!.end(new Error('no room'));
		await clock.advance(12_000);
		expect(store.takeCalls().filter((call) => call.startsWith('fail'))).toEqual(Array(3).fill('fail a: no room'));
		store.isAway = false;
		await clock.advance(5000);
		expect(store.takeCalls()).toContain('fail a: no room');
		await clock.advance(20_000);
		expect(store.takeCalls().filter((call) => call !== 'peek')).toEqual([]);
		expect(logger.lines.filter(({ message }) => message.startsWith('the jobs in the database'))).toHaveLength(1);
	});

	it('waits for running jobs when it closes, then breaks them off and gives them back', async () => {
		await begin('a', 'b');
		const closing = runner.close();
		expect(runner.close()).toBe(closing);
		await clock.advance(1000);
		runs[0]!.end();
		await clock.advance(999);
		expect(runs[1]!.signal.aborted).toBe(false);
		await clock.advance(1);
		await closing;
		expect(runs[1]!.signal.reason).toBe('closing');
		expect(store.takeCalls()).toEqual(['complete a', 'release b']);
		runner.wake();
		await clock.advance(60_000);
		expect(store.takeCalls()).toEqual([]);
	});

	it('closes in time when the database is away', async () => {
		await begin('a', 'b');
		store.isAway = true;
		runs[0]!.end();
		const closing = runner.close();
		await clock.advance(3000);
		await closing;
		expect(store.takeCalls().at(-1)).toBe('release b');
	});
});
