/** Does the jobs of a store: finds those that are due, keeps to the limits of their kinds, and renews their leases. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { sleep, withDeadline } from '../../../core/lifecycle/clock.ts';
import { CloseScope } from '../../../core/lifecycle/close-scope.ts';
import { Timer } from '../../../core/lifecycle/timer.ts';
import { errorMessage } from '../../../core/errors/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import { RateLimitedReport } from '../../../core/limits/rate-limited-report.ts';
import type { JobRun } from './jobs.ts';

/** An attempt that the store has given to this node, until its lease ends. */
export type ClaimedJob = {
	id: string;
	kind: string;
	data: unknown;
	/** 1 for the first. */
	attempt: number;
	/** No further attempt follows when this one fails. */
	isLast: boolean;
};

/** Where the jobs are. All methods throw DATABASE_UNAVAILABLE. */
export interface JobStore {
	/**
	 * For each kind with waiting jobs, the milliseconds until the first of them may begin, 0 or less for now. `hasLost`:
	 * there are jobs whose node has gone.
	 */
	peek(): Promise<{ dueInMs: ReadonlyMap<string, number>; hasLost: boolean }>;
	/** Gives this node up to `limit` jobs that are due. */
	claim(kind: string, limit: number): Promise<ClaimedJob[]>;
	/** The three return false when the attempt is not this node's any more. */
	complete(job: ClaimedJob): Promise<boolean>;
	fail(job: ClaimedJob, message: string): Promise<boolean>;
	renew(job: ClaimedJob): Promise<boolean>;
	/** Lets the job begin again at once, on any node, as if this attempt had not been. */
	release(job: ClaimedJob): Promise<void>;
	/** Has the jobs of nodes that have gone tried again, and deletes old ones. */
	recover(): Promise<void>;
}

/** How a kind is done. */
export type RunnerKind = {
	name: string;
	concurrency: number;
	/** It is begun also while no other job may. */
	isUrgent?: boolean;
	expireSeconds: number;
	work(data: unknown, run: JobRun): Promise<void>;
};

/**
 * Between two looks for jobs that this node does not know of: those that other nodes added, and those whose node has
 * gone. Its own are begun at once. Each look is one statement.
 */
const LOOK_INTERVAL_MS = 10_000;
/** Between two looks whether there is room again. */
const PAUSE_MS = 5000;
/** Between attempts to reach the database. */
const RETRY_MS = 5000;
/** After jobs were taken back from a node that has gone: they wait again, or a first try came too early. */
const AFTER_RECOVERY_MS = 1000;
/** Between deletions of old jobs. */
const RECOVER_INTERVAL_MS = 3_600_000;
/** Renewals within one lease: two may fail. */
const RENEWALS_PER_LEASE = 3;
/** For the last statements of a stop. */
const RELEASE_DEADLINE_MS = 1000;

/** Why an attempt is broken off. */
type Break = 'expired' | 'lease-lost' | 'closing';

type Running = { job: ClaimedJob; breaker: AbortController; ended: Promise<void> };
type KindState = RunnerKind & { runningCount: number };

type JobRunnerDependencies = {
	store: JobStore;
	clock: Clock;
	logger: Logger;
	/** False while only urgent jobs may begin. Asked before each look and each beginning. */
	mayRun: () => boolean;
};
type JobRunnerOptions = {
	/** The store gives a job away when its lease was not renewed for this long. */
	leaseSeconds: number;
	/** How long a stop waits for running jobs. */
	closeGraceMs: number;
};

export class JobRunner {
	readonly #deps: JobRunnerDependencies;
	readonly #options: JobRunnerOptions;
	readonly #scope: CloseScope<'closed'>;
	readonly #timer: Timer;
	readonly #failures: RateLimitedReport;
	readonly #kinds: ReadonlyMap<string, KindState>;
	readonly #running = new Set<Running>();
	/** Aborts when a stop has waited long enough. */
	readonly #giveUp = new AbortController();
	#looking: Promise<void> | undefined;
	#mustLookAgain = false;
	#recoveredAtMs = -Infinity;

	constructor(deps: JobRunnerDependencies, options: JobRunnerOptions & { kinds: readonly RunnerKind[] }) {
		const { clock, logger } = deps;
		this.#deps = deps;
		this.#options = options;
		this.#kinds = new Map(options.kinds.map((kind) => [kind.name, { ...kind, runningCount: 0 }]));
		this.#failures = new RateLimitedReport(clock, logger, 'the jobs in the database cannot be read or written', 60_000);
		this.#timer = new Timer(clock, () => this.wake());
		this.#scope = new CloseScope(logger);
		this.#scope.onClose(() => this.#endRunning());
		this.#scope.onClose(this.#timer.disarm);
	}

