/** `/vod/{path secret}/…`: playlists and media of videos. Who knows the secret may load them. */
import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import { SpillwayError } from '../../core/errors/errors.ts';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { createLruCache } from '../../core/limits/lru-cache.ts';
import { PUBLIC_READ } from '../../core/protocol/api/cors.ts';
import { CACHE_CONTROL, type AnswerKind } from '../../packager/origin/cache-policy.ts';
import { sendMedia, sendPlaylist } from '../../packager/origin/send-body.ts';
import { recordedObjectName } from '../../packager/recording/journal-entry.ts';
import type { ObjectStore } from '../../packager/store/object-store.ts';
import { addVideoPictureRoutes } from './video-picture-routes.ts';
import type { VideoPlaylists } from './video-playlists.ts';
import type { VideoRecord } from './video-row.ts';
import type { VideoStore } from './video-store.ts';

type VodRoutesDependencies = {
	videos: Pick<VideoStore, 'findBySecret'>;
	playlists: VideoPlaylists;
	store: Pick<ObjectStore, 'get'>;
	clock: Clock;
	/** Throws VIDEO_NOT_FOUND for who may not see the video. */
	authorizePlayback: (request: FastifyRequest, video: VideoRecord) => Promise<void>;
};

/** As browsers' pages on any site load media; no credentials are needed besides the address. */
const config = { cors: { ...PUBLIC_READ, readable: 'all', exposedHeaders: '*' } } as const;

const SECRET = /^[A-Za-z0-9_-]{22}$/;
const TRACK = /^(video|audio)\d{1,3}$/;
const MEDIA_FILE = /^(segment[1-9]\d{0,9}\.m4s|init\d{1,9}\.mp4)$/;
/** Players leave gaps alone. FFmpeg 5.1 does not know them, and continues after a file without media. */
const GAP_FILE = /^gap[1-9]\d{0,9}\.m4s$/;
/** ISO/IEC 14496-12 §8.1.2. Not an empty file, of which FFmpeg's `Range: bytes=0-` has no byte. */
const FREE_BOX = Uint8Array.of(0, 0, 0, 8, 0x66, 0x72, 0x65, 0x65);

/** What an address leads to is asked of the database again after so long. */
const REMEMBERED_MS = 2000;
const MAX_REMEMBERED = 10_000;

type Found = VideoRecord | 'gone' | undefined;

export function createVodRoutes(deps: VodRoutesDependencies): FastifyPluginAsync {
	const { playlists, store, authorizePlayback } = deps;
	const find = createDirectory(deps);
	return async (server) => {
		server.addHook('onRequest', async (_request, reply) => {
			reply.header('cross-origin-resource-policy', 'cross-origin').header('timing-allow-origin', '*');
		});
		server.addHook('onError', async (_request, reply, error) => {
			reply.header('cache-control', CACHE_CONTROL[failureKind(error)]);
		});
		server.get<{ Params: { secret: string } }>('/vod/:secret/index.m3u8', { config }, async (request, reply) => {
			const video = await find(request.params.secret);
			await authorizePlayback(request, video);
			const body = await playlists.body(video, undefined);
			return sendPlaylist(request, reply, { body, kind: playlistKind(video, 'private-video-playlist') });
		});
		addVideoPictureRoutes(server, { find, store, authorizePlayback });
		server.get<{ Params: { secret: string; track: string; file: string } }>(
			'/vod/:secret/:track/:file',
			{ config },
			async (request, reply) => {
				const { secret, track, file } = request.params;
				const video = await find(secret);
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
				const { bytes } = await store.get(recordedObjectName(video.id, track, file));
				const contentType = track.startsWith('audio') ? 'audio/mp4' : 'video/mp4';
				return sendMedia(request, reply, { bytes, contentType }, playableKind(video));
			},
		);
	};
}

/** Finds the video of a path secret. Throws VIDEO_NOT_FOUND, and VIDEO_GONE for an address that was valid once. */
function createDirectory({ videos, clock }: VodRoutesDependencies): (secret: string) => Promise<VideoRecord> {
	const remembered = createLruCache<string, { atMs: number; found: Promise<Found> }>(MAX_REMEMBERED);
	return async (secret) => {
		if (!SECRET.test(secret)) {
			throw new SpillwayError('VIDEO_NOT_FOUND');
		}
		const nowMs = clock.monotonicMs();
		let entry = remembered.get(secret);
		if (entry === undefined || nowMs - entry.atMs >= REMEMBERED_MS) {
			entry = { atMs: nowMs, found: videos.findBySecret(secret) };
			remembered.set(secret, entry);
			entry.found.catch(() => remembered.delete(secret));
		}
		const found = await entry.found;
		if (found === undefined) {
			throw new SpillwayError('VIDEO_NOT_FOUND');
		}
		if (found === 'gone') {
			throw new SpillwayError('VIDEO_GONE');
		}
		return found;
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
