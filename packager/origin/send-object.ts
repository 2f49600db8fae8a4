/** Answers with a large object of the store as a file to keep: ranges (RFC 9110 §14), never whole in memory. */
import { Readable } from 'node:stream';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { ObjectStore } from '../store/object-store.ts';
import { CACHE_CONTROL, type AnswerKind } from './cache-policy.ts';
import { readByteRange } from './request-headers.ts';

type ObjectAnswer = {
	name: string;
	sizeBytes: number;
	contentType: 'video/mp4';
	/** What the browser calls it; any text. */
	fileName: string;
};

const CHUNK_BYTES = 2 ** 20;
/** RFC 8187 §3.2.1: what encodeURIComponent leaves and `attr-char` does not have. */
const NOT_ATTR_CHAR = /['()*]/g;

export function sendObject(
	request: FastifyRequest,
	reply: FastifyReply,
	store: Pick<ObjectStore, 'get'>,
	{ name, sizeBytes, contentType, fileName }: ObjectAnswer,
	kind: AnswerKind,
): FastifyReply {
	reply
		.header('accept-ranges', 'bytes')
		.header('cache-control', CACHE_CONTROL[kind])
		.header('content-disposition', contentDisposition(fileName))
		.type(contentType);
	const range = readByteRange(request.headers.range, sizeBytes);
	if (range.kind === 'none') {
		return reply
			.code(416)
			.header('cache-control', CACHE_CONTROL['bad-request'])
			.header('content-range', `bytes */${sizeBytes}`)
			.send();
	}
	const { startByte, endByte } = range.kind === 'part' ? range : { startByte: 0, endByte: sizeBytes };
	if (range.kind === 'part') {
		reply.code(206).header('content-range', `bytes ${startByte}-${endByte - 1}/${sizeBytes}`);
	}
	reply.header('content-length', endByte - startByte);
	// Of a stream that nobody reads, fastify would load all.
	return reply.send(request.method === 'HEAD' ? null : Readable.from(chunks(store, name, startByte, endByte)));
}

/**
 * RFC 6266 §4.3: a name in ASCII for all, and the whole one for those that know `filename*`. Pure. @internal for tests
 */
export function contentDisposition(fileName: string): string {
	const ascii = fileName
		.normalize('NFKD')
		.replace(/[^A-Za-z0-9 ._-]+/g, '_')
		.replace(/^[. ]+/, '')
		.trim();
	const whole = encodeURIComponent(fileName.toWellFormed()).replace(
		NOT_ATTR_CHAR,
		(sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`,
	);
	return `attachment; filename="${ascii}"; filename*=UTF-8''${whole}`;
}

async function* chunks(
	store: Pick<ObjectStore, 'get'>,
	name: string,
	startByte: number,
	endByte: number,
): AsyncGenerator<Uint8Array, void> {
	for (let offset = startByte; offset < endByte; offset += CHUNK_BYTES) {
		yield (await store.get(name, { startByte: offset, endByte: Math.min(offset + CHUNK_BYTES, endByte) })).bytes;
	}
}
