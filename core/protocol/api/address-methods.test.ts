/** Tests of refused methods and of preflights, by Fastify's injection without sockets. */
import fastify, { type FastifyInstance, type FastifyPluginAsync } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SpillwayError } from '../../errors/errors.ts';
import { answerOtherMethods } from './address-methods.ts';
import { PUBLIC_READ } from './cors.ts';

const CORS = { ...PUBLIC_READ, readable: 'all', exposedHeaders: 'Location' } as const;

const routes: FastifyPluginAsync = async (app) => {
	app.addHook('onRequest', async (_request, reply) => void reply.header('x-plugin', 'its own'));
	app.post('/json', { schema: { body: { type: 'object' } } }, () => ({ ok: true }));
	await app.register(async (inner) => {
		inner.get('/public', { config: { cors: PUBLIC_READ } }, () => ({ ok: true }));
	});
	app.post('/public', () => ({ ok: true }));
	app.delete('/sessions/:session', { config: { cors: { ...CORS, allow: 'DELETE' } } }, () => ({ ok: true }));
	app.post('/sessions/*', { config: { cors: CORS } }, () => ({ ok: true }));
};

describe('answerOtherMethods', () => {
	let server: FastifyInstance;

	beforeEach(async () => {
		server = fastify();
		server.setErrorHandler((error, _request, reply) => {
			const code = error instanceof SpillwayError ? error.code : String(error);
			void reply.code(error instanceof SpillwayError ? error.httpStatus : 500).send({ code });
		});
		await server.register(answerOtherMethods(routes));
		server.get('/*', () => 'a page');
	});

	afterEach(() => server.close());

	it('answers another method with 405 and Allow for any body, after the hooks of the plugin', async () => {
		for (const method of ['GET', 'HEAD', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const) {
			const answer = await server.inject({
				method,
				url: '/json',
				payload: 'x',
				headers: { 'content-type': 'text/weird' },
			});
			expect([method, answer.statusCode, answer.headers.allow]).toEqual([method, 405, 'POST']);
			expect(answer.headers['x-plugin']).toBe('its own');
		}
		expect((await server.inject({ method: 'PUT', url: '/json' })).json()).toEqual({ code: 'METHOD_NOT_ALLOWED' });
	});

	it('answers a preflight of a public address with the requested headers, and allows only reading', async () => {
		const answer = await server.inject({
			method: 'OPTIONS',
			url: '/public',
			headers: {
				origin: 'https://example.org',
				'access-control-request-method': 'GET',
				'access-control-request-headers': 'authorization,x-mine',
			},
		});
		expect(answer.statusCode).toBe(204);
		expect(answer.headers).toMatchObject({
			'access-control-allow-origin': '*',
			'access-control-allow-methods': 'GET, HEAD, OPTIONS',
			'access-control-allow-headers': 'authorization,x-mine',
		});
		const refused = await server.inject({ method: 'PUT', url: '/public' });
		expect([refused.statusCode, refused.headers.allow]).toEqual([405, 'GET, HEAD, POST, OPTIONS']);
		expect(refused.headers).not.toHaveProperty('access-control-allow-origin');
		expect((await server.inject('/public')).headers['access-control-allow-origin']).toBe('*');
	});

	it('does not refuse methods below a wildcard that accepts them', async () => {
		expect((await server.inject({ method: 'POST', url: '/sessions/one' })).statusCode).toBe(200);
		expect((await server.inject({ method: 'PUT', url: '/sessions/one/two' })).statusCode).toBe(404);
		expect((await server.inject('/sessions/one/two')).body).toBe('a page');
		const refused = await server.inject({ method: 'PUT', url: '/sessions/one' });
		expect([refused.statusCode, refused.headers.allow]).toEqual([405, 'DELETE']);
		expect(refused.headers).toMatchObject({
			'access-control-allow-origin': '*',
			'access-control-expose-headers': 'Location',
		});
	});
});
