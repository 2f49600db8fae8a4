/** MP4 files of clips: asked for by viewers, made by a job, kept until the clip is trimmed or deleted. */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Type } from 'typebox';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { errorMessage, SpillwayError } from '../../core/errors/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { exportClip } from '../../packager/clips/clip-export.ts';
import { recordedObjectName } from '../../packager/recording/journal-entry.ts';
import type { ObjectStore } from '../../packager/store/object-store.ts';
import type { Database } from '../platform/database/database.ts';
import type { JobKind, JobRun, Jobs } from '../platform/jobs/jobs.ts';
import type { SecretDirectory } from '../videos/path-secrets.ts';
import type { VideoStore } from '../videos/video-store.ts';
import { clipObjectName, type ClipRecord } from './clip-row.ts';
import type { ClipPart, ClipStore } from './clip-store.ts';

/** A person waits for it. */
const EXPORT = {
	name: 'export-clip',
	data: Type.Object({ clipId: Type.String(), trimNumber: Type.Integer() }),
	retryLimit: 1,
	retryDelaySeconds: 2,
	expireSeconds: 300,
} as const satisfies JobKind;

/** An export that takes longer has failed, with all its attempts. */
const GIVEN_UP_MS = 2.5 * EXPORT.expireSeconds * 1000;
/** Segments before the clip, back to the key frame that its first picture needs, and after it. */
const BEFORE_SECONDS = 30;
const AFTER_SECONDS = 4;

type ClipExportsDependencies = {
	database: Database;
	jobs: Pick<Jobs, 'define' | 'add'>;
	clips: () => Pick<ClipStore, 'find'>;
	directory: Pick<SecretDirectory<ClipPart>, 'forget'>;
	videos: Pick<VideoStore, 'tracks'>;
	store: Pick<ObjectStore, 'get' | 'put' | 'delete'>;
	/** For files on their way. */
	temporaryFolder: string;
	/** Why nothing may be stored now, as part of a sentence; undefined: it may. */
	refusal: () => Promise<string | undefined>;
	clock: Clock;
	logger: Logger;
};

export class ClipExports {
	readonly #deps: ClipExportsDependencies;

	/** Defines its job: call it before the jobs start. */
	constructor(deps: ClipExportsDependencies) {
		this.#deps = deps;
		deps.jobs.define(EXPORT, (data, run) => this.#make(data, run));
	}

	/** Has the file of a settled clip made, unless it is there or on its way. Throws OBJECT_STORE_FULL. */
	async request({ id, trimNumber }: ClipRecord): Promise<void> {
		const { database, jobs, clock } = this.#deps;
		const refusal = await this.#deps.refusal();
		if (refusal !== undefined) {
			throw new SpillwayError('OBJECT_STORE_FULL', [refusal]);
		}
		const now = clock.nowMs();
		await database.transaction(async (handle) => {
			const rows = await handle.query(
				`UPDATE clips SET export_state = 'making', export_asked_at = $3
				WHERE id = $1 AND trim_number = $2 AND deleted_at IS NULL AND (export_state IN ('none', 'failed')
					OR (export_state = 'making' AND export_asked_at < $4)) RETURNING id`,
				[id, trimNumber, new Date(now), new Date(now - GIVEN_UP_MS)],
			);
			if (rows.length > 0) {
				await jobs.add(handle, EXPORT, { clipId: id, trimNumber });
			}
		});
	}

	async #make({ clipId, trimNumber }: { clipId: string; trimNumber: number }, run: JobRun): Promise<void> {
		const clip = await this.#deps.clips().find(clipId);
		if (clip === undefined || clip.trimNumber !== trimNumber || clip.exportState === 'ready') {
			return;
		}
		try {
			await this.#export(clip, run);
		} catch (error) {
			this.#deps.logger.warn({ clipId, attempt: run.attempt, reason: errorMessage(error) }, 'a clip has no file yet');
			if (run.attempt > EXPORT.retryLimit) {
				await this.#enter(clip, 'failed', 0);
			}
			throw error;
		}
	}

	async #export(clip: ClipRecord, { id, signal }: JobRun): Promise<void> {
		const { videos, store, temporaryFolder, clock, logger } = this.#deps;
		const { videoId, startSeconds, endSeconds } = clip;
		const outputPath = join(temporaryFolder, `clip-${clip.id}-${id}.mp4`);
		const name = clipObjectName(clip, 'mp4');
		try {
			const segments = await videos.tracks(videoId, {
				startSeconds: startSeconds - BEFORE_SECONDS,
				endSeconds: endSeconds + AFTER_SECONDS,
			});
			const { sizeBytes } = await exportClip({
				segments,
				read: async (trackId, file) => (await store.get(recordedObjectName(videoId, trackId, file))).bytes,
				startSeconds,
				endSeconds,
				workFolder: temporaryFolder,
				outputPath,
				signal,
				logger,
				clock,
			});
			await store.put(name, await readFile(outputPath));
			if (!(await this.#enter(clip, 'ready', sizeBytes))) {
				// Trimmed or deleted meanwhile.
				await store.delete([name]);
			}
			logger.info({ clipId: clip.id, sizeBytes }, 'a clip has its file');
		} finally {
			await rm(outputPath, { force: true });
		}
	}

	/** False when there is no such trim any more. */
	async #enter({ id, trimNumber, pathSecret }: ClipRecord, state: 'ready' | 'failed', bytes: number): Promise<boolean> {
		const rows = await this.#deps.database.query(
			`UPDATE clips SET export_state = $3, export_bytes = $4 WHERE id = $1 AND trim_number = $2
			AND deleted_at IS NULL RETURNING id`,
			[id, trimNumber, state, bytes],
		);
		this.#deps.directory.forget(pathSecret);
		return rows.length > 0;
	}
}
