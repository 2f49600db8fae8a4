/**
 * Jobs: work that may wait, outlives the process and is tried again. A job is written in the transaction of the change
 * that it belongs to, so neither exists without the other.
 */
import type { Static, TObject } from 'typebox';
import type { Queryable } from '../database/database.ts';

/**
 * What those who add jobs and those who do them agree on; a constant in the room that owns the work. The limits have
 * their defaults in {@link JOB_DEFAULTS}.
 */
export type JobKind<Data extends TObject = TObject> = {
	/** Lower-case words with hyphens. Stored with each job and shown in the metrics, so it never changes. */
	name: string;
	/** Shape of a job's data: plain JSON, ids rather than contents. */
	data: Data;
	/** Jobs of this kind that a node does at once. */
	concurrency?: number;
	/** Further attempts after the first one has failed; then the job stays, as failed. */
	retryLimit?: number;
	/** Pause before the second attempt. It doubles each time, with some chance in it. */
	retryDelaySeconds?: number;
	maxRetryDelaySeconds?: number;
	/** An attempt that takes longer counts as failed. */
	expireSeconds?: number;
	/** It takes next to nothing of the machine, and must not wait until media leaves room: it is begun at once. */
	isUrgent?: boolean;
};

/** Limits of a kind that does not set its own. */
export const JOB_DEFAULTS = {
	concurrency: 1,
	// With the pauses below the last attempt is about half an hour after the first: longer than a restart or an outage.
	retryLimit: 8,
	retryDelaySeconds: 10,
	maxRetryDelaySeconds: 3600,
	expireSeconds: 900,
	isUrgent: false,
} as const satisfies Omit<Required<JobKind>, 'name' | 'data'>;

/** One attempt at a job. */
export type JobRun = {
	id: string;
	/** 1 for the first. */
	attempt: number;
	/** Aborts when the attempt takes too long, when another node has taken the job over, and late in a stop. */
	signal: AbortSignal;
};

/**
 * Does a job; a rejection is a failed attempt. It may be called again for a job that was done before, when the process
 * was killed before that was written down. What computes for long belongs in a child process of low priority, because
 * this one forwards media.
 */
export type JobWork<Data extends TObject> = (data: Static<Data>, run: JobRun) => Promise<void>;

export type AddJobOptions = {
	/** Not before this time. Default: at once. */
	startAfter?: Date;
	/** No job is added while another one of the kind with this key waits for its first attempt. */
	singletonKey?: string;
};

/** Jobs of a kind, of all nodes. */
export type JobCount = {
	kind: string;
	/** Not begun, or failed and to be tried again. */
	waiting: number;
	active: number;
	/** Failed for good, in the last two weeks. */
	failed: number;
};

export interface Jobs {
	/** Before start(). Throws TypeError for a kind that is defined already. */
	define<Data extends TObject>(kind: JobKind<Data>, work: JobWork<Data>): void;
	/**
	 * Writes a job with the caller's handle: it exists when their transaction is committed, and is begun at once. Returns
	 * false when `singletonKey` kept it out. Throws TypeError when the data has another shape, when the kind is not
	 * defined, and before start().
	 */
	add<Data extends TObject>(
		handle: Queryable,
		kind: JobKind<Data>,
		data: Static<Data>,
		options?: AddJobOptions,
	): Promise<boolean>;
	/**
	 * Adds a job at start() and then once in each interval, on one node of all. Before start(). The kind has an empty
	 * object as data.
	 */
	every(kind: JobKind, interval: { seconds: number }): void;
	/** Prepares the database, and begins. Throws DATABASE_UNAVAILABLE. */
	start(): Promise<void>;
	/** For the metrics: one entry for each defined kind. */
	counts(): Promise<readonly JobCount[]>;
	/** Begins no more jobs; waits some seconds for those that run, and then leaves them to the next start. Idempotent. */
	close(): Promise<void>;
}
