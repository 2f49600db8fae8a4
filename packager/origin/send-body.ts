/** Answers with bytes: a range of media (RFC 9110 §14), or a playlist in a compressed form (§12.5.3). */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CACHE_CONTROL, type AnswerKind } from './cache-policy.ts';
import type { RenderedBody } from './rendered-playlist.ts';
import { chooseCoding, readByteRange } from './request-headers.ts';

/** L-36: Apple's validator refuses every other name. */
export const PLAYLIST_CONTENT_TYPE = 'application/vnd.apple.mpegurl';

/** Bytes of media in memory. */
export type MediaAnswer = { bytes: Uint8Array; contentType: 'video/mp4' | 'audio/mp4' };

export function sendMedia(
	request: FastifyRequest,
	reply: FastifyReply,
	{ bytes, contentType }: MediaAnswer,
	kind: AnswerKind,
): FastifyReply {
	reply.header('accept-ranges', 'bytes').header('cache-control', CACHE_CONTROL[kind]).type(contentType);
	const range = readByteRange(request.headers.range, bytes.length);
	if (range.kind === 'none') {
		return reply
			.code(416)
			.header('cache-control', CACHE_CONTROL['bad-request'])
			.header('content-range', `bytes */${bytes.length}`)
			.send();
	}
	if (range.kind === 'whole') {
		return reply.send(bytes);
	}
	const { startByte, endByte } = range;
	return reply
		.code(206)
		.header('content-range', `bytes ${startByte}-${endByte - 1}/${bytes.length}`)
		.send(bytes.subarray(startByte, endByte));
}

export function sendPlaylist(
	request: FastifyRequest,
	reply: FastifyReply,
	{ body, kind }: { body: RenderedBody; kind: AnswerKind },
): FastifyReply {
	reply.header('cache-control', CACHE_CONTROL[kind]).header('vary', 'accept-encoding').type(PLAYLIST_CONTENT_TYPE);
	const coding = chooseCoding(request.headers['accept-encoding']);
	return coding === undefined
		? reply.send(body.plain)
		: reply.header('content-encoding', coding).send(body.compressed(coding));
}
