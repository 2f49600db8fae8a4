/** What WHIP and WHEP have in common as HTTP: the SDP body, CORS, the methods that are not there. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { SpillwayError } from '../../core/errors.ts';
import { MAX_SDP_BYTES } from './sdp-offer.ts';

/** Takes every body as text within this plugin, so that a wrong content type gets our answer; bounded in size. */
export function registerSdpBody(app: FastifyInstance): void {
	app.removeAllContentTypeParsers();
	app.addContentTypeParser('*', { parseAs: 'string', bodyLimit: MAX_SDP_BYTES }, (_request, body, done) =>
		done(null, body),
	);
}

/** The offer's text; throws CONTENT_TYPE_UNSUPPORTED. Types are compared without case and parameters (RFC 9110 §8.3.1). */
export function sdpBody(request: FastifyRequest): string {
	const contentType = request.headers['content-type'] ?? '';
	if (contentType.split(';')[0]!.trim().toLowerCase() !== 'application/sdp') {
		throw new SpillwayError('CONTENT_TYPE_UNSUPPORTED', ['application/sdp', printable(contentType)]);
	}
	return typeof request.body === 'string' ? request.body : '';
}

/** The bearer token, or undefined (RFC 6750 §2.1). */
export function bearerToken(request: FastifyRequest): string | undefined {
	return /^Bearer +([\w~+/.=-]{1,512})$/i.exec(request.headers.authorization ?? '')?.[1];
}

/**
 * Lets pages of any origin publish and watch: both need a secret or are public, and neither uses cookies. The exposed
 * headers are needed: without them a browser's publisher cannot read its Location.
 */
export function allowAllOrigins(app: FastifyInstance): void {
	app.addHook('onRequest', async (_request, reply) => {
		reply.header('access-control-allow-origin', '*');
		reply.header('access-control-expose-headers', 'Location, Link, ETag, Accept-Post, Accept-Patch, Retry-After');
	});
}

/** Answers a CORS preflight and plain OPTIONS, without authorization (RFC 9725 §4.1). */
export function answerOptions(reply: FastifyReply, allow: string, acceptsPost: boolean): FastifyReply {
	reply.header('access-control-allow-methods', `${allow}, OPTIONS`);
	reply.header('access-control-allow-headers', 'Authorization, Content-Type, If-Match, X-Spillway-Viewer');
	reply.header('access-control-max-age', '86400');
	if (acceptsPost) {
		reply.header('accept-post', 'application/sdp');
	}
	return reply.code(200).send();
}

/** Refuses a method, saying which ones there are (RFC 9110 §15.5.6). */
export function refuseMethod(request: FastifyRequest, reply: FastifyReply, allow: string): never {
	reply.header('allow', `${allow}, OPTIONS`);
	throw new SpillwayError('METHOD_NOT_ALLOWED', [request.method]);
}

function printable(text: string): string {
	return text.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 60);
}
