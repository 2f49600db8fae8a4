/** Asks the caches in front of the server to forget the media of a video that is deleted or has another visibility. */
import { Type } from 'typebox';
import { errorMessage } from '../../core/errors/errors.ts';
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { Queryable } from '../platform/database/database.ts';
import type { JobKind, Jobs } from '../platform/jobs/jobs.ts';

export type CachePurgeConfig = {
	/** Addresses of caches; the path is added to each. */
	urls: readonly string[];
	method: string;
};

/** One path at one cache. With the pauses attempts continue for half a day; what is kept lives a day at most. */
const PURGE_CACHE = {
	name: 'purge-cache',
	data: Type.Object({ cacheUrl: Type.String(), path: Type.String() }),
	concurrency: 4,
	retryLimit: 20,
	retryDelaySeconds: 2,
	maxRetryDelaySeconds: 3600,
	expireSeconds: 30,
	isUrgent: true,
} as const satisfies JobKind;

const DEADLINE_MS = 5000;
/** Another node may know the old address for 2 s, and a cache may ask it: purged again after that. */
const AGAIN_AFTER_MS = 5000;

type CachePurgesDependencies = {
	jobs: Pick<Jobs, 'define' | 'add'>;
	clock: Clock;
	logger: Logger;
};

/** Adds the purges of all addresses that begin with one of the paths, in the transaction of the change. */
export type AddPurges = (handle: Queryable, paths: readonly string[]) => Promise<void>;

/** Defines the job; call it before the jobs start. */
export function createCachePurges(
	{ jobs, clock, logger }: CachePurgesDependencies,
	{ urls, method }: CachePurgeConfig,
): AddPurges {
	jobs.define(PURGE_CACHE, async ({ cacheUrl, path }, { signal }) => {
		// The setting may have changed since, and requests go to configured addresses only.
		if (!urls.includes(cacheUrl)) {
			return;
		}
		const failure = await purge(cacheUrl, path, method, signal);
		if (failure !== undefined) {
			logger.warn({ cacheUrl, path, failure }, 'a cache was not purged; it is tried again');
			throw new Error(`The cache ${cacheUrl} was not purged: ${failure}.`);
		}
	});
	return async (handle, paths) => {
		for (const [cacheUrl, path] of urls.flatMap((url) => paths.map((each) => [url, each] as const))) {
			await jobs.add(handle, PURGE_CACHE, { cacheUrl, path });
			await jobs.add(handle, PURGE_CACHE, { cacheUrl, path }, { startAfter: new Date(clock.nowMs() + AGAIN_AFTER_MS) });
		}
	};
}

/** Returns why it failed; undefined when the cache has accepted it. */
async function purge(cacheUrl: string, path: string, method: string, signal: AbortSignal): Promise<string | undefined> {
	try {
		const answer = await fetch(cacheUrl.replace(/\/+$/, '') + path, {
			method,
			// To the configured address, not where it leads.
			redirect: 'manual',
			signal: AbortSignal.any([signal, AbortSignal.timeout(DEADLINE_MS)]),
		});
		await answer.body?.cancel();
		// 404: a cache that has nothing of it.
		return answer.ok || answer.status === 404 ? undefined : `it answers ${answer.status} to ${method}`;
	} catch (error) {
		return errorMessage((error as Error).cause ?? error);
	}
}
