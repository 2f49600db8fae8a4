/** Rows of the table of clips, and what they become. Pure. */
import type { ChannelId, ChannelName } from '../../core/ids.ts';
import type { Clip } from '../../core/protocol/api/clip.ts';
import type { VideoVisibility } from '../../core/protocol/api/video.ts';
import type { CaptureClock } from '../../packager/vod/recorded-frames.ts';

/** Where a clip is on its broadcast's timeline, in seconds. */
export type ClipTimes = {
	startSeconds: number;
	/** Where its last picture ends; an estimate while it is not settled. */
	endSeconds: number;
	/** What it can be trimmed from. */
	sourceStartSeconds: number;
	sourceEndSeconds: number;
	/** Where the playlists of the two begin, and that of the video. */
	originSeconds: number;
	sourceOriginSeconds: number;
	videoOriginSeconds: number;
	/** Between two pictures. */
	frameSeconds: number;
	/** When its first picture was captured. */
	startedAt: Date;
	/** The segment with its last picture is recorded. */
	isSettled: boolean;
};

export type ClipRecord = ClipTimes & {
	id: string;
	channelId: ChannelId;
	channelName: ChannelName;
	ownerId: string | undefined;
	videoId: string;
	/** Of its video, which says who may see the clip. */
	visibility: VideoVisibility;
	/** The video's time was over; only clips of it are left. */
	isVideoDeleted: boolean;
	/** The video is being recorded. */
	isVideoGrowing: boolean;
	/** Undefined when the account is gone. */
	creatorId: string | undefined;
	creatorName: string | undefined;
	title: string;
	category: string | undefined;
	createdAt: Date;
	/** When the picture that it was made at was captured, by the clock of the viewer's tier. */
	askedMs: number;
	askedClock: CaptureClock;
	/** Parts of addresses: of the clip, and of what it can be trimmed from. */
	pathSecret: string;
	sourceSecret: string;
	/** Trims so far. */
	trimNumber: number;
	hasPoster: boolean;
	exportState: Clip['exportState'];
	exportAskedAt: Date | undefined;
	exportBytes: number;
};

/** A row of {@link CLIP_COLUMNS}. */
export type ClipRow = {
	id: string;
	channel_id: ChannelId;
	channel_name: ChannelName;
	owner_id: string | null;
	video_id: string;
	visibility: VideoVisibility;
	video_deleted_at: Date | null;
	video_ended_at: Date | null;
	creator_id: string | null;
	creator_name: string | null;
	title: string;
	category: string | null;
	created_at: Date;
	asked_ms: number;
	asked_clock: CaptureClock;
	is_settled: boolean;
	started_at: Date;
	start_seconds: number;
	end_seconds: number;
	source_start_seconds: number;
	source_end_seconds: number;
	origin_seconds: number;
	source_origin_seconds: number;
	video_origin_seconds: number;
	frame_seconds: number;
	path_secret: string;
	source_secret: string;
	trim_number: number;
	has_poster: boolean;
	export_state: Clip['exportState'];
	export_asked_at: Date | null;
	export_bytes: number;
};

/** The columns for {@link toClip}, in queries {@link FROM_CLIPS}. */
export const CLIP_COLUMNS = `clips.id, clips.channel_id, channels.name AS channel_name, channels.owner_id, video_id,
	videos.visibility, videos.deleted_at AS video_deleted_at, videos.ended_at AS video_ended_at, creator_id,
	users.name AS creator_name, clips.title, clips.category, clips.created_at, asked_ms, asked_clock, is_settled,
	clips.started_at, start_seconds, end_seconds, source_start_seconds, source_end_seconds, origin_seconds,
	source_origin_seconds, video_origin_seconds, frame_seconds, clips.path_secret, source_secret, trim_number, has_poster,
	export_state, export_asked_at, export_bytes`;

export const FROM_CLIPS = `FROM clips JOIN channels ON channels.id = clips.channel_id
	JOIN videos ON videos.id = video_id LEFT JOIN users ON users.id = creator_id`;

export function toClip(row: ClipRow): ClipRecord {
	return {
		id: row.id,
		channelId: row.channel_id,
		channelName: row.channel_name,
		ownerId: row.owner_id ?? undefined,
		videoId: row.video_id,
		visibility: row.visibility,
		isVideoDeleted: row.video_deleted_at !== null,
		isVideoGrowing: row.video_ended_at === null,
		creatorId: row.creator_id ?? undefined,
		creatorName: row.creator_name ?? undefined,
		title: row.title,
		category: row.category ?? undefined,
		createdAt: row.created_at,
		askedMs: row.asked_ms,
		askedClock: row.asked_clock,
		isSettled: row.is_settled,
		startedAt: row.started_at,
		startSeconds: row.start_seconds,
		endSeconds: row.end_seconds,
		sourceStartSeconds: row.source_start_seconds,
		sourceEndSeconds: row.source_end_seconds,
		originSeconds: row.origin_seconds,
		sourceOriginSeconds: row.source_origin_seconds,
		videoOriginSeconds: row.video_origin_seconds,
		frameSeconds: row.frame_seconds,
		pathSecret: row.path_secret,
		sourceSecret: row.source_secret,
		trimNumber: row.trim_number,
		hasPoster: row.has_poster,
		exportState: row.export_state,
		exportAskedAt: row.export_asked_at ?? undefined,
		exportBytes: row.export_bytes,
	};
}

/** What the addresses of its media begin with. */
export function clipPath(secret: string): string {
	return `/vod/c/${secret}/`;
}

/** What the names of all its own objects begin with. */
export function clipPrefix(clipId: string): string {
	return `clips/${clipId}/`;
}

/** Name of an object of the present trim. */
export function clipObjectName({ id, trimNumber }: Pick<ClipRecord, 'id' | 'trimNumber'>, ext: 'jpg' | 'mp4'): string {
	return `${clipPrefix(id)}${trimNumber}.${ext}`;
}
