/** Old videos and their storage class: which of them are moved, once, and what happens when the service refuses. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import type { ChannelId } from '../../core/ids.ts';
import { MemoryStore } from '../../packager/testing/memory-store.ts';
import { ChannelStore } from '../channels/channel-store.ts';
import type { Database } from '../platform/database/database.ts';
import { openTestDatabase } from '../testing/both-databases.ts';
import { defineStorageClassJob } from './storage-class-job.ts';

const DAY_MS = 86_400_000;
const CLASS = { storageClass: 'STANDARD_IA', storageClassAfterDays: 30 };

let database: Database;
let closeDatabase: () => Promise<void>;
const clock = new FakeClock();
const moved: string[] = [];
let refuses = false;

/** Refuses from its second call on, if at all. */
class ClassedStore extends MemoryStore {
	async changeStorageClass(names: readonly string[], storageClass: string): Promise<void> {
		if (refuses && moved.length > 0) {
			throw new SpillwayError('OBJECT_STORE_UNAVAILABLE', ['it is away']);
		}
		moved.push(...names.map((name) => `${name} ${storageClass}`));
	}
}

const store = new ClassedStore();

/** The job's work. */
function define(config: Parameters<typeof defineStorageClassJob>[1]): () => Promise<void> {
	let work: (() => Promise<void>) | undefined;
	const jobs: Parameters<typeof defineStorageClassJob>[0]['jobs'] = {
		define: (_kind, run) => {
			const { signal } = new AbortController();
			work = async () => void (await run({} as never, { signal } as never));
		},
		every: () => undefined,
	};
	defineStorageClassJob({ jobs, database, store, clock, logger: new RecordingLogger() }, config);
	return work!;
}

async function addVideo(id: string, endedDaysAgo: number | undefined, isDeleted = false): Promise<void> {
	const [channel] = await database.query<{ id: ChannelId }>('SELECT id FROM channels');
	const endedAt = endedDaysAgo === undefined ? null : new Date(clock.nowMs() - endedDaysAgo * DAY_MS);
	await database.query(
		`INSERT INTO videos (id, channel_id, broadcast_id, title, visibility, path_secret, started_at, ended_at, deleted_at)
		VALUES ($1, $2, $1, '', 'public', $1, $3, $4, $5)`,
		[id, channel!.id, new Date(0), endedAt, isDeleted ? endedAt : null],
	);
	await store.put(`videos/${id}/video0/segment1.m4s`, new Uint8Array(1));
}

beforeAll(async () => {
	({ database, close: closeDatabase } = await openTestDatabase('embedded'));
	await clock.advance(100 * DAY_MS);
	await new ChannelStore({ database, clock }).createChannel({ name: 'demo' });
	await addVideo('older', 40);
	await addVideo('old', 31);
	await addVideo('young', 29);
	await addVideo('running', undefined);
	await addVideo('deleted', 40, true);
});
afterAll(() => closeDatabase());

it('does nothing without a class', async () => {
	await define({ ...CLASS, storageClass: undefined })();
	expect(moved).toEqual([]);
});

it('moves old videos once, and continues where the service refused', async () => {
	refuses = true;
	await expect(define(CLASS)()).rejects.toMatchObject({ code: 'OBJECT_STORE_UNAVAILABLE' });
	expect(moved).toEqual(['videos/older/video0/segment1.m4s STANDARD_IA']);
	refuses = false;
	await define(CLASS)();
	await define(CLASS)();
	expect(moved.splice(0)).toEqual([
		'videos/older/video0/segment1.m4s STANDARD_IA',
		'videos/old/video0/segment1.m4s STANDARD_IA',
	]);
	await define({ ...CLASS, storageClass: 'ONEZONE_IA' })();
	expect(moved.map((line) => line.split(' ')[1])).toEqual(['ONEZONE_IA', 'ONEZONE_IA']);
});
