/** What WHIP and WHEP have in common as HTTP: the SDP body, the Location, CORS. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { SpillwayError } from '../../core/errors/errors.ts';
import type { CorsPolicy } from '../../core/protocol/api/cors.ts';
import { MAX_SDP_BYTES, printable } from './sdp-offer.ts';

/** Parses every body as text within this plugin, so that a wrong content type gets our answer; bounded in size. */
export function registerSdpBody(app: FastifyInstance): void {
	app.removeAllContentTypeParsers();
	app.addContentTypeParser('*', { parseAs: 'string', bodyLimit: MAX_SDP_BYTES }, (_request, body, done) =>
		done(null, body),
	);
}

/**
 * Hook for routes that receive an offer; throws CONTENT_TYPE_UNSUPPORTED. Types are compared without case and
 * parameters (RFC 9110 §8.3.1). Before the body is read: Fastify itself refuses a body without a type.
 */
export function requireSdp(request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
	const contentType = request.headers['content-type'] ?? '';
	if (contentType.split(';')[0]!.trim().toLowerCase() !== 'application/sdp') {
		throw new SpillwayError('CONTENT_TYPE_UNSUPPORTED', ['application/sdp', printable(contentType, 60)]);
	}
	done();
}

export function sdpBody(request: FastifyRequest): string {
	return typeof request.body === 'string' ? request.body : '';
}

/**
 * The Location of a session: an absolute path, because clients such as Eyevinn's webrtc-player treat anything that does
 * not begin with "/" as a whole URL. A proxy that serves us under a path names it in X-Forwarded-Prefix; that is
 * trusted where its X-Forwarded-For is.
 */
export function sessionLocation(request: FastifyRequest, path: string): string {
	const prefix = request.headers['x-forwarded-prefix'];
	const isForwarded = (request.ips?.length ?? 0) > 1;
	return isForwarded && typeof prefix === 'string' && /^(?:\/[\w.~-]+){1,8}\/?$/.test(prefix)
		? `${prefix.replace(/\/$/, '')}${path}`
		: path;
}

/**
 * Pages of any origin may publish and watch: both need a secret or are public, and neither uses cookies. The exposed
 * headers are needed: without them a browser's publisher cannot read its Location. OPTIONS needs no authorization
 * (RFC 9725 §4.1). `methods`: those of the address.
 */
export function sdpCors(methods: string): CorsPolicy {
	const allow = `${methods}, OPTIONS`;
	return {
		readable: 'all',
		exposedHeaders: 'Location, Link, ETag, Accept-Post, Accept-Patch, Retry-After',
		methods: allow,
		allow,
		requestHeaders: 'Authorization, Content-Type, If-Match, X-Spillway-Viewer',
		maxAgeSeconds: 86_400,
		preflightStatus: 200,
		...(methods.includes('POST') ? { preflightHeaders: { 'accept-post': 'application/sdp' } } : {}),
	};
}
