/** Recordings in the database: videos and their journal. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { BroadcastId, ChannelId } from '../../core/ids.ts';
import type { VideoVisibility } from '../../core/protocol/api/video.ts';
import { recordedObjectName, type JournalEntry, type SegmentEntry } from '../../packager/recording/journal-entry.ts';
import { segmentName } from '../../packager/rendition/segment.ts';
import type { RecordedTrack, RecordedWindow } from '../../packager/vod/vod-playlist.ts';
import type { Database, Queryable } from '../platform/database/database.ts';
import { createPathSecret, isPathSecretRetired, retirePathSecrets } from './path-secrets.ts';
import {
	toTracks,
	toVideo,
	VIDEO_COLUMNS,
	type InitRow,
	type SegmentRow,
	type VideoRecord,
	type VideoRow,
	vodPath,
} from './video-row.ts';

/** Who may be recorded, and what is recorded of them. */
export type RecordingSetting = {
	/** The channel's own; undefined: as the account has it. */
	choice: boolean | undefined;
	/** An administrator, or approved for publishing. */
	isApproved: boolean;
	ownerId: string | undefined;
	title: string;
	category: string | undefined;
};

/** Clips of videos, for those who keep and delete videos. */
export interface VideoClips {
	/** The video is deleted for good, and they with it. In its transaction. */
	deleteAll(handle: Queryable, videoId: string): Promise<void>;
	/** Parts of the broadcast's timeline that they need. */
	windows(videoId: string): Promise<RecordedWindow[]>;
	/** What all addresses of their media begin with. `handle`: in its transaction. */
	paths(videoId: string, handle?: Queryable): Promise<string[]>;
	/** Who may see a video has changed on this node. */
	forget(): void;
}

type VideoStoreDependencies = {
	database: Database;
	clock: Clock;
	/** Adds the job that deletes a video's media, in the transaction that deletes the video. */
	deleteMedia: (handle: Queryable, videoId: string) => Promise<unknown>;
	/** Likewise those that make caches forget all addresses that begin so. */
	purge: (handle: Queryable, paths: readonly string[]) => Promise<unknown>;
	/** Likewise for its pictures: a first one in the transaction that makes the video, all in the one that ends it. */
	makePictures: (handle: Queryable, videoId: string, which: 'first' | 'all') => Promise<unknown>;
	clips: () => Pick<VideoClips, 'deleteAll' | 'paths'>;
};

/** The longest segment, with room. */
const MAX_SEGMENT_SECONDS = 4;
/** Around what clips need: back to the key frame of their first picture, and the sound that overlaps them. */
const KEPT_MARGIN_SECONDS = 20;
const IS_IN_WINDOWS = `EXISTS (
	SELECT 1 FROM jsonb_to_recordset($2::jsonb)
		AS windows("startSeconds" double precision, "endSeconds" double precision)
	WHERE start_seconds < "endSeconds" + ${KEPT_MARGIN_SECONDS}
	AND start_seconds + duration_seconds > "startSeconds" - ${KEPT_MARGIN_SECONDS})`;

const FROM_VIDEOS = 'FROM videos JOIN channels ON channels.id = channel_id';

/** Every method throws DATABASE_UNAVAILABLE when the database does not answer. Deleted videos are as none. */
export class VideoStore {
	readonly #deps: VideoStoreDependencies;

	constructor(deps: VideoStoreDependencies) {
		this.#deps = deps;
	}

