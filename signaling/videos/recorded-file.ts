/** What routes of recorded media share: their headers, and the answer with a recorded file. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { SpillwayError } from '../../core/errors/errors.ts';
import { PUBLIC_READ } from '../../core/protocol/api/cors.ts';
import { CACHE_CONTROL, type AnswerKind } from '../../packager/origin/cache-policy.ts';
import { sendMedia } from '../../packager/origin/send-body.ts';
import { recordedObjectName } from '../../packager/recording/journal-entry.ts';
import type { ObjectStore } from '../../packager/store/object-store.ts';

/** As browsers' pages on any site load media; no credentials are needed besides the address. */
export const MEDIA_CORS = { cors: { ...PUBLIC_READ, readable: 'all', exposedHeaders: '*' } } as const;

const TRACK = /^(video|audio)\d{1,3}$/;
const MEDIA_FILE = /^(segment[1-9]\d{0,9}\.m4s|init\d{1,9}\.mp4)$/;
/** Players leave gaps alone. FFmpeg 5.1 does not know them, and continues after a file without media. */
const GAP_FILE = /^gap[1-9]\d{0,9}\.m4s$/;
/** ISO/IEC 14496-12 §8.1.2. Not an empty file, of which FFmpeg's `Range: bytes=0-` has no byte. */
const FREE_BOX = Uint8Array.of(0, 0, 0, 8, 0x66, 0x72, 0x65, 0x65);
/** How long an address of the store itself is valid. */
const PRESIGNED_SECONDS = 300;

/** Call it before the routes of a plugin. */
export function prepareMediaRoutes(server: FastifyInstance): void {
	server.addHook('onRequest', async (_request, reply) => {
		reply.header('cross-origin-resource-policy', 'cross-origin').header('timing-allow-origin', '*');
	});
	server.addHook('onError', async (_request, reply, error) => {
		reply.header('cache-control', CACHE_CONTROL[failureKind(error)]);
	});
}

/** What the last two steps of an address name; undefined: nothing that can exist. */
export function parseMediaAddress(track: string, file: string): 'playlist' | 'gap' | 'media' | undefined {
	if (!TRACK.test(track)) {
		return undefined;
	}
	return file === 'index.m3u8' ? 'playlist' : GAP_FILE.test(file) ? 'gap' : MEDIA_FILE.test(file) ? 'media' : undefined;
}

/** Sends a file of a recording that {@link parseMediaAddress} knows, or redirects to it. Throws OBJECT_NOT_FOUND. */
export async function sendRecordedFile(
	request: FastifyRequest,
	reply: FastifyReply,
	store: Pick<ObjectStore, 'get' | 'presign'>,
	{ videoId, track, file, kind }: { videoId: string; track: string; file: string; kind: AnswerKind },
): Promise<FastifyReply> {
	if (GAP_FILE.test(file)) {
		return sendMedia(request, reply, { bytes: FREE_BOX, contentType: 'video/mp4' }, kind);
	}
	const name = recordedObjectName(videoId, track, file);
	const address = await store.presign(name, PRESIGNED_SECONDS);
	if (address !== undefined) {
		return reply.header('cache-control', CACHE_CONTROL['presigned-redirect']).redirect(address, 302);
	}
	const { bytes } = await store.get(name);
	const contentType = track.startsWith('audio') ? 'audio/mp4' : 'video/mp4';
	return sendMedia(request, reply, { bytes, contentType }, kind);
}

function failureKind(error: unknown): AnswerKind {
	const status = error instanceof SpillwayError ? error.httpStatus : 500;
	return status === 410 ? 'gone' : status === 404 ? 'not-found' : status < 500 ? 'bad-request' : 'unavailable';
}
