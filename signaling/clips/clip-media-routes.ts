/** `/vod/c/{path secret}/…`: playlists, media, picture and file of clips, and of what they can be trimmed from. */
import { createHash } from 'node:crypto';
import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import { SpillwayError } from '../../core/errors/errors.ts';
import type { AnswerKind } from '../../packager/origin/cache-policy.ts';
import { sendObject } from '../../packager/origin/send-object.ts';
import { sendPlaylist } from '../../packager/origin/send-body.ts';
import { sendPicture } from '../../packager/origin/send-picture.ts';
import type { ObjectStore } from '../../packager/store/object-store.ts';
import type { SecretDirectory } from '../videos/path-secrets.ts';
import { MEDIA_CORS, parseMediaAddress, prepareMediaRoutes, sendRecordedFile } from '../videos/recorded-file.ts';
import type { ClipPlaylists } from './clip-playlists.ts';
import { clipObjectName, type ClipRecord } from './clip-row.ts';
import type { ClipPart } from './clip-store.ts';

type ClipMediaRoutesDependencies = {
	directory: Pick<SecretDirectory<ClipPart>, 'find'>;
	playlists: Pick<ClipPlaylists, 'find' | 'requireListed'>;
	store: Pick<ObjectStore, 'get' | 'presign'>;
	/** Throws CLIP_NOT_FOUND for who may not see the clip. */
	authorize: (request: FastifyRequest, clip: ClipRecord) => Promise<unknown>;
};

export function createClipMediaRoutes(deps: ClipMediaRoutesDependencies): FastifyPluginAsync {
	const { directory, playlists, store, authorize } = deps;
	// Unlike a video, a clip keeps its address when it becomes private. So every request asks.
	const find = async (request: FastifyRequest): Promise<ClipPart> => {
		const found = await directory.find((request.params as { secret: string }).secret);
		await authorize(request, found.clip);
		return found;
	};
	return async (server) => {
		prepareMediaRoutes(server);
		server.get('/vod/c/:secret/index.m3u8', { config: MEDIA_CORS }, async (request, reply) => {
			const part = await find(request);
			const { body, isComplete } = await playlists.find(part, undefined);
			return sendPlaylist(request, reply, { body, kind: playlistKind(part.clip, isComplete) });
		});
		server.get('/vod/c/:secret/poster.jpg', { config: MEDIA_CORS }, async (request, reply) => {
			const { clip, part } = await find(request);
			if (part !== 'clip' || !clip.hasPoster) {
				throw new SpillwayError('CLIP_NOT_FOUND');
			}
			const { bytes } = await store.get(clipObjectName(clip, 'jpg'));
			const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
			return sendPicture(request, reply, { bytes, contentType: 'image/jpeg', etag }, mediaKind(clip));
		});
		server.get('/vod/c/:secret/clip.mp4', { config: MEDIA_CORS }, async (request, reply) => {
			const { clip, part } = await find(request);
			if (part !== 'clip' || clip.exportState !== 'ready') {
				throw new SpillwayError('CLIP_NOT_FOUND');
			}
			const file = {
				name: clipObjectName(clip, 'mp4'),
				sizeBytes: clip.exportBytes,
				contentType: 'video/mp4',
				fileName: `${clip.title === '' ? 'clip' : clip.title}.mp4`,
			} as const;
			return sendObject(request, reply, store, file, mediaKind(clip));
		});
		server.get<{ Params: { track: string; file: string } }>(
			'/vod/c/:secret/:track/:file',
			{ config: MEDIA_CORS },
			async (request, reply) => {
				const { track, file } = request.params;
				const part = await find(request);
				const address = parseMediaAddress(track, file);
				if (address === undefined) {
					throw new SpillwayError('CLIP_NOT_FOUND');
				}
				if (address === 'playlist') {
					const { body, isComplete } = await playlists.find(part, track);
					return sendPlaylist(request, reply, { body, kind: playlistKind(part.clip, isComplete) });
				}
				await playlists.requireListed(part, track, file);
				const { videoId } = part.clip;
				return sendRecordedFile(request, reply, store, { videoId, track, file, kind: mediaKind(part.clip) });
			},
		);
	};
}

function playlistKind({ visibility }: ClipRecord, isComplete: boolean): AnswerKind {
	if (visibility === 'private') {
		return 'private-video-playlist';
	}
	return isComplete ? 'video-playlist' : 'growing-video-playlist';
}

function mediaKind({ visibility }: ClipRecord): AnswerKind {
	return visibility === 'private' ? 'private-video-media' : 'media';
}
