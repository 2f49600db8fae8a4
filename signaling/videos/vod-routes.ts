/** `/vod/{path secret}/…`: playlists and media of videos. Who knows the secret may load them. */
import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import { SpillwayError } from '../../core/errors/errors.ts';
import { PUBLIC_READ } from '../../core/protocol/api/cors.ts';
import { CACHE_CONTROL, type AnswerKind } from '../../packager/origin/cache-policy.ts';
import { sendMedia, sendPlaylist } from '../../packager/origin/send-body.ts';
import { recordedObjectName } from '../../packager/recording/journal-entry.ts';
import type { ObjectStore } from '../../packager/store/object-store.ts';
import type { VideoDirectory } from './video-directory.ts';
import { addVideoPictureRoutes } from './video-picture-routes.ts';
import type { VideoPlaylists } from './video-playlists.ts';
import type { VideoRecord } from './video-row.ts';

type VodRoutesDependencies = {
	directory: Pick<VideoDirectory, 'find'>;
	playlists: VideoPlaylists;
	store: Pick<ObjectStore, 'get' | 'presign'>;
	/** Throws VIDEO_NOT_FOUND for who may not see the video. */
	authorizePlayback: (request: FastifyRequest, video: VideoRecord) => Promise<void>;
};

/** As browsers' pages on any site load media; no credentials are needed besides the address. */
const config = { cors: { ...PUBLIC_READ, readable: 'all', exposedHeaders: '*' } } as const;

const TRACK = /^(video|audio)\d{1,3}$/;
const MEDIA_FILE = /^(segment[1-9]\d{0,9}\.m4s|init\d{1,9}\.mp4)$/;
/** How long an address of the store itself is valid. */
const PRESIGNED_SECONDS = 300;
/** Players leave gaps alone. FFmpeg 5.1 does not know them, and continues after a file without media. */
const GAP_FILE = /^gap[1-9]\d{0,9}\.m4s$/;
/** ISO/IEC 14496-12 §8.1.2. Not an empty file, of which FFmpeg's `Range: bytes=0-` has no byte. */
const FREE_BOX = Uint8Array.of(0, 0, 0, 8, 0x66, 0x72, 0x65, 0x65);

export function createVodRoutes(deps: VodRoutesDependencies): FastifyPluginAsync {
	const { directory, playlists, store, authorizePlayback } = deps;
	return async (server) => {
		server.addHook('onRequest', async (_request, reply) => {
			reply.header('cross-origin-resource-policy', 'cross-origin').header('timing-allow-origin', '*');
		});
		server.addHook('onError', async (_request, reply, error) => {
			reply.header('cache-control', CACHE_CONTROL[failureKind(error)]);
		});
		server.get<{ Params: { secret: string } }>('/vod/:secret/index.m3u8', { config }, async (request, reply) => {
			const video = await directory.find(request.params.secret);
			await authorizePlayback(request, video);
			const body = await playlists.body(video, undefined);
			return sendPlaylist(request, reply, { body, kind: playlistKind(video, 'private-video-playlist') });
		});
		addVideoPictureRoutes(server, deps);
		server.get<{ Params: { secret: string; track: string; file: string } }>(
			'/vod/:secret/:track/:file',
			{ config },
			async (request, reply) => {
				const { secret, track, file } = request.params;
				const video = await directory.find(secret);
				if (!TRACK.test(track)) {
					throw new SpillwayError('VIDEO_NOT_FOUND');
				}
				if (file === 'index.m3u8') {
					const body = await playlists.body(video, track);
					return sendPlaylist(request, reply, { body, kind: playlistKind(video, 'private-video-media') });
				}
				if (GAP_FILE.test(file)) {
					return sendMedia(request, reply, { bytes: FREE_BOX, contentType: 'video/mp4' }, playableKind(video));
				}
				if (!MEDIA_FILE.test(file)) {
					throw new SpillwayError('VIDEO_NOT_FOUND');
				}
				const name = recordedObjectName(video.id, track, file);
				const address = await store.presign(name, PRESIGNED_SECONDS);
				if (address !== undefined) {
					return reply.header('cache-control', CACHE_CONTROL['presigned-redirect']).redirect(address, 302);
				}
				const { bytes } = await store.get(name);
				const contentType = track.startsWith('audio') ? 'audio/mp4' : 'video/mp4';
				return sendMedia(request, reply, { bytes, contentType }, playableKind(video));
			},
		);
	};
}

function playlistKind({ visibility, endedAt }: VideoRecord, ofPrivate: AnswerKind): AnswerKind {
	if (visibility === 'private') {
		return endedAt === undefined ? 'private-video-playlist' : ofPrivate;
	}
	return endedAt === undefined ? 'growing-video-playlist' : 'video-playlist';
}

function playableKind({ visibility }: VideoRecord): AnswerKind {
	return visibility === 'private' ? 'private-video-media' : 'media';
}

function failureKind(error: unknown): AnswerKind {
	const status = error instanceof SpillwayError ? error.httpStatus : 500;
	return status === 410 ? 'gone' : status === 404 ? 'not-found' : status < 500 ? 'bad-request' : 'unavailable';
}
