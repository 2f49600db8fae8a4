/** Answers with a picture, or with 304 for a client that has it (RFC 9110 §13.1.2). */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { CACHE_CONTROL, type AnswerKind } from './cache-policy.ts';

/** `etag`: a strong one, with its quotes. */
type PictureAnswer = { bytes: Uint8Array; contentType: string; etag: string };

export function sendPicture(
	request: FastifyRequest,
	reply: FastifyReply,
	{ bytes, contentType, etag }: PictureAnswer,
	kind: AnswerKind,
): FastifyReply {
	reply.header('cache-control', CACHE_CONTROL[kind]).header('etag', etag);
	const known = (request.headers['if-none-match'] ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, ''));
	return known.includes(etag) || known.includes('*') ? reply.code(304).send() : reply.type(contentType).send(bytes);
}
