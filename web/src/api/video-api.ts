/** API calls about videos, which are recordings of broadcasts, and about a channel's recording. */
import type {
	OwnVideo,
	RecordingChange,
	RecordingStatus,
	VideoChange,
	VideoList,
} from '../../../core/protocol/api/video.ts';
import { ask } from './request.ts';

/** One video by id; throws with code `VIDEO_NOT_FOUND` when there is none for this user. */
export function fetchVideo(video: string, signal?: AbortSignal): Promise<OwnVideo> {
	return ask('GET /api/v1/videos/:video', { params: { video }, signal });
}

/** Changes only the fields that are given. */
export function changeVideo(video: string, body: VideoChange): Promise<OwnVideo> {
	return ask('PATCH /api/v1/videos/:video', { params: { video }, body });
}

export async function deleteVideo(video: string): Promise<void> {
	await ask('DELETE /api/v1/videos/:video', { params: { video } });
}

/** Videos of a channel, newest first. `before`: id of a video; only older ones. */
export function fetchVideos(
	channel: string,
	{ limit, before }: { limit: number; before?: string | undefined },
	signal?: AbortSignal,
): Promise<VideoList> {
	const query = { limit: String(limit), ...(before === undefined ? {} : { before }) };
	return ask('GET /api/v1/channels/:channel/videos', { params: { channel }, query, signal });
}

export function fetchRecording(channel: string, signal?: AbortSignal): Promise<RecordingStatus> {
	return ask('GET /api/v1/channels/:channel/recording', { params: { channel }, signal });
}

export function changeRecording(channel: string, body: RecordingChange): Promise<RecordingStatus> {
	return ask('PUT /api/v1/channels/:channel/recording', { params: { channel }, body });
}
