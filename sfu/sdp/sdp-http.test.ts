/** Tests of what WHIP and WHEP have in common as HTTP: content type, preflights, and the Location behind a proxy. */
import Fastify, { type FastifyInstance, type FastifyPluginAsync } from 'fastify';
import { describe, expect, it } from 'vitest';
import { answerOtherMethods } from '../../core/protocol/api/address-methods.ts';
import { answerProblems } from '../testing/problem-handler.ts';
import { registerSdpBody, requireSdp, sdpBody, sdpCors, sessionLocation } from './sdp-http.ts';

/** An app that answers an offer with the offer. */
async function createApp(): Promise<FastifyInstance> {
	const app = Fastify({ trustProxy: ['127.0.0.1'] });
	answerProblems(app);
	registerSdpBody(app);
	const options = { config: { cors: sdpCors('POST') }, onRequest: requireSdp };
	const routes: FastifyPluginAsync = async (scope) => {
		scope.post('/whip', options, async (request, reply) =>
			reply.header('location', sessionLocation(request, '/whip/id')).send(sdpBody(request)),
		);
	};
	await app.register(answerOtherMethods(routes));
	await app.ready();
	return app;
}

describe('the content type of an offer', () => {
	it.each([
		['application/sdp', 200],
		['Application/SDP; charset=utf-8', 200],
		['application/json', 415],
		['nonsense', 415],
		[undefined, 415],
	])('is checked before the body: %s', async (contentType, status) => {
		const app = await createApp();
		const headers = contentType === undefined ? {} : { 'content-type': contentType };
		const response = await app.inject({ method: 'POST', url: '/whip', headers, payload: 'v=0' });
		expect(response.statusCode).toBe(status);
		expect(response.body).toBe(status === 200 ? 'v=0' : '{"code":"CONTENT_TYPE_UNSUPPORTED"}');
	});
});

describe('a preflight', () => {
	it.each([
		['cmcd-request, x-anything', 'cmcd-request, x-anything'],
		[undefined, 'Authorization, Content-Type, If-Match, X-Spillway-Viewer'],
		['no/token', 'Authorization, Content-Type, If-Match, X-Spillway-Viewer'],
		['x'.repeat(2000), 'Authorization, Content-Type, If-Match, X-Spillway-Viewer'],
	])('that asks for %s is allowed %s, and never credentials', async (asked, allowed) => {
		const app = await createApp();
		const headers = asked === undefined ? {} : { 'access-control-request-headers': asked };
		const response = await app.inject({ method: 'OPTIONS', url: '/whip', headers });
		expect(response.headers).toMatchObject({
			'access-control-allow-origin': '*',
			'access-control-allow-headers': allowed,
			'access-control-expose-headers': expect.stringMatching(/Location, Link, ETag/) as string,
		});
		expect(response.headers).not.toHaveProperty('access-control-allow-credentials');
	});
});

describe('the Location of a session', () => {
	it.each([
		['a trusted proxy', '127.0.0.1', '/live/', '/live/whip/id'],
		['a trusted proxy that names two parts', '127.0.0.1', '/a/b', '/a/b/whip/id'],
		['an untrusted client', '192.0.2.1', '/live/', '/whip/id'],
		['a trusted proxy with nonsense', '127.0.0.1', 'https://evil.example', '/whip/id'],
		['a trusted proxy without a path', '127.0.0.1', '/', '/whip/id'],
	])('behind %s', async (_name, remoteAddress, prefix, location) => {
		const app = await createApp();
		const response = await app.inject({
			method: 'POST',
			url: '/whip',
			remoteAddress,
			headers: { 'content-type': 'application/sdp', 'x-forwarded-for': '192.0.2.9', 'x-forwarded-prefix': prefix },
			payload: 'v=0',
		});
		expect(response.headers.location).toBe(location);
	});
});
