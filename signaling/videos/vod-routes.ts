/** `/vod/{path secret}/…`: playlists and media of videos. Who knows the secret may load them. */
import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import { SpillwayError } from '../../core/errors/errors.ts';
import type { AnswerKind } from '../../packager/origin/cache-policy.ts';
import { sendPlaylist } from '../../packager/origin/send-body.ts';
import type { ObjectStore } from '../../packager/store/object-store.ts';
import { recordedWindow } from '../../packager/vod/vod-playlist.ts';
import type { SecretDirectory } from './path-secrets.ts';
import { MEDIA_CORS, parseMediaAddress, prepareMediaRoutes, sendRecordedFile } from './recorded-file.ts';
import type { RecordedPlaylist, RecordedPlaylists } from './recorded-playlists.ts';
import { addVideoPictureRoutes } from './video-picture-routes.ts';
import type { VideoRecord } from './video-row.ts';
import type { VideoStore } from './video-store.ts';

type VodRoutesDependencies = {
	directory: Pick<SecretDirectory<VideoRecord>, 'find'>;
	videos: Pick<VideoStore, 'tracks'>;
	playlists: RecordedPlaylists;
	store: Pick<ObjectStore, 'get' | 'presign'>;
	/** Throws VIDEO_NOT_FOUND for who may not see the video. */
	authorizePlayback: (request: FastifyRequest, video: VideoRecord) => Promise<void>;
};

export function createVodRoutes(deps: VodRoutesDependencies): FastifyPluginAsync {
	const { directory, store, authorizePlayback } = deps;
	return async (server) => {
		prepareMediaRoutes(server);
		server.get<{ Params: { secret: string } }>(
			'/vod/:secret/index.m3u8',
			{ config: MEDIA_CORS },
			async (request, reply) => {
				const video = await directory.find(request.params.secret);
				await authorizePlayback(request, video);
				const { body, isComplete } = await findPlaylist(deps, video, undefined);
				const kind = playlistKind(video, isComplete, 'private-video-playlist');
				return sendPlaylist(request, reply, { body, kind });
			},
		);
		addVideoPictureRoutes(server, deps);
		server.get<{ Params: { secret: string; track: string; file: string } }>(
			'/vod/:secret/:track/:file',
			{ config: MEDIA_CORS },
			async (request, reply) => {
				const { secret, track, file } = request.params;
				const video = await directory.find(secret);
				const address = parseMediaAddress(track, file);
				if (address === undefined) {
					throw new SpillwayError('VIDEO_NOT_FOUND');
				}
				if (address === 'playlist') {
					const { body, isComplete } = await findPlaylist(deps, video, track);
					const kind = playlistKind(video, isComplete, 'private-video-media');
					return sendPlaylist(request, reply, { body, kind });
				}
				const kind = video.visibility === 'private' ? 'private-video-media' : 'media';
				return sendRecordedFile(request, reply, store, { videoId: video.id, track, file, kind });
			},
		);
	};
}

/** Throws VIDEO_NOT_FOUND for a track that it does not have, and while there is nothing to play. */
async function findPlaylist(
	{ playlists, videos }: VodRoutesDependencies,
	{ id, endedAt }: VideoRecord,
	trackId: string | undefined,
): Promise<RecordedPlaylist> {
	const found = await playlists.find(id, trackId, async () => {
		const tracks = await videos.tracks(id);
		return { tracks, window: recordedWindow(tracks), isComplete: endedAt !== undefined };
	});
	if (found === undefined) {
		throw new SpillwayError('VIDEO_NOT_FOUND');
	}
	return found;
}

function playlistKind({ visibility }: VideoRecord, isComplete: boolean, ofPrivate: AnswerKind): AnswerKind {
	if (visibility === 'private') {
		return isComplete ? ofPrivate : 'private-video-playlist';
	}
	return isComplete ? 'video-playlist' : 'growing-video-playlist';
}
