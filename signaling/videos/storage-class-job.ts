/** Moves the media of old videos into another storage class of S3. */
import { Type } from 'typebox';
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { Logger } from '../../core/logger.ts';
import { recordedPrefix } from '../../packager/recording/journal-entry.ts';
import type { ObjectStore } from '../../packager/store/object-store.ts';
import type { Database } from '../platform/database/database.ts';
import type { JobKind, Jobs } from '../platform/jobs/jobs.ts';

export type StorageClassConfig = {
	/** Undefined: nothing is moved. */
	storageClass: string | undefined;
	/** So long after its end. */
	storageClassAfterDays: number;
};

type StorageClassDependencies = {
	jobs: Pick<Jobs, 'define' | 'every'>;
	database: Database;
	store: Pick<ObjectStore, 'list' | 'changeStorageClass'>;
	clock: Clock;
	logger: Logger;
};

/** An hour of three tracks has 5400 objects, and one that is cut short begins again with the same video. */
const MOVE = { name: 'move-storage-class', data: Type.Object({}), expireSeconds: 3600 } as const satisfies JobKind;
const EVERY_SECONDS = 3600;
/** So many names go into one call of the store. */
const BATCH = 500;

/** Call it before the jobs start. */
export function defineStorageClassJob(
	{ jobs, database, store, clock, logger }: StorageClassDependencies,
	{ storageClass, storageClassAfterDays }: StorageClassConfig,
): void {
	jobs.define(MOVE, async (_data, { signal }) => {
		if (storageClass === undefined || store.changeStorageClass === undefined) {
			return;
		}
		const before = new Date(clock.nowMs() - storageClassAfterDays * 86_400_000);
		const rows = await database.query<{ id: string }>(
			`SELECT id FROM videos WHERE ended_at < $1 AND deleted_at IS NULL AND storage_class IS DISTINCT FROM $2
			ORDER BY ended_at LIMIT 1000`,
			[before, storageClass],
		);
		for (const { id } of rows) {
			await moveAll(store, recordedPrefix(id), storageClass, signal);
			await database.query('UPDATE videos SET storage_class = $2 WHERE id = $1', [id, storageClass]);
			logger.info({ videoId: id, storageClass }, 'an old video has another storage class');
		}
	});
	jobs.every(MOVE, { seconds: EVERY_SECONDS });
}

async function moveAll(
	store: StorageClassDependencies['store'],
	prefix: string,
	storageClass: string,
	signal: AbortSignal,
): Promise<void> {
	let names: string[] = [];
	for await (const name of store.list(prefix)) {
		signal.throwIfAborted();
		names.push(name);
		if (names.length === BATCH) {
			await store.changeStorageClass!(names, storageClass);
			names = [];
		}
	}
	await store.changeStorageClass!(names, storageClass);
}
