/** Work on videos that may wait: deleting what is over, and the media of what is deleted. */
import { Type } from 'typebox';
import type { Logger } from '../../core/logger.ts';
import { recordedPrefix } from '../../packager/recording/journal-entry.ts';
import type { ObjectStore } from '../../packager/store/object-store.ts';
import type { JobKind, Jobs } from '../platform/jobs/jobs.ts';
import type { VideoClips, VideoStore } from './video-store.ts';

/** Deletes the objects of a deleted video that no clip needs, then their rows. Again when its last clip is gone. */
export const DELETE_MEDIA = {
	name: 'delete-video-media',
	data: Type.Object({ videoId: Type.String() }),
} as const satisfies JobKind;

/** Deletes videos whose time is over. */
const EXPIRE = { name: 'expire-videos', data: Type.Object({}) } as const satisfies JobKind;
const EXPIRE_SECONDS = 600;
/** So many names go into one call of the store. */
const BATCH = 500;

type VideoJobsDependencies = {
	jobs: Pick<Jobs, 'define' | 'every'>;
	videos: VideoStore;
	clips: () => Pick<VideoClips, 'windows'>;
	store: Pick<ObjectStore, 'list' | 'delete'>;
	logger: Logger;
};

/** Call it before the jobs start. */
export function defineVideoJobs({ jobs, videos, clips, store, logger }: VideoJobsDependencies): void {
	jobs.define(DELETE_MEDIA, async ({ videoId }, { signal }) => {
		const windows = await clips().windows(videoId);
		const kept = windows.length === 0 ? new Set() : await videos.objectsWithin(videoId, windows);
		let names: string[] = [];
		for await (const name of store.list(recordedPrefix(videoId))) {
			signal.throwIfAborted();
			if (kept.has(name)) {
				continue;
			}
			names.push(name);
			if (names.length === BATCH) {
				await store.delete(names);
				names = [];
			}
		}
		await store.delete(names);
		await (windows.length === 0 ? videos.forget(videoId) : videos.keepWindows(videoId, windows));
	});
	jobs.define(EXPIRE, async (_data, { signal }) => {
		for (const id of await videos.listExpired()) {
			signal.throwIfAborted();
			await videos.delete(id, 'expired');
			logger.info({ videoId: id }, 'a video is deleted: its time is over');
		}
	});
	jobs.every(EXPIRE, { seconds: EXPIRE_SECONDS });
}
