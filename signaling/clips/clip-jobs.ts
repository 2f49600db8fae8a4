/** Work on clips that may wait: settling them, their pictures, and deleting what is left of them. */
import { Type } from 'typebox';
import { sleep, type Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { PictureMaker } from '../../packager/pictures/picture-maker.ts';
import { RecordedPictures } from '../../packager/pictures/recorded-pictures.ts';
import { planPoster } from '../../packager/recording/storyboard.ts';
import type { ObjectStore } from '../../packager/store/object-store.ts';
import type { Queryable } from '../platform/database/database.ts';
import type { JobKind, Jobs } from '../platform/jobs/jobs.ts';
import type { SecretDirectory } from '../videos/path-secrets.ts';
import type { VideoStore } from '../videos/video-store.ts';
import type { ClipPlaylists } from './clip-playlists.ts';
import { clipObjectName, clipPrefix } from './clip-row.ts';
import type { ClipPart, ClipStore } from './clip-store.ts';

const DATA = Type.Object({ clipId: Type.String() });

/** Settles a clip, and makes its picture. */
const PREPARE = { name: 'prepare-clip', data: DATA, retryLimit: 5, expireSeconds: 180 } as const satisfies JobKind;
/** Deletes the objects of earlier trims; of a deleted clip all, and then its row. */
const TIDY = { name: 'tidy-clip', data: DATA } as const satisfies JobKind;

/** The segment with the last picture is recorded then, and the next one. */
const PREPARE_AFTER_MS = 6000;
/** Between two looks whether the machine has time for the picture. */
const PAUSE_MS = 5000;
const POSTER_WIDTH_PIXELS = 1280;

type ClipJobsDependencies = {
	jobs: Pick<Jobs, 'define' | 'add'>;
	clips: () => ClipStore;
	playlists: () => Pick<ClipPlaylists, 'settled'>;
	directory: Pick<SecretDirectory<ClipPart>, 'forget'>;
	videos: Pick<VideoStore, 'tracks'>;
	store: Pick<ObjectStore, 'get' | 'put' | 'list' | 'delete'>;
	pictures: PictureMaker;
	/** False while media needs the machine. */
	mayWork: () => boolean;
	/** Why nothing may be stored now, as part of a sentence; undefined: it may. */
	refusal: () => Promise<string | undefined>;
	clock: Clock;
	logger: Logger;
};

export class ClipJobs {
	readonly #deps: ClipJobsDependencies;
	readonly #pictures: RecordedPictures;

	/** Defines its jobs: call it before the jobs start. */
	constructor(deps: ClipJobsDependencies) {
		this.#deps = deps;
		this.#pictures = new RecordedPictures({ store: deps.store, maker: deps.pictures });
		deps.jobs.define(PREPARE, ({ clipId }, { signal }) => this.#prepare(clipId, signal));
		deps.jobs.define(TIDY, ({ clipId }, { signal }) => this.#tidy(clipId, signal));
	}

	async prepare(handle: Queryable, clipId: string): Promise<void> {
		const startAfter = new Date(this.#deps.clock.nowMs() + PREPARE_AFTER_MS);
		await this.#deps.jobs.add(handle, PREPARE, { clipId }, { startAfter });
	}

	async tidy(handle: Queryable, clipId: string): Promise<void> {
		await this.#deps.jobs.add(handle, TIDY, { clipId });
	}

	async #prepare(clipId: string, signal: AbortSignal): Promise<void> {
		const { clips, playlists, videos, store, mayWork, clock } = this.#deps;
		const found = await clips().find(clipId);
		if (found === undefined) {
			return;
		}
		const clip = await playlists().settled(found);
		if (!clip.isSettled) {
			throw new Error('The last picture of the clip is not recorded yet.');
		}
		const tracks = await videos.tracks(clip.videoId, clip);
		const plan = planPoster(tracks, { count: 1, maxWidthPixels: POSTER_WIDTH_PIXELS });
		if (clip.hasPoster || plan === undefined) {
			return;
		}
		while (!mayWork()) {
			await sleep(clock, PAUSE_MS, signal);
		}
		const refusal = await this.#deps.refusal();
		if (refusal !== undefined) {
			throw new SpillwayError('OBJECT_STORE_FULL', [refusal]);
		}
		const name = clipObjectName(clip, 'jpg');
		const picture = await this.#pictures.poster(clip.videoId, plan, signal);
		signal.throwIfAborted();
		await store.put(name, picture);
		if (!(await clips().enterPoster(clip))) {
			// Trimmed or deleted meanwhile.
			await store.delete([name]);
		}
		this.#deps.directory.forget(clip.pathSecret);
	}

	async #tidy(clipId: string, signal: AbortSignal): Promise<void> {
		const { clips, store } = this.#deps;
		const clip = await clips().find(clipId);
		const kept = clip === undefined ? [] : [clipObjectName(clip, 'jpg'), clipObjectName(clip, 'mp4')];
		const names: string[] = [];
		for await (const name of store.list(clipPrefix(clipId))) {
			signal.throwIfAborted();
			if (!kept.includes(name)) {
				names.push(name);
			}
		}
		await store.delete(names);
		if (clip === undefined) {
			await clips().forget(clipId);
		}
	}
}