	/** Looks for jobs now. For the start, and when one was added. */
	wake(): void {
		if (this.#scope.closed) {
			return;
		}
		if (this.#looking !== undefined) {
			this.#mustLookAgain = true;
			return;
		}
		this.#timer.disarm();
		this.#looking = this.#lookUntilDone().then((pauseMs) => {
			this.#looking = undefined;
			if (!this.#scope.closed) {
				this.#timer.arm(pauseMs);
			}
		});
	}

	close(): Promise<void> {
		return this.#scope.close('closed');
	}

	// Never rejects. Returns the time until the next look.
	async #lookUntilDone(): Promise<number> {
		let pauseMs: number;
		do {
			this.#mustLookAgain = false;
			pauseMs = await this.#look().catch((error: unknown) => {
				this.#failures.count({ reason: errorMessage(error) });
				this.#mustLookAgain = false;
				return RETRY_MS;
			});
		} while (this.#mustLookAgain && !this.#scope.closed);
		return pauseMs;
	}

	async #look(): Promise<number> {
		const { store, clock, mayRun } = this.#deps;
		if (!mayRun() && ![...this.#kinds.values()].some(({ isUrgent }) => isUrgent === true)) {
			return PAUSE_MS;
		}
		const { dueInMs, hasLost } = await store.peek();
		if (hasLost || clock.monotonicMs() - this.#recoveredAtMs >= RECOVER_INTERVAL_MS) {
			await store.recover();
			this.#recoveredAtMs = clock.monotonicMs();
		}
		const pauseMs = await this.#begin(dueInMs);
		return hasLost ? Math.min(pauseMs, AFTER_RECOVERY_MS) : pauseMs;
	}

	async #begin(dueInMs: ReadonlyMap<string, number>): Promise<number> {
		const { store, mayRun } = this.#deps;
		let pauseMs = LOOK_INTERVAL_MS;
		for (const [name, kind] of this.#kinds) {
			const dueMs = dueInMs.get(name);
			const room = kind.concurrency - kind.runningCount;
			if (dueMs === undefined || room <= 0) {
				// The end of a job looks again.
				continue;
			}
			if (dueMs > 0) {
				pauseMs = Math.min(pauseMs, dueMs);
				continue;
			}
			if (this.#scope.closed) {
				return PAUSE_MS;
			}
			if (kind.isUrgent !== true && !mayRun()) {
				pauseMs = Math.min(pauseMs, PAUSE_MS);
				continue;
			}
			const jobs = await store.claim(name, room);
			jobs.forEach((job) => this.#start(kind, job));
			// The first of them hid when the next one is due.
			this.#mustLookAgain ||= jobs.length > 0;
		}
		return pauseMs;
	}

	#start(kind: KindState, job: ClaimedJob): void {
		const breaker = new AbortController();
		const running: Running = { job, breaker, ended: Promise.resolve() };
		if (this.#scope.closed) {
			// Claimed while the stop began.
			breaker.abort('closing' satisfies Break);
		}
		kind.runningCount++;
		this.#running.add(running);
		running.ended = this.#run(kind, running).then(() => {
			kind.runningCount--;
			this.#running.delete(running);
			this.wake();
		});
	}

	// Never rejects.
	async #run(kind: KindState, { job, breaker }: Running): Promise<void> {
		const { clock, logger } = this.#deps;
		const scope = new CloseScope<'ended'>(logger);
		scope.after(clock, kind.expireSeconds * 1000, () => breaker.abort('expired' satisfies Break));
		scope.every(clock, (this.#options.leaseSeconds * 1000) / RENEWALS_PER_LEASE, () => void this.#renew(job, breaker));
		const { id, attempt } = job;
		const line = { kind: kind.name, jobId: id, attempt };
		try {
			breaker.signal.throwIfAborted();
			await Promise.race([kind.work(job.data, { id, attempt, signal: breaker.signal }), rejectOnAbort(breaker.signal)]);
			await this.#settle(breaker, () => this.#deps.store.complete(job));
			logger.debug(line, 'a job is done');
		} catch (error) {
			await this.#endFailed(job, breaker, line, error);
		} finally {
			await scope.close('ended');
		}
	}

	async #endFailed(job: ClaimedJob, breaker: AbortController, line: object, error: unknown): Promise<void> {
		const { store, logger } = this.#deps;
		const reason = breaker.signal.reason as Break | undefined;
		if (reason === 'closing') {
			await store.release(job).catch(() => {
				// Its lease ends by itself.
			});
			logger.info(line, 'a job was broken off by the stop of the server and runs again later');
		} else if (reason === 'lease-lost') {
			logger.warn(line, 'a job was broken off, because this server was too slow to renew its lease; it runs again');
		} else {
			const message = reason === 'expired' ? 'It took too long.' : errorMessage(error);
			const report = { ...line, reason: message };
			if (job.isLast) {
				logger.error({ ...report, err: error }, 'a job has failed for good');
			} else {
				logger.warn(report, 'a job has failed and is tried again later');
			}
			await this.#settle(breaker, () => store.fail(job, message));
		}
	}

	/** Writes an attempt's end, also when the database is away for some time. */
	async #settle(breaker: AbortController, write: () => Promise<boolean>): Promise<void> {
		while (!this.#giveUp.signal.aborted && breaker.signal.reason !== ('lease-lost' satisfies Break)) {
			try {
				await write();
				return;
			} catch (error) {
				this.#failures.count({ reason: errorMessage(error) });
			}
			await sleep(this.#deps.clock, RETRY_MS, this.#giveUp.signal).catch(() => {
				// The loop ends.
			});
		}
	}

	async #renew(job: ClaimedJob, breaker: AbortController): Promise<void> {
		try {
			if (!(await this.#deps.store.renew(job))) {
				breaker.abort('lease-lost' satisfies Break);
			}
		} catch (error) {
			this.#failures.count({ reason: errorMessage(error) });
		}
	}

	async #endRunning(): Promise<void> {
		const { clock } = this.#deps;
		const waitForAll = (deadlineMs: number): Promise<unknown> => {
			const all = Promise.all([this.#looking, ...[...this.#running].map(({ ended }) => ended)]);
			return withDeadline(clock, all, deadlineMs, () => new Error('late')).catch(() => undefined);
		};
		await waitForAll(this.#options.closeGraceMs);
		this.#giveUp.abort();
		this.#running.forEach(({ breaker }) => breaker.abort('closing' satisfies Break));
		await waitForAll(RELEASE_DEADLINE_MS);
	}
}

function rejectOnAbort(signal: AbortSignal): Promise<never> {
	return new Promise((_, reject) => {
		signal.addEventListener('abort', () => reject(new Error(String(signal.reason))), { once: true });
	});
}
