/** Tests of the answers to failed requests, with fastify's injection. */
import fastify, { type FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { SpillwayError } from '../../../core/errors/errors.ts';
import { RecordingLogger } from '../../../core/testing/recording-logger.ts';
import { createFrameworkErrorHandler, registerErrorHandler } from './error-handler.ts';
import { redactUrl } from './redact-url.ts';
import { MAX_JSON_BODY_BYTES, requestLimits } from './request-limits.ts';

const body = (payload: string, type = 'application/json'): { payload: string; headers: Record<string, string> } => ({
	payload,
	headers: { 'content-type': type },
});

describe('registerErrorHandler', () => {
	let server: FastifyInstance;
	let logger: RecordingLogger;

	beforeEach(() => {
		logger = new RecordingLogger();
		server = fastify({
			...requestLimits(() => Date.UTC(2026, 0, 1)),
			frameworkErrors: createFrameworkErrorHandler(logger),
		});
		registerErrorHandler(server, logger);
		server.get('/expected', () => {
			throw new SpillwayError('TOO_MANY_ATTEMPTS', [7], { retryAfterSeconds: 6.2, cause: new Error('a secret cause') });
		});
		server.get('/unauthorized', () => Promise.reject(new SpillwayError('STREAM_KEY_MISSING')));
		server.get('/bug', () => Promise.reject(new TypeError('secret text of a bug')));
		server.get('/thrown-text', () => Promise.reject('just text' as unknown as Error));
		const schema = { type: 'object', required: ['bitrate'], properties: { bitrate: { type: 'integer' } } };
		server.post('/json', { schema: { body: schema } }, () => ({ ok: true }));
	});

	afterEach(async () => {
		await server.close();
	});

	it('answers a SpillwayError with the row of its code', async () => {
		const answer = await server.inject('/expected');
		const { requestId, ...problem } = answer.json<Record<string, unknown>>();
		expect(answer.statusCode).toBe(429);
		expect(answer.headers).toMatchObject({
			'content-type': 'application/problem+json',
			'retry-after': '7',
			'cache-control': 'no-store',
		});
		expect(problem).toEqual({
			type: 'urn:spillway:error:too-many-attempts',
			title: 'Too many attempts',
			status: 429,
			detail: 'Too many wrong attempts. Wait 7 s and try again.',
			instance: `urn:spillway:request:${String(requestId)}`,
			code: 'TOO_MANY_ATTEMPTS',
		});
		expect(answer.body).not.toContain('secret');
	});

	it('names the scheme when a key is missing', async () => {
		const answer = await server.inject('/unauthorized');
		expect([answer.statusCode, answer.headers['www-authenticate']]).toEqual([401, 'Bearer']);
	});

	it.each(['/bug', '/thrown-text'])('answers a bug (%s) with the request id only, and logs it', async (url) => {
		const answer = await server.inject(url);
		const problem = answer.json<{ code: string; requestId: string; detail: string }>();
		expect(answer.statusCode).toBe(500);
		expect(problem.code).toBe('INTERNAL_ERROR');
		expect(problem.detail).toContain(problem.requestId);
		expect(answer.body).not.toMatch(/secret|just text|stack/);
		const [line] = logger.lines;
		expect(line).toMatchObject({ level: 'error', fields: { requestId: problem.requestId, url } });
		expect(line!.fields['err']).toBeDefined();
	});

	it.each([
		['an invalid body', { payload: { bitrate: 'fast' } }, 400, 'REQUEST_INVALID', /body\/bitrate must be integer/],
		['no body', {}, 400, 'REQUEST_INVALID', /body/],
		['malformed JSON', body('{"key": sesame'), 400, 'REQUEST_INVALID', /./],
		['an empty JSON body', body(''), 400, 'REQUEST_INVALID', /./],
		['a poisoned body', body('{"__proto__":{"a":1}}'), 400, 'REQUEST_INVALID', /./],
		['an SDP', body('v=0', 'application/sdp'), 415, 'CONTENT_TYPE_UNSUPPORTED', /but is "application\/sdp"/],
		['too large a body', body('x'.repeat(MAX_JSON_BODY_BYTES + 1)), 413, 'BODY_TOO_LARGE', /larger than 65536 bytes/],
	] as const)('answers %s with the right row', async (_what, request, status, code, detail) => {
		const answer = await server.inject({ method: 'POST', url: '/json', ...request });
		const problem = answer.json<{ code: string; detail: string }>();
		expect([answer.statusCode, problem.code]).toEqual([status, code]);
		expect(problem.detail).toMatch(detail);
		expect(problem.detail).not.toContain('sesame');
	});

	it('answers an unknown address without its query', async () => {
		const answer = await server.inject('/nothing/here?key=sesame');
		expect(answer.json()).toMatchObject({
			status: 404,
			code: 'ROUTE_NOT_FOUND',
			detail: 'There is nothing at "/nothing/here".',
		});
	});

	it.each(['/%zz', `/by-name/${'x'.repeat(300)}`])('answers the malformed address %s as a bad request', async (url) => {
		server.get('/by-name/:name', () => ({ ok: true }));
		const answer = await server.inject(url);
		expect(answer.headers['content-type']).toBe('application/problem+json');
		expect([400, 404]).toContain(answer.statusCode);
		expect(answer.json()).toMatchObject({
			status: answer.statusCode,
			requestId: expect.stringMatching(/^[0-9a-z]{26}$/) as string,
		});
	});

	it('gives each request a new id and ignores the id of the client', async () => {
		const ids = new Set<string>();
		for (let index = 0; index < 3; index++) {
			const answer = await server.inject({ url: '/expected', headers: { 'request-id': 'mine' } });
			ids.add(answer.json<{ requestId: string }>().requestId);
		}
		expect(ids.size).toBe(3);
		expect(ids.has('mine')).toBe(false);
	});

	it('logs no key from an address', async () => {
		await server.inject('/bug?key=sesame');
		await server.inject('/live/sesame');
		expect(logger.lines).toHaveLength(2);
		expect(JSON.stringify(logger.lines)).not.toContain('sesame');
	});
});

describe('redactUrl', () => {
	it.each([
		['/hls/demo/index.m3u8?_HLS_msn=3&_HLS_part=1', '/hls/demo/index.m3u8?_HLS_msn=3&_HLS_part=1'],
		['/whip?token=abc&muted=1&x', '/whip?token=***&muted=1&x'],
		['/live/abc?a=b', '/live/***?a=***'],
		['/whip/abc/def', '/whip/***'],
		['/a\nb', '/a?b'],
		[`/${'x'.repeat(500)}`, `/${'x'.repeat(199)}`],
	])('shows %s as %s', (url, shown) => {
		expect(redactUrl(url)).toBe(shown);
	});
});
