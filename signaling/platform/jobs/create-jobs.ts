/** Creates the jobs of this node, on its database. */
import type { Static, TObject } from 'typebox';
import { Compile, type Validator } from 'typebox/compile';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { CloseScope } from '../../../core/lifecycle/close-scope.ts';
import { errorMessage } from '../../../core/errors/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import type { Database, Queryable } from '../database/database.ts';
import { JobRunner, type RunnerKind } from './job-runner.ts';
import {
	JOB_DEFAULTS,
	type AddJobOptions,
	type JobCount,
	type JobKind,
	type JobRun,
	type Jobs,
	type JobWork,
} from './jobs.ts';
import { PgBossStore, type StoredKind } from './pg-boss-store.ts';

/** Data of a job in JSON. More belongs into a table or a file, and its id here. */
const MAX_DATA_CHARACTERS = 16_384;
const KIND_NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;
/** Ended jobs are known for two weeks, so no periodic job is rarer than once a day. */
const MAX_INTERVAL_SECONDS = 86_400;
/** Between attempts to add a periodic job while the database is away. */
const PERIODIC_RETRY_MS = 30_000;

type Definition = { kind: StoredKind & RunnerKind; validator: Validator };

type JobsDependencies = {
	database: Database;
	clock: Clock;
	logger: Logger;
	/** False while media needs the machine: no job begins. */
	mayRun: () => boolean;
};

type JobsOptions = {
	/** Schema of the database that holds the jobs. */
	schema?: string;
	/** A job whose node has gone is tried again after this long. pg-boss takes 10 or more. */
	leaseSeconds?: number;
	/** Part of the time that a stop of the server has in all. */
	closeGraceMs?: number;
};

/** Touches the database first in start(), and not at all without a kind. */
export function createJobs(deps: JobsDependencies, options: JobsOptions = {}): Jobs {
	return new JobService(deps, { schema: 'pgboss', leaseSeconds: 60, closeGraceMs: 2000, ...options });
}

class JobService implements Jobs {
	readonly #deps: JobsDependencies;
	readonly #options: Required<JobsOptions>;
	readonly #store: PgBossStore;
	readonly #scope: CloseScope<'closed'>;
	readonly #definitions = new Map<string, Definition>();
	readonly #intervals: { kind: StoredKind; seconds: number }[] = [];
	#runner: JobRunner | undefined;

	constructor(deps: JobsDependencies, options: Required<JobsOptions>) {
		this.#deps = deps;
		this.#options = options;
		this.#store = new PgBossStore(deps, options);
		this.#scope = new CloseScope(deps.logger);
	}

	define<Data extends TObject>(kind: JobKind<Data>, work: JobWork<Data>): void {
		const { data, ...limits } = kind;
		this.#assertNotStarted();
		if (!KIND_NAME.test(kind.name) || this.#definitions.has(kind.name)) {
			throw new TypeError(`The kind of job "${kind.name}" has a bad name, or is defined twice.`);
		}
		const validator = Compile(data);
		this.#definitions.set(kind.name, {
			validator,
			kind: {
				...JOB_DEFAULTS,
				...limits,
				work: async (found: unknown, run: JobRun) => {
					assertShape(kind.name, validator, found);
					await work(found as Static<Data>, run);
				},
			},
		});
	}

	async add<Data extends TObject>(
		handle: Queryable,
		{ name }: JobKind<Data>,
		data: Static<Data>,
		options: AddJobOptions = {},
	): Promise<boolean> {
		const runner = this.#runner;
		const { kind, validator } = this.#definition(name);
		if (runner === undefined) {
			throw new TypeError(`A job "${name}" was added before jobs were started.`);
		}
		assertShape(name, validator, data);
		const isAdded = await this.#store.add(handle, kind, data as object, options);
		handle.afterCommit(() => runner.wake());
		return isAdded;
	}

	every({ name }: JobKind, { seconds }: { seconds: number }): void {
		this.#assertNotStarted();
		if (!Number.isInteger(seconds) || seconds < 1 || seconds > MAX_INTERVAL_SECONDS) {
			throw new TypeError(`The interval of "${name}" is ${seconds} s; it must be 1 to ${MAX_INTERVAL_SECONDS}.`);
		}
		const { kind, validator } = this.#definition(name);
		assertShape(name, validator, {});
		this.#intervals.push({ kind, seconds });
	}

	async start(): Promise<void> {
		this.#assertNotStarted();
		const kinds = [...this.#definitions.values()].map(({ kind }) => kind);
		if (kinds.length === 0 || this.#scope.closed) {
			return;
		}
		// Before the first await, so that a stop meanwhile closes it.
		this.#scope.onClose(() => this.#store.close());
		await this.#store.start(kinds);
		const runner = new JobRunner({ ...this.#deps, store: this.#store }, { ...this.#options, kinds });
		this.#scope.onClose(() => runner.close());
		this.#runner = runner;
		runner.wake();
		this.#intervals.forEach(({ kind, seconds }) => void this.#addPeriodic(runner, kind, seconds));
	}

	async counts(): Promise<readonly JobCount[]> {
		const stored = this.#runner === undefined ? [] : await this.#store.counts();
		return [...this.#definitions.keys()].map(
			(name) => stored.find(({ kind }) => kind === name) ?? { kind: name, waiting: 0, active: 0, failed: 0 },
		);
	}

	close(): Promise<void> {
		return this.#scope.close('closed');
	}

	/** Adds the job of this interval, then waits for the next one. */
	async #addPeriodic(runner: JobRunner, kind: StoredKind, seconds: number): Promise<void> {
		const { clock, logger } = this.#deps;
		const intervalMs = seconds * 1000;
		let pauseMs = intervalMs - (clock.nowMs() % intervalMs);
		try {
			if (await this.#store.addPeriodic(kind, seconds)) {
				runner.wake();
			}
		} catch (error) {
			logger.warn({ kind: kind.name, reason: errorMessage(error) }, 'a periodic job cannot be added yet');
			pauseMs = Math.min(pauseMs, PERIODIC_RETRY_MS);
		}
		this.#scope.after(clock, pauseMs, () => void this.#addPeriodic(runner, kind, seconds));
	}

	#definition(name: string): Definition {
		const definition = this.#definitions.get(name);
		if (definition === undefined) {
			throw new TypeError(`There is no kind of job "${name}".`);
		}
		return definition;
	}

	#assertNotStarted(): void {
		if (this.#runner !== undefined) {
			throw new TypeError('Jobs have started; kinds and intervals are set before that.');
		}
	}
}

function assertShape(kind: string, validator: Validator, data: unknown): void {
	if (!validator.Check(data)) {
		const [problem] = validator.Errors(data);
		throw new TypeError(`The data of a job "${kind}" is wrong: "${problem?.instancePath ?? ''}" ${problem?.message}.`);
	}
	if (JSON.stringify(data).length > MAX_DATA_CHARACTERS) {
		throw new TypeError(`The data of a job "${kind}" is longer than ${MAX_DATA_CHARACTERS} characters of JSON.`);
	}
}
