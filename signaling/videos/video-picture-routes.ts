/** `/vod/{path secret}/…`: poster, storyboard and its sheets. */
import { createHash } from 'node:crypto';
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { SpillwayError } from '../../core/errors/errors.ts';
import { PUBLIC_READ } from '../../core/protocol/api/cors.ts';
import type { AnswerKind } from '../../packager/origin/cache-policy.ts';
import { sendPicture } from '../../packager/origin/send-picture.ts';
import type { ObjectStore } from '../../packager/store/object-store.ts';
import type { SecretDirectory } from './path-secrets.ts';
import { LAST_POSTER, pictureObjectName } from './video-pictures.ts';
import type { VideoRecord } from './video-row.ts';

type VideoPictureRoutesDependencies = {
	directory: Pick<SecretDirectory<VideoRecord>, 'find'>;
	store: Pick<ObjectStore, 'get'>;
	/** Throws VIDEO_NOT_FOUND for who may not see the video. */
	authorizePlayback: (request: FastifyRequest, video: VideoRecord) => Promise<void>;
};

/** What an address shows. */
type Picture = { file: string; contentType: string; isFinal: boolean };

const config = { cors: { ...PUBLIC_READ, readable: 'all', exposedHeaders: '*' } } as const;
const SHEET = /^sheet([1-9]\d?)\.jpg$/;

/** Adds them to routes that set the headers of failures. */
export function addVideoPictureRoutes(server: FastifyInstance, deps: VideoPictureRoutesDependencies): void {
	server.get<{ Params: { secret: string; file: string } }>('/vod/:secret/:file', { config }, async (request, reply) => {
		const video = await deps.directory.find(request.params.secret);
		// Pictures show at once what a private video is about, so they ask as its first playlist does.
		await deps.authorizePlayback(request, video);
		const picture = pictureAt(video, request.params.file);
		if (picture === undefined) {
			throw new SpillwayError('VIDEO_NOT_FOUND');
		}
		const { file, contentType } = picture;
		const { bytes } = await deps.store.get(pictureObjectName(video.id, file));
		const etag = `"${createHash('sha256').update(bytes).digest('base64url').slice(0, 22)}"`;
		return sendPicture(request, reply, { bytes, contentType, etag }, answerKind(video, picture));
	});
}

/** Absolute paths; null: none. */
export function describePictures({ pathSecret, posterName, sheetCount }: VideoRecord): {
	posterUrl: string | null;
	storyboardUrl: string | null;
} {
	return {
		posterUrl: posterName === undefined ? null : `/vod/${pathSecret}/poster.jpg`,
		storyboardUrl: sheetCount === undefined ? null : `/vod/${pathSecret}/storyboard.vtt`,
	};
}

function pictureAt({ posterName, sheetCount = 0 }: VideoRecord, name: string): Picture | undefined {
	if (name === 'poster.jpg') {
		return posterName === undefined
			? undefined
			: { file: posterName, contentType: 'image/jpeg', isFinal: posterName === LAST_POSTER };
	}
	if (name === 'storyboard.vtt') {
		return sheetCount > 0 ? { file: name, contentType: 'text/vtt; charset=utf-8', isFinal: true } : undefined;
	}
	const number = Number(SHEET.exec(name)?.[1] ?? Infinity);
	return number <= sheetCount ? { file: name, contentType: 'image/jpeg', isFinal: true } : undefined;
}

function answerKind({ visibility }: VideoRecord, { isFinal }: Picture): AnswerKind {
	if (visibility === 'private') {
		return isFinal ? 'private-video-media' : 'private-video-playlist';
	}
	return isFinal ? 'media' : 'growing-video-poster';
}
