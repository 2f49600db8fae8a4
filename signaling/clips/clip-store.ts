/** Clips in the database. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import type { ChannelId } from '../../core/ids.ts';
import type { CaptureClock } from '../../packager/vod/recorded-frames.ts';
import type { RecordedWindow } from '../../packager/vod/vod-playlist.ts';
import type { Database, Queryable } from '../platform/database/database.ts';
import { createPathSecret, isPathSecretRetired, retirePathSecrets } from '../videos/path-secrets.ts';
import {
	CLIP_COLUMNS,
	clipPath,
	FROM_CLIPS,
	toClip,
	type ClipRecord,
	type ClipRow,
	type ClipTimes,
} from './clip-row.ts';

export type ClipReportRecord = { reason: string; reportedAt: Date };

type NewClip = ClipTimes & {
	id: string;
	channelId: ChannelId;
	videoId: string;
	creatorId: string;
	title: string;
	category: string | undefined;
	askedMs: number;
	askedClock: CaptureClock;
};

/** What is behind an address: the clip, or what it can be trimmed from. */
export type ClipPart = { clip: ClipRecord; part: 'clip' | 'source' };

type ClipStoreDependencies = {
	database: Database;
	clock: Clock;
	/** Adds a job in the transaction: what is left of a clip, or of a deleted video, is no longer needed. */
	tidyClip: (handle: Queryable, clipId: string) => Promise<unknown>;
	tidyVideo: (handle: Queryable, videoId: string) => Promise<unknown>;
	/** Adds the job that settles a new clip, or one with a new trim, and makes its picture. */
	prepare: (handle: Queryable, clipId: string) => Promise<unknown>;
};

const DAY_MS = 86_400_000;
/** Reports of a clip that are shown. */
const MAX_REPORTS = 20;
/** Of an unsettled clip, whose end may be later than its estimate. */
const UNSETTLED_SECONDS = 5;
/** A video that everybody clips has its clips' addresses purged up to this many; caches forget the others in a day. */
const MAX_PATHS = 1000;

/** Every method throws DATABASE_UNAVAILABLE when the database does not answer. Deleted clips are as none. */
export class ClipStore {
	readonly #deps: ClipStoreDependencies;

	constructor(deps: ClipStoreDependencies) {
		this.#deps = deps;
	}

