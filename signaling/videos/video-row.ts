/** Rows of the tables of recordings, and what they become. Pure. */
import type { TrackId } from '../../core/media/access-unit.ts';
import type { BroadcastId, ChannelId, ChannelName } from '../../core/ids.ts';
import type { VideoVisibility } from '../../core/protocol/api/video.ts';
import type { RecordedFacts } from '../../packager/recording/journal-entry.ts';
import type { RecordedSegment, RecordedTrack } from '../../packager/vod/vod-playlist.ts';

/** The recording of one broadcast. */
export type VideoRecord = {
	id: string;
	channelId: ChannelId;
	channelName: ChannelName;
	ownerId: string | undefined;
	broadcastId: BroadcastId;
	title: string;
	category: string | undefined;
	visibility: VideoVisibility;
	/** Part of the addresses of its media: 128 random bits. */
	pathSecret: string;
	startedAt: Date;
	/** Undefined while it is being recorded. */
	endedAt: Date | undefined;
	durationSeconds: number;
	missingSeconds: number;
	sizeBytes: number;
	isKept: boolean;
	expiresAt: Date | undefined;
	/** File name of its poster; undefined while there is none. */
	posterName: string | undefined;
	/** Sheets of its storyboard; undefined while that is not whole, or there is none. */
	sheetCount: number | undefined;
};

/** A row of {@link VIDEO_COLUMNS}. */
export type VideoRow = {
	id: string;
	channel_id: ChannelId;
	channel_name: ChannelName;
	owner_id: string | null;
	broadcast_id: BroadcastId;
	title: string;
	category: string | null;
	visibility: VideoVisibility;
	path_secret: string;
	started_at: Date;
	ended_at: Date | null;
	duration_seconds: number;
	missing_seconds: number;
	size_bytes: number;
	is_kept: boolean;
	expires_at: Date | null;
	poster_name: string | null;
	sheet_count: number | null;
};

/** The columns for {@link toVideo}, in queries `FROM videos JOIN channels ON channels.id = channel_id`. */
export const VIDEO_COLUMNS = `videos.id, channel_id, channels.name AS channel_name, channels.owner_id, broadcast_id,
	videos.title, videos.category, visibility, path_secret, started_at, ended_at, duration_seconds, missing_seconds,
	size_bytes, is_kept, expires_at, poster_name, sheet_count`;

export function toVideo(row: VideoRow): VideoRecord {
	return {
		id: row.id,
		channelId: row.channel_id,
		channelName: row.channel_name,
		ownerId: row.owner_id ?? undefined,
		broadcastId: row.broadcast_id,
		title: row.title,
		category: row.category ?? undefined,
		visibility: row.visibility,
		pathSecret: row.path_secret,
		startedAt: row.started_at,
		endedAt: row.ended_at ?? undefined,
		durationSeconds: row.duration_seconds,
		missingSeconds: row.missing_seconds,
		sizeBytes: row.size_bytes,
		isKept: row.is_kept,
		expiresAt: row.expires_at ?? undefined,
		posterName: row.poster_name ?? undefined,
		sheetCount: row.sheet_count ?? undefined,
	};
}

export type InitRow = { track_id: TrackId; name: string; facts: RecordedFacts };

export type SegmentRow = {
	track_id: TrackId;
	media_sequence: number;
	run: number;
	init_name: string | null;
	start_seconds: number;
	duration_seconds: number;
	captured_at_ms: number;
	gap: string | null;
	size_bytes: number;
};

/** `segments` in the order of their media sequence numbers. Tracks without an init segment are left out. */
export function toTracks(inits: readonly InitRow[], segments: readonly SegmentRow[]): RecordedTrack[] {
	const byTrack = Map.groupBy(segments, (row) => row.track_id);
	return [...Map.groupBy(inits, (row) => row.track_id)].map(([trackId, rows]) => {
		const { rung } = rows[0]!.facts;
		const frameRate = rows.map(({ facts }) => facts.frameRate).find((rate) => rate !== null) ?? null;
		return {
			trackId,
			facts: rows.map(({ facts }) => facts),
			rung,
			frameRate,
			segments: (byTrack.get(trackId) ?? []).map(toSegment),
		};
	});
}

function toSegment(row: SegmentRow): RecordedSegment {
	return {
		mediaSequence: row.media_sequence,
		run: row.run,
		initName: row.init_name,
		startSeconds: row.start_seconds,
		durationSeconds: row.duration_seconds,
		capturedAtMs: row.captured_at_ms,
		isGap: row.gap !== null,
		sizeBytes: row.size_bytes,
	};
}

/** Where the playlists and media of a video are. */
export function vodPath(pathSecret: string): string {
	return `/vod/${pathSecret}/`;
}
