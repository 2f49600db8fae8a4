/** What WHIP and WHEP have in common as HTTP: the SDP body, CORS, the methods that are not there. */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { SpillwayError } from '../../core/errors/errors.ts';
import { MAX_SDP_BYTES } from './sdp-offer.ts';

/** Takes every body as text within this plugin, so that a wrong content type gets our answer; bounded in size. */
export function registerSdpBody(app: FastifyInstance): void {
	app.removeAllContentTypeParsers();
	app.addContentTypeParser('*', { parseAs: 'string', bodyLimit: MAX_SDP_BYTES }, (_request, body, done) =>
		done(null, body),
	);
}

/**
 * Hook for routes that take an offer; throws CONTENT_TYPE_UNSUPPORTED. Types are compared without case and parameters
 * (RFC 9110 §8.3.1). Before the body is read: Fastify itself refuses a body without a type.
 */
export function requireSdp(request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
	const contentType = request.headers['content-type'] ?? '';
	if (contentType.split(';')[0]!.trim().toLowerCase() !== 'application/sdp') {
		throw new SpillwayError('CONTENT_TYPE_UNSUPPORTED', ['application/sdp', printable(contentType)]);
	}
	done();
}

/** The offer's text. */
export function sdpBody(request: FastifyRequest): string {
	return typeof request.body === 'string' ? request.body : '';
}

/**
 * The Location of a session: an absolute path, for clients such as Eyevinn's webrtc-player take what does not begin
 * with "/" for a whole URL. A proxy that serves us under a path names it in X-Forwarded-Prefix; it is believed where
 * its X-Forwarded-For is.
 */
export function sessionLocation(request: FastifyRequest, path: string): string {
	const prefix = request.headers['x-forwarded-prefix'];
	const isForwarded = (request.ips?.length ?? 0) > 1;
	return isForwarded && typeof prefix === 'string' && /^(?:\/[\w.~-]+){1,8}\/?$/.test(prefix)
		? `${prefix.replace(/\/$/, '')}${path}`
		: path;
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

const USUAL_REQUEST_HEADERS = 'Authorization, Content-Type, If-Match, X-Spillway-Viewer';
/** A list of tokens (RFC 9110 §5.6.2); browsers send a few dozen at most. */
const HEADER_NAMES = /^[\w!#$%&'*+.^`|~\-, ]{1,1000}$/;

/**
 * Answers a CORS preflight and plain OPTIONS, without authorization (RFC 9725 §4.1). Players add headers of their own;
 * what they ask for is allowed, since no credentials are.
 */
export function answerOptions(
	request: FastifyRequest,
	reply: FastifyReply,
	allow: string,
	acceptsPost: boolean,
): FastifyReply {
	const asked = request.headers['access-control-request-headers'];
	reply.header('access-control-allow-methods', `${allow}, OPTIONS`);
	reply.header(
		'access-control-allow-headers',
		asked !== undefined && HEADER_NAMES.test(asked) ? asked : USUAL_REQUEST_HEADERS,
	);
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