	/** Undefined for an unknown channel. */
	async recordingSetting(channelId: ChannelId): Promise<RecordingSetting | undefined> {
		const [row] = await this.#deps.database.query<{
			is_recorded: boolean | null;
			owner_id: string | null;
			is_approved: boolean | null;
			title: string;
			category: string | null;
		}>(
			`SELECT is_recorded, owner_id, title, category,
			(SELECT role = 'admin' OR is_publishing_approved FROM users WHERE users.id = owner_id) AS is_approved
			FROM channels WHERE id = $1`,
			[channelId],
		);
		return (
			row && {
				choice: row.is_recorded ?? undefined,
				isApproved: row.is_approved === true,
				ownerId: row.owner_id ?? undefined,
				title: row.title,
				category: row.category ?? undefined,
			}
		);
	}

	/** `choice`: undefined for the account's. */
	async chooseRecording(channelId: ChannelId, choice: boolean | undefined): Promise<void> {
		await this.#deps.database.query('UPDATE channels SET is_recorded = $2 WHERE id = $1', [channelId, choice ?? null]);
	}

	/** Begins a recording. Does nothing when it has begun. */
	async create(video: {
		id: string;
		channelId: ChannelId;
		broadcastId: BroadcastId;
		title: string;
		category: string | undefined;
		startedAt: Date;
	}): Promise<void> {
		await this.#deps.database.transaction(async (handle) => {
			const rows = await handle.query(
				`INSERT INTO videos (id, channel_id, broadcast_id, title, category, visibility, path_secret, started_at)
				VALUES ($1, $2, $3, $4, $5, 'public', $6, $7) ON CONFLICT DO NOTHING RETURNING id`,
				[
					video.id,
					video.channelId,
					video.broadcastId,
					video.title,
					video.category ?? null,
					createPathSecret(),
					video.startedAt,
				],
			);
			if (rows.length > 0) {
				await this.#deps.makePictures(handle, video.id, 'first');
			}
		});
	}

	/** Adds to the journal of a recording that runs; `refused` when it has another owner, has ended, or is deleted. */
	async append(videoId: string, epoch: number, entries: readonly JournalEntry[]): Promise<'written' | 'refused'> {
		return this.#deps.database.transaction(async (handle) => {
			const [owned] = await handle.query(
				`SELECT id FROM videos WHERE id = $1 AND owner_epoch = $2 AND ended_at IS NULL AND deleted_at IS NULL
				FOR SHARE`,
				[videoId, epoch],
			);
			if (owned === undefined) {
				return 'refused';
			}
			const inits = entries.filter((entry) => entry.kind === 'init');
			if (inits.length > 0) {
				await handle.query(
					`INSERT INTO video_inits (video_id, track_id, name, facts)
					SELECT $1, "trackId", name, facts
					FROM jsonb_to_recordset($2::jsonb) AS entries("trackId" text, name text, facts jsonb)
					ON CONFLICT DO NOTHING`,
					[videoId, JSON.stringify(inits)],
				);
			}
			const segments = entries.filter((entry) => entry.kind === 'segment');
			if (segments.length > 0) {
				await handle.query(
					`INSERT INTO video_segments (video_id, track_id, media_sequence, run, init_name, start_seconds,
						duration_seconds, captured_at_ms, gap, size_bytes, hash)
					SELECT $1, "trackId", "mediaSequence", run, "initName", "startSeconds", "durationSeconds", "capturedAtMs",
						gap, "sizeBytes", decode(hash, 'hex')
					FROM jsonb_to_recordset($2::jsonb) AS entries("trackId" text, "mediaSequence" integer, run integer,
						"initName" text, "startSeconds" double precision, "durationSeconds" double precision,
						"capturedAtMs" bigint, gap text, "sizeBytes" integer, hash text)
					ON CONFLICT DO NOTHING`,
					[videoId, JSON.stringify(segments)],
				);
			}
			return 'written';
		});
	}

	/** Takes a recording over from its owner. Returns the new owner's epoch; undefined when it has ended. */
	async takeOver(videoId: string): Promise<number | undefined> {
		const [row] = await this.#deps.database.query<{ owner_epoch: number }>(
			'UPDATE videos SET owner_epoch = owner_epoch + 1 WHERE id = $1 AND ended_at IS NULL RETURNING owner_epoch',
			[videoId],
		);
		return row?.owner_epoch;
	}

	/** Recordings that have not ended though their broadcasts have, and got no segment for so long. */
	async listUnfinished(silentMs: number): Promise<string[]> {
		const sinceMs = Math.floor(this.#deps.clock.nowMs() - silentMs);
		const rows = await this.#deps.database.query<{ id: string }>(
			`SELECT videos.id FROM videos JOIN broadcasts ON broadcasts.id = broadcast_id
			WHERE videos.ended_at IS NULL AND deleted_at IS NULL AND broadcasts.ended_at IS NOT NULL
			AND videos.started_at < $1 AND NOT EXISTS (
				SELECT 1 FROM video_segments
				WHERE video_id = videos.id AND captured_at_ms + (duration_seconds * 1000)::bigint > $2::bigint
			) LIMIT 1000`,
			[new Date(sinceMs), sinceMs],
		);
		return rows.map(({ id }) => id);
	}

	/** The newest segments with bytes of each track, for a check that they are there. */
	async lastSegments(videoId: string, countPerTrack: number): Promise<Array<SegmentEntry & { hash: string }>> {
		const rows = await this.#deps.database.query<SegmentRow & { hash: Uint8Array }>(
			`SELECT * FROM (
				SELECT video_segments.*, row_number() OVER (PARTITION BY track_id ORDER BY media_sequence DESC) AS place
				FROM video_segments WHERE video_id = $1 AND gap IS NULL
			) AS placed WHERE place <= $2`,
			[videoId, countPerTrack],
		);
		return rows.map((row) => ({
			kind: 'segment',
			trackId: row.track_id,
			mediaSequence: row.media_sequence,
			run: row.run,
			initName: row.init_name,
			startSeconds: row.start_seconds,
			durationSeconds: row.duration_seconds,
			capturedAtMs: row.captured_at_ms,
			gap: null,
			sizeBytes: row.size_bytes,
			hash: Buffer.from(row.hash).toString('hex'),
		}));
	}

	/** The segment's bytes are not there. */
	async markLost(
		videoId: string,
		{ trackId, mediaSequence }: Pick<SegmentEntry, 'trackId' | 'mediaSequence'>,
	): Promise<void> {
		await this.#deps.database.query(
			`UPDATE video_segments SET gap = 'lost', size_bytes = 0, hash = '' WHERE video_id = $1 AND track_id = $2
			AND media_sequence = $3`,
			[videoId, trackId, mediaSequence],
		);
	}

	/**
	 * Ends a recording. One without any media is deleted instead: then the answer is false. `retentionDays`: until it is
	 * deleted, unless it is kept.
	 */
	async finish(videoId: string, retentionDays: number): Promise<boolean> {
		return this.#deps.database.transaction(async (handle) => {
			const [sums] = await handle.query<{ ended_at_ms: number | null; seconds: number | null; bytes: number | null }>(
				`SELECT max(captured_at_ms + (duration_seconds * 1000)::bigint) FILTER (WHERE gap IS NULL) AS ended_at_ms,
				max(start_seconds + duration_seconds) FILTER (WHERE gap IS NULL)
					- min(start_seconds) FILTER (WHERE gap IS NULL) AS seconds,
				sum(size_bytes)::bigint AS bytes
				FROM video_segments WHERE video_id = $1`,
				[videoId],
			);
			const nowMs = this.#deps.clock.nowMs();
			if (sums === undefined || sums.ended_at_ms === null) {
				await handle.query('UPDATE videos SET ended_at = $2, deleted_at = $2 WHERE id = $1 AND ended_at IS NULL', [
					videoId,
					new Date(nowMs),
				]);
				await this.#deps.deleteMedia(handle, videoId);
				return false;
			}
			await handle.query(
				`UPDATE videos SET ended_at = $2, duration_seconds = $3, size_bytes = $4, expires_at = $5,
				missing_seconds = (SELECT COALESCE(max(seconds), 0) FROM (
					SELECT sum(duration_seconds) AS seconds FROM video_segments
					WHERE video_id = $1 AND gap IN ('not-stored', 'lost') GROUP BY track_id) AS missing)
				WHERE id = $1 AND ended_at IS NULL`,
				[videoId, new Date(sums.ended_at_ms), sums.seconds, sums.bytes, new Date(nowMs + retentionDays * 86_400_000)],
			);
			await this.#deps.makePictures(handle, videoId, 'all');
			return true;
		});
	}

	async find(id: string): Promise<VideoRecord | undefined> {
		return this.#findOne('videos.id', id);
	}

	/** `gone`: the address was valid once. */
	async findBySecret(pathSecret: string): Promise<VideoRecord | 'gone' | undefined> {
		const video = await this.#findOne('path_secret', pathSecret);
		if (video !== undefined) {
			return video;
		}
		return (await isPathSecretRetired(this.#deps.database, pathSecret)) ? 'gone' : undefined;
	}

	/** Newest first. `before`: only older ones than this. */
	async list(
		channelId: ChannelId,
		{ isOwner, before, limit }: { isOwner: boolean; before: string | undefined; limit: number },
	): Promise<VideoRecord[]> {
		const rows = await this.#deps.database.query<VideoRow>(
			`SELECT ${VIDEO_COLUMNS} ${FROM_VIDEOS} WHERE channel_id = $1 AND deleted_at IS NULL
			AND ($2::text IS NULL OR videos.id < $2) AND ($3 OR visibility = 'public') ORDER BY videos.id DESC LIMIT $4`,
			[channelId, before ?? null, isOwner, limit],
		);
		return rows.map(toVideo);
	}

	/** The one of a broadcast that is being recorded. */
	async findUnfinished(channelId: ChannelId): Promise<VideoRecord | undefined> {
		const [row] = await this.#deps.database.query<VideoRow>(
			`SELECT ${VIDEO_COLUMNS} ${FROM_VIDEOS} WHERE channel_id = $1 AND ended_at IS NULL AND deleted_at IS NULL
			ORDER BY videos.id DESC LIMIT 1`,
			[channelId],
		);
		return row && toVideo(row);
	}

	/** `window`: only the segments in it, and what they need. */
	async tracks(videoId: string, window?: RecordedWindow): Promise<RecordedTrack[]> {
		const { database } = this.#deps;
		const { startSeconds, endSeconds } = window ?? { startSeconds: -Infinity, endSeconds: Infinity };
		const [inits, segments] = await Promise.all([
			database.query<InitRow>(
				'SELECT track_id, name, facts FROM video_inits WHERE video_id = $1 ORDER BY track_id, length(name), name',
				[videoId],
			),
			database.query<SegmentRow>(
				`SELECT track_id, media_sequence, run, init_name, start_seconds, duration_seconds, captured_at_ms, gap,
				size_bytes FROM video_segments WHERE video_id = $1
				AND start_seconds BETWEEN $2::double precision - ${MAX_SEGMENT_SECONDS} AND $3
				AND start_seconds + duration_seconds >= $2
				ORDER BY track_id, media_sequence`,
				[videoId, startSeconds, endSeconds],
			),
		]);
		const used = new Set(segments.map((row) => `${row.track_id}/${row.init_name}`));
		return toTracks(
			window === undefined ? inits : inits.filter((row) => used.has(`${row.track_id}/${row.name}`)),
			segments,
		);
	}

	/** Start of the newest segment that had begun when that was captured, by its date; undefined when all came later. */
	async startBefore(videoId: string, capturedAtMs: number): Promise<number | undefined> {
		const [row] = await this.#deps.database.query<{ start_seconds: number }>(
			`SELECT start_seconds FROM video_segments WHERE video_id = $1 AND captured_at_ms <= $2::double precision
			ORDER BY start_seconds DESC LIMIT 1`,
			[videoId, capturedAtMs],
		);
		return row?.start_seconds;
	}

	/** Where a track's first segment with bytes begins. */
	async trackStart(videoId: string, trackId: string): Promise<number | undefined> {
		const [row] = await this.#deps.database.query<{ start_seconds: number }>(
			`SELECT start_seconds FROM video_segments WHERE video_id = $1 AND track_id = $2 AND gap IS NULL
			ORDER BY start_seconds LIMIT 1`,
			[videoId, trackId],
		);
		return row?.start_seconds;
	}

	/** Absent fields stay. A new visibility makes new addresses; the old ones are gone. */
	async change(
		id: string,
		change: { title?: string; visibility?: VideoVisibility; isKept?: boolean },
	): Promise<VideoRecord | undefined> {
		return this.#deps.database.transaction(async (handle) => {
			const [before] = await handle.query<{ path_secret: string; visibility: VideoVisibility }>(
				'SELECT path_secret, visibility FROM videos WHERE id = $1 AND deleted_at IS NULL FOR UPDATE',
				[id],
			);
			if (before === undefined) {
				return undefined;
			}
			let pathSecret = before.path_secret;
			if (change.visibility !== undefined && change.visibility !== before.visibility) {
				pathSecret = createPathSecret();
				await retirePathSecrets(handle, [before.path_secret], this.#now());
				await this.#deps.purge(handle, [vodPath(before.path_secret), ...(await this.#deps.clips().paths(id, handle))]);
			}
			await handle.query(
				`UPDATE videos SET title = COALESCE($2, title), visibility = COALESCE($3, visibility),
				is_kept = COALESCE($4, is_kept), path_secret = $5 WHERE id = $1`,
				[id, change.title ?? null, change.visibility ?? null, change.isKept ?? null, pathSecret],
			);
			const [row] = await handle.query<VideoRow>(`SELECT ${VIDEO_COLUMNS} ${FROM_VIDEOS} WHERE videos.id = $1`, [id]);
			return row && toVideo(row);
		});
	}

	/**
	 * From now on there is no such video; its objects are deleted afterwards. `expired`: its clips stay, with what they
	 * need. False when there was none.
	 */
	async delete(id: string, reason: 'wanted' | 'expired'): Promise<boolean> {
		return this.#deps.database.transaction(async (handle) => {
			const [row] = await handle.query<{ path_secret: string }>(
				`UPDATE videos SET deleted_at = $2, ended_at = COALESCE(ended_at, $2) WHERE id = $1 AND deleted_at IS NULL
				RETURNING path_secret`,
				[id, this.#now()],
			);
			if (row !== undefined) {
				await retirePathSecrets(handle, [row.path_secret], this.#now());
				if (reason === 'wanted') {
					await this.#deps.clips().deleteAll(handle, id);
				}
				await this.#deps.purge(handle, [vodPath(row.path_secret)]);
				await this.#deps.deleteMedia(handle, id);
			}
			return row !== undefined;
		});
	}

	/** Videos whose time is over. */
	async listExpired(): Promise<string[]> {
		const rows = await this.#deps.database.query<{ id: string }>(
			`SELECT id FROM videos WHERE deleted_at IS NULL AND NOT is_kept AND expires_at < $1 ORDER BY expires_at LIMIT 100`,
			[this.#now()],
		);
		return rows.map(({ id }) => id);
	}

	/** Forgets a deleted video, whose objects are gone. */
	async forget(id: string): Promise<void> {
		await this.#deps.database.query('DELETE FROM videos WHERE id = $1 AND deleted_at IS NOT NULL', [id]);
	}

	/** Names of the objects of those parts. */
	async objectsWithin(id: string, windows: readonly RecordedWindow[]): Promise<Set<string>> {
		const rows = await this.#deps.database.query<{
			track_id: string;
			media_sequence: number;
			init_name: string | null;
		}>(
			`SELECT track_id, media_sequence, init_name FROM video_segments
			WHERE video_id = $1 AND gap IS NULL AND ${IS_IN_WINDOWS}`,
			[id, JSON.stringify(windows)],
		);
		return new Set(
			rows.flatMap(({ track_id: trackId, media_sequence: mediaSequence, init_name: initName }) =>
				[segmentName(mediaSequence), ...(initName === null ? [] : [initName])].map((file) =>
					recordedObjectName(id, trackId, file),
				),
			),
		);
	}

	/** Of a deleted video only those parts are left. */
	async keepWindows(id: string, windows: readonly RecordedWindow[]): Promise<void> {
		await this.#deps.database.transaction(async (handle) => {
			await handle.query(`DELETE FROM video_segments WHERE video_id = $1 AND NOT ${IS_IN_WINDOWS}`, [
				id,
				JSON.stringify(windows),
			]);
			await handle.query(
				`UPDATE videos SET has_clips = true,
				size_bytes = (SELECT COALESCE(sum(size_bytes), 0)::bigint FROM video_segments WHERE video_id = $1)
				WHERE id = $1 AND deleted_at IS NOT NULL`,
				[id],
			);
		});
	}

	/** Bytes of all videos, and of those on channels of an owner. Those of running recordings are not counted. */
	async usage(ownerId: string | undefined): Promise<{ totalBytes: number; ownerBytes: number }> {
		const [row] = await this.#deps.database.query<{ total: number; own: number }>(
			`SELECT COALESCE(sum(size_bytes), 0)::bigint AS total,
			COALESCE(sum(size_bytes) FILTER (WHERE channels.owner_id = $1), 0)::bigint AS own
			${FROM_VIDEOS} WHERE deleted_at IS NULL OR has_clips`,
			[ownerId ?? null],
		);
		return { totalBytes: row?.total ?? 0, ownerBytes: row?.own ?? 0 };
	}

	async #findOne(column: 'videos.id' | 'path_secret', value: string): Promise<VideoRecord | undefined> {
		const [row] = await this.#deps.database.query<VideoRow>(
			`SELECT ${VIDEO_COLUMNS} ${FROM_VIDEOS} WHERE ${column} = $1 AND deleted_at IS NULL`,
			[value],
		);
		return row && toVideo(row);
	}

	#now(): Date {
		return new Date(this.#deps.clock.nowMs());
	}
}