	/** Throws VIDEO_NOT_FOUND when the video was deleted meanwhile, and LIMIT_REACHED. */
	async create(clip: NewClip, { maxPerDay }: { maxPerDay: number }): Promise<void> {
		const now = this.#now();
		await this.#deps.database.transaction(async (handle) => {
			// Neither is deleted before the clip is there: two requests of one user count each other.
			const videos = await handle.query('SELECT id FROM videos WHERE id = $1 AND deleted_at IS NULL FOR SHARE', [
				clip.videoId,
			]);
			await handle.query('SELECT id FROM users WHERE id = $1 FOR NO KEY UPDATE', [clip.creatorId]);
			const [counted] = await handle.query<{ count: number }>(
				'SELECT count(*)::bigint AS count FROM clips WHERE creator_id = $1 AND created_at > $2',
				[clip.creatorId, new Date(now.getTime() - DAY_MS)],
			);
			if (videos.length === 0) {
				throw new SpillwayError('VIDEO_NOT_FOUND');
			}
			if (counted!.count >= maxPerDay) {
				throw new SpillwayError('LIMIT_REACHED', [`an account makes at most ${maxPerDay} clips a day`]);
			}
			await handle.query(
				`INSERT INTO clips (id, channel_id, video_id, creator_id, title, category, created_at, asked_ms, asked_clock,
					is_settled, started_at, start_seconds, end_seconds, source_start_seconds, source_end_seconds, origin_seconds,
					source_origin_seconds, video_origin_seconds, frame_seconds, path_secret, source_secret)
				VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21)`,
				[
					...[clip.id, clip.channelId, clip.videoId, clip.creatorId, clip.title, clip.category ?? null, now],
					...[clip.askedMs, clip.askedClock, clip.isSettled, clip.startedAt, clip.startSeconds, clip.endSeconds],
					...[clip.sourceStartSeconds, clip.sourceEndSeconds, clip.originSeconds, clip.sourceOriginSeconds],
					...[clip.videoOriginSeconds, clip.frameSeconds, createPathSecret(), createPathSecret()],
				],
			);
			await this.#deps.prepare(handle, clip.id);
		});
	}

	async find(id: string): Promise<ClipRecord | undefined> {
		const [row] = await this.#deps.database.query<ClipRow>(
			`SELECT ${CLIP_COLUMNS} ${FROM_CLIPS} WHERE clips.id = $1 AND clips.deleted_at IS NULL`,
			[id],
		);
		return row && toClip(row);
	}

	/** `gone`: the address was valid once. */
	async findBySecret(secret: string): Promise<ClipPart | 'gone' | undefined> {
		const { database } = this.#deps;
		const [row] = await database.query<ClipRow>(
			`SELECT ${CLIP_COLUMNS} ${FROM_CLIPS}
			WHERE (clips.path_secret = $1 OR source_secret = $1) AND clips.deleted_at IS NULL`,
			[secret],
		);
		if (row !== undefined) {
			return { clip: toClip(row), part: row.source_secret === secret ? 'source' : 'clip' };
		}
		return (await isPathSecretRetired(database, secret)) ? 'gone' : undefined;
	}

	/** Newest first. `seesAll`: also those of videos that are not public. `before`: only older ones than this. */
	async list(
		channelId: ChannelId,
		{ seesAll, before, limit }: { seesAll: boolean; before: string | undefined; limit: number },
	): Promise<ClipRecord[]> {
		const rows = await this.#deps.database.query<ClipRow>(
			`SELECT ${CLIP_COLUMNS} ${FROM_CLIPS} WHERE clips.channel_id = $1 AND clips.deleted_at IS NULL
			AND ($2::text IS NULL OR clips.id < $2) AND ($3 OR videos.visibility = 'public')
			ORDER BY clips.id DESC LIMIT $4`,
			[channelId, before ?? null, seesAll, limit],
		);
		return rows.map(toClip);
	}

	/** Its last picture is known now. Does nothing when it was before. */
	async settle(
		id: string,
		{ endSeconds, frameSeconds }: Pick<ClipTimes, 'endSeconds' | 'frameSeconds'>,
	): Promise<ClipRecord | undefined> {
		await this.#deps.database.query(
			`UPDATE clips SET is_settled = true, end_seconds = $2, source_end_seconds = $2, frame_seconds = $3
			WHERE id = $1 AND NOT is_settled`,
			[id, endSeconds, frameSeconds],
		);
		return this.find(id);
	}

	async rename(id: string, title: string): Promise<ClipRecord | undefined> {
		await this.#deps.database.query('UPDATE clips SET title = $2 WHERE id = $1', [id, title]);
		return this.find(id);
	}

	/** New addresses; the old ones of the clip are gone, and so are its picture and its file. */
	async trim(
		id: string,
		times: Pick<ClipTimes, 'startSeconds' | 'endSeconds' | 'originSeconds' | 'startedAt'>,
	): Promise<ClipRecord | undefined> {
		await this.#deps.database.transaction(async (handle) => {
			const [before] = await handle.query<{ path_secret: string }>(
				'SELECT path_secret FROM clips WHERE id = $1 AND deleted_at IS NULL FOR UPDATE',
				[id],
			);
			if (before === undefined) {
				return;
			}
			await retirePathSecrets(handle, [before.path_secret], this.#now());
			await handle.query(
				`UPDATE clips SET start_seconds = $2, end_seconds = $3, origin_seconds = $4, started_at = $5, path_secret = $6,
				trim_number = trim_number + 1, has_poster = false, export_state = 'none', export_asked_at = NULL, export_bytes = 0
				WHERE id = $1`,
				[id, times.startSeconds, times.endSeconds, times.originSeconds, times.startedAt, createPathSecret()],
			);
			await this.#deps.tidyClip(handle, id);
			await this.#deps.prepare(handle, id);
		});
		return this.find(id);
	}

	/** From now on there is no such clip; its objects are deleted afterwards. False when there was none. */
	async delete(id: string): Promise<boolean> {
		return this.#deps.database.transaction(async (handle) => {
			const [deleted] = await this.#delete(handle, 'id', id);
			const [video] =
				deleted === undefined
					? []
					: await handle.query<{ id: string }>('SELECT id FROM videos WHERE id = $1 AND deleted_at IS NOT NULL', [
							deleted.video_id,
						]);
			if (video !== undefined) {
				await this.#deps.tidyVideo(handle, video.id);
			}
			return deleted !== undefined;
		});
	}

	/** With their video, in its transaction. */
	async deleteAll(handle: Queryable, videoId: string): Promise<void> {
		await this.#delete(handle, 'video_id', videoId);
	}

	/** Parts of the video's timeline that its clips need. */
	async windows(videoId: string): Promise<RecordedWindow[]> {
		const rows = await this.#deps.database.query<{ from_seconds: number; to_seconds: number; is_settled: boolean }>(
			`SELECT source_start_seconds AS from_seconds, source_end_seconds AS to_seconds, is_settled FROM clips
			WHERE video_id = $1 AND deleted_at IS NULL`,
			[videoId],
		);
		return rows.map(({ from_seconds: startSeconds, to_seconds: endSeconds, is_settled: isSettled }) => ({
			startSeconds,
			endSeconds: isSettled ? endSeconds : endSeconds + UNSETTLED_SECONDS,
		}));
	}

	/** What all addresses of media of the video's clips begin with, the newest first. */
	async paths(videoId: string): Promise<string[]> {
		const rows = await this.#deps.database.query<{ path_secret: string; source_secret: string }>(
			`SELECT path_secret, source_secret FROM clips WHERE video_id = $1 AND deleted_at IS NULL
			ORDER BY id DESC LIMIT ${MAX_PATHS / 2}`,
			[videoId],
		);
		return rows.flatMap((row) => [clipPath(row.path_secret), clipPath(row.source_secret)]);
	}

	/** The first report of a user counts. */
	async report(clipId: string, userId: string, reason: string): Promise<void> {
		await this.#deps.database.query(
			`INSERT INTO clip_reports (clip_id, user_id, reason, reported_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT DO NOTHING`,
			[clipId, userId, reason, this.#now()],
		);
	}

	/** By clip, the newest first. */
	async reports(clipIds: readonly string[]): Promise<ReadonlyMap<string, ClipReportRecord[]>> {
		const rows = await this.#deps.database.query<{ clip_id: string; reason: string; reported_at: Date }>(
			`SELECT clip_id, reason, reported_at FROM (
				SELECT clip_reports.*, row_number() OVER (PARTITION BY clip_id ORDER BY reported_at DESC, user_id) AS place
				FROM clip_reports WHERE clip_id = ANY($1)
			) AS placed WHERE place <= ${MAX_REPORTS} ORDER BY place`,
			[clipIds],
		);
		const byClip = Map.groupBy(rows, (row) => row.clip_id);
		return new Map(
			[...byClip].map(([id, own]) => [id, own.map(({ reason, reported_at: reportedAt }) => ({ reason, reportedAt }))]),
		);
	}

	/** The store has the picture of that trim. False when there is no such trim any more. */
	async enterPoster({ id, trimNumber }: Pick<ClipRecord, 'id' | 'trimNumber'>): Promise<boolean> {
		const rows = await this.#deps.database.query(
			`UPDATE clips SET has_poster = true WHERE id = $1 AND trim_number = $2 AND deleted_at IS NULL RETURNING id`,
			[id, trimNumber],
		);
		return rows.length > 0;
	}

	/** Forgets a deleted clip, whose objects are gone. */
	async forget(id: string): Promise<void> {
		await this.#deps.database.query('DELETE FROM clips WHERE id = $1 AND deleted_at IS NOT NULL', [id]);
	}

	async #delete(handle: Queryable, column: 'id' | 'video_id', value: string): Promise<{ video_id: string }[]> {
		const now = this.#now();
		const rows = await handle.query<{ id: string; video_id: string; path_secret: string; source_secret: string }>(
			`UPDATE clips SET deleted_at = $2 WHERE ${column} = $1 AND deleted_at IS NULL
			RETURNING id, video_id, path_secret, source_secret`,
			[value, now],
		);
		if (rows.length > 0) {
			await retirePathSecrets(
				handle,
				rows.flatMap((row) => [row.path_secret, row.source_secret]),
				now,
			);
		}
		for (const { id } of rows) {
			await this.#deps.tidyClip(handle, id);
		}
		return rows;
	}

	#now(): Date {
		return new Date(this.#deps.clock.nowMs());
	}
}
