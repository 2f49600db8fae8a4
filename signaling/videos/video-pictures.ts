/** Posters and storyboards of videos: jobs that make them from the journal, and what the database knows of them. */
import { Type } from 'typebox';
import { sleep, type Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { PictureMaker } from '../../packager/pictures/picture-maker.ts';
import { RecordedPictures } from '../../packager/pictures/recorded-pictures.ts';
import { recordedObjectName } from '../../packager/recording/journal-entry.ts';
import {
	formatStoryboard,
	MAX_SHEETS,
	planPoster,
	planStoryboard,
	sheetCount,
	sheetName,
} from '../../packager/recording/storyboard.ts';
import type { ObjectStore } from '../../packager/store/object-store.ts';
import type { RecordedTrack } from '../../packager/vod/vod-playlist.ts';
import type { Database, Queryable } from '../platform/database/database.ts';
import type { JobKind, Jobs } from '../platform/jobs/jobs.ts';
import type { SecretDirectory } from './path-secrets.ts';
import type { VideoRecord } from './video-row.ts';
import type { VideoStore } from './video-store.ts';

const DATA = Type.Object({ videoId: Type.String() });

/** A first poster of a video that is being recorded. When it fails, the one at the end remains. */
const MAKE_FIRST_POSTER = {
	name: 'make-first-poster',
	data: DATA,
	retryLimit: 4,
	expireSeconds: 120,
} as const satisfies JobKind;

/** The poster and the storyboard of a complete video. Its sheets stay when an attempt fails. */
const MAKE_PICTURES = { name: 'make-video-pictures', data: DATA, expireSeconds: 1800 } as const satisfies JobKind;

/** Three or four segments are in the journal then. */
const FIRST_POSTER_AFTER_MS = 12_000;
/** Between two looks whether the machine has time for the next sheet. */
const PAUSE_MS = 5000;
const POSTER_WIDTH_PIXELS = 1280;
/** Pictures among which the poster is chosen. More cost more, and find little better. */
const POSTER_CANDIDATES = 8;

/** Names are written once: the poster at the end has another one. */
const FIRST_POSTER = 'poster1.jpg';
export const LAST_POSTER = 'poster2.jpg';
const STORYBOARD = 'storyboard.vtt';

type VideoPicturesDependencies = {
	database: Database;
	jobs: Pick<Jobs, 'define' | 'add'>;
	videos: Pick<VideoStore, 'find' | 'tracks'>;
	directory: Pick<SecretDirectory<VideoRecord>, 'forget'>;
	store: Pick<ObjectStore, 'get' | 'put' | 'delete'>;
	maker: PictureMaker;
	/** False while media needs the machine. */
	mayWork: () => boolean;
	/** Why nothing may be stored now, as part of a sentence; undefined: it may. */
	refusal: () => Promise<string | undefined>;
	clock: Clock;
	logger: Logger;
};

export class VideoPictures {
	readonly #deps: VideoPicturesDependencies;
	readonly #pictures: RecordedPictures;

	/** Defines its jobs: call it before the jobs start. */
	constructor(deps: VideoPicturesDependencies) {
		this.#deps = deps;
		this.#pictures = new RecordedPictures(deps);
		deps.jobs.define(MAKE_FIRST_POSTER, ({ videoId }, { signal }) => this.#makeFirstPoster(videoId, signal));
		deps.jobs.define(MAKE_PICTURES, ({ videoId }, { signal }) => this.#makeAll(videoId, signal));
	}

	/** `first`: for a video that begins. `all`: for one that is complete. In the transaction that says it. */
	async add(handle: Queryable, videoId: string, which: 'first' | 'all'): Promise<void> {
		const { jobs, clock } = this.#deps;
		if (which === 'all') {
			await jobs.add(handle, MAKE_PICTURES, { videoId });
		} else {
			const startAfter = new Date(clock.nowMs() + FIRST_POSTER_AFTER_MS);
			await jobs.add(handle, MAKE_FIRST_POSTER, { videoId }, { startAfter });
		}
	}

	async #makeFirstPoster(videoId: string, signal: AbortSignal): Promise<void> {
		const video = await this.#deps.videos.find(videoId);
		if (video === undefined || video.endedAt !== undefined || video.posterName !== undefined) {
			return;
		}
		const tracks = await this.#deps.videos.tracks(videoId);
		if (tracks.length === 0) {
			throw new Error('Nothing of the video is in the journal yet.');
		}
		if ((await this.#makePoster(video, tracks, FIRST_POSTER, signal)) !== undefined) {
			await this.#enterFirst(videoId);
		}
	}

	/** Again from where the last attempt stopped: what is in the store stays. */
	async #makeAll(videoId: string, signal: AbortSignal): Promise<void> {
		const { videos, store, logger } = this.#deps;
		const video = await videos.find(videoId);
		if (video === undefined) {
			// Deleted between two attempts.
			await this.#deleteAll(videoId);
			return;
		}
		const tracks = await videos.tracks(videoId);
		const plan = planStoryboard(tracks);
		if (video.endedAt === undefined || plan === undefined || video.sheetCount !== undefined) {
			return;
		}
		let sizeBytes = (await this.#makePoster(video, tracks, LAST_POSTER, signal)) ?? 0;
		const count = sheetCount(plan);
		for (let number = 1; number <= count; number++) {
			sizeBytes += await this.#makeOnce(videoId, sheetName(number), signal, () =>
				this.#pictures.sheet(videoId, plan, number, signal),
			);
		}
		await store.put(pictureObjectName(videoId, STORYBOARD), Buffer.from(formatStoryboard(plan)));
		await this.#enterAll(videoId, count, sizeBytes);
		logger.info({ videoId, sheetCount: count }, 'a video has its storyboard');
	}

	/** Bytes of it; undefined when the video has no picture. */
	async #makePoster(
		{ id }: VideoRecord,
		tracks: readonly RecordedTrack[],
		name: string,
		signal: AbortSignal,
	): Promise<number | undefined> {
		const plan = planPoster(tracks, { count: POSTER_CANDIDATES, maxWidthPixels: POSTER_WIDTH_PIXELS });
		return plan && this.#makeOnce(id, name, signal, () => this.#pictures.poster(id, plan, signal));
	}

	/** Makes a JPEG, unless the store has it whole. Returns its size. */
	async #makeOnce(
		videoId: string,
		name: string,
		signal: AbortSignal,
		make: () => Promise<Uint8Array>,
	): Promise<number> {
		const { store, mayWork, clock } = this.#deps;
		const objectName = pictureObjectName(videoId, name);
		const stored = await readJpeg(store, objectName);
		if (stored !== undefined) {
			return stored.length;
		}
		while (!mayWork()) {
			await sleep(clock, PAUSE_MS, signal);
		}
		const refusal = await this.#deps.refusal();
		if (refusal !== undefined) {
			throw new SpillwayError('OBJECT_STORE_FULL', [refusal]);
		}
		const made = await make();
		signal.throwIfAborted();
		await store.put(objectName, made);
		return made.length;
	}

	async #enterFirst(videoId: string): Promise<void> {
		const rows = await this.#deps.database.query<{ path_secret: string }>(
			'UPDATE videos SET poster_name = COALESCE(poster_name, $2) WHERE id = $1 AND deleted_at IS NULL RETURNING path_secret',
			[videoId, FIRST_POSTER],
		);
		await this.#afterEntry(videoId, rows);
	}

	/** Their bytes count as the video's, once. */
	async #enterAll(videoId: string, count: number, sizeBytes: number): Promise<void> {
		const rows = await this.#deps.database.query<{ path_secret: string }>(
			`UPDATE videos SET poster_name = $2, sheet_count = $3,
			size_bytes = size_bytes + CASE WHEN sheet_count IS NULL THEN $4::bigint ELSE 0 END
			WHERE id = $1 AND deleted_at IS NULL RETURNING path_secret`,
			[videoId, LAST_POSTER, count, sizeBytes],
		);
		await this.#afterEntry(videoId, rows);
	}

	/** The pictures of a video that was deleted meanwhile would stay for good. */
	async #afterEntry(videoId: string, [row]: readonly { path_secret: string }[]): Promise<void> {
		if (row === undefined) {
			await this.#deleteAll(videoId);
		} else {
			this.#deps.directory.forget(row.path_secret);
		}
	}

	async #deleteAll(videoId: string): Promise<void> {
		const sheets = Array.from({ length: MAX_SHEETS }, (_, index) => sheetName(index + 1));
		const names = [FIRST_POSTER, LAST_POSTER, STORYBOARD, ...sheets];
		await this.#deps.store.delete(names.map((name) => pictureObjectName(videoId, name)));
	}
}

/** Name in the object store. */
export function pictureObjectName(videoId: string, file: string): string {
	return recordedObjectName(videoId, 'pictures', file);
}

/** Undefined for none, and for one that was cut short. */
async function readJpeg(store: Pick<ObjectStore, 'get'>, name: string): Promise<Uint8Array | undefined> {
	try {
		const { bytes } = await store.get(name);
		const isWhole = bytes[0] === 0xff && bytes[1] === 0xd8 && bytes.at(-2) === 0xff && bytes.at(-1) === 0xd9;
		return isWhole ? bytes : undefined;
	} catch (error) {
		if (error instanceof SpillwayError && error.code === 'OBJECT_NOT_FOUND') {
			return undefined;
		}
		throw error;
	}
}
