/** Which purges are added, and to which addresses requests may go. */
import { describe, expect, it } from 'vitest';
import { silentLogger } from '../../core/logger.ts';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import type { Queryable } from '../platform/database/database.ts';
import type { AddJobOptions, JobRun, Jobs } from '../platform/jobs/jobs.ts';
import { createCachePurges } from './cache-purges.ts';

type Work = (data: object, run: JobRun) => Promise<void>;

function setUp(urls: string[]) {
	const clock = new FakeClock();
	const added: { data: object; afterMs: number }[] = [];
	let work: Work | undefined;
	const jobs = {
		define: (_kind: unknown, given: Work) => void (work = given),
		add: async (_handle: unknown, _kind: unknown, data: object, { startAfter }: AddJobOptions = {}) => {
			added.push({ data, afterMs: startAfter === undefined ? 0 : startAfter.getTime() - clock.nowMs() });
			return true;
		},
	} as unknown as Pick<Jobs, 'define' | 'add'>;
	const add = createCachePurges({ jobs, clock, logger: silentLogger }, { urls, method: 'PURGE' });
	const run = (data: object): Promise<void> =>
		work!(data, { id: '1', attempt: 1, signal: new AbortController().signal });
	return { added, add: () => add({} as Queryable, ['/vod/secret/']), run };
}

describe('purges of caches', () => {
	it('are added for each cache, at once and when no other server knows the address any more', async () => {
		const { added, add } = setUp(['http://a.invalid', 'http://b.invalid']);
		await add();
		expect(added).toEqual(
			['http://a.invalid', 'http://b.invalid'].flatMap((cacheUrl) =>
				[0, 5000].map((afterMs) => ({ data: { cacheUrl, path: '/vod/secret/' }, afterMs })),
			),
		);
	});

	it('are none without caches', async () => {
		const { added, add } = setUp([]);
		await add();
		expect(added).toEqual([]);
	});

	it('send nothing to an address that is not configured any more', async () => {
		const { run } = setUp(['http://a.invalid']);
		// A request to it fails.
		await expect(run({ cacheUrl: 'http://old.invalid', path: '/vod/secret/' })).resolves.toBeUndefined();
	});
});
