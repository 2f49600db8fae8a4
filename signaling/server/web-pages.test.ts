/** Tests of the addresses of pages and their statuses, with fastify's injection. */
import fastify, { type FastifyInstance } from 'fastify';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { RecordingLogger } from '../../core/testing/recording-logger.ts';
import { registerErrorHandler } from '../platform/http/error-handler.ts';
import { createWebPages } from './web-pages.ts';

describe('createWebPages', () => {
	let folder: string;
	let server: FastifyInstance;

	beforeAll(async () => {
		folder = await mkdtemp(join(tmpdir(), 'spillway-pages-'));
		await writeFile(join(folder, 'index.html'), '<title>Spillway</title>');
		await mkdir(join(folder, 'assets'));
		await writeFile(join(folder, 'assets/player.js'), 'export {};');
		await writeFile(join(folder, 'assets/player.js.gz'), gzipSync('export {};'));
		server = fastify();
		registerErrorHandler(server, new RecordingLogger());
		server.get('/api/v1/channels', () => []);
		await server.register(
			createWebPages(
				{
					isChannel: (name) => Promise.resolve(name === 'demo'),
					isVideo: (id) => Promise.resolve(id === '01video'),
					isClip: (id) => Promise.resolve(id === '01clip'),
				},
				{ folder, mediaOrigins: ['https://media.example.org', 'https://cdn.example.org'] },
			),
		);
	});

	afterAll(async () => {
		await server.close();
		await rm(folder, { recursive: true });
	});

	it.each([
		['/', 200],
		['/login', 200],
		['/demo', 200],
		['/embed/demo', 200],
		['/demo/videos', 200],
		['/videos/01video', 200],
		['/embed/videos/01video', 200],
		['/clips/01clip', 200],
		['/embed/clips/01clip', 200],
		['/nobody', 404],
		['/nobody/videos', 404],
		['/videos/demo', 404],
		['/embed/videos/demo', 404],
		['/clips/01video', 404],
		['/embed/clips/01video', 404],
		['/videos', 404],
		['/embed/nobody', 404],
		['/no/such/page', 404],
		['/api/v1/no-such-route', 404],
	])('sends a browser at %s the page with status %i', async (url, status) => {
		const answer = await server.inject({ url, headers: { accept: 'text/html,application/xhtml+xml,*/*;q=0.8' } });
		expect([answer.statusCode, answer.body]).toEqual([status, '<title>Spillway</title>']);
		expect(answer.headers['content-security-policy']).toContain("default-src 'self'");
	});

	it.each(['/api/v1/no-such-route', '/no/such/page', '/robots.txt'])('sends a program at %s a problem', async (url) => {
		const answer = await server.inject({ url, headers: { accept: '*/*' } });
		expect(answer.statusCode).toBe(404);
		expect(answer.json()).toMatchObject({ code: 'ROUTE_NOT_FOUND' });
	});

	it.each([
		['br, gzip', 'gzip'],
		['gzip', 'gzip'],
		['identity', undefined],
		[undefined, undefined],
	])('sends a script for Accept-Encoding %s with the coding %s', async (accepted, coding) => {
		const headers = accepted === undefined ? {} : { 'accept-encoding': accepted };
		const answer = await server.inject({ url: '/assets/player.js', headers });
		const body = coding === undefined ? answer.rawPayload : gunzipSync(answer.rawPayload);
		expect([answer.statusCode, answer.headers['content-encoding'], String(body)]).toEqual([200, coding, 'export {};']);
		expect(answer.headers['content-type']).toContain('javascript');
		expect(answer.headers.vary).toContain('accept-encoding');
		expect(answer.headers['cache-control']).toContain('immutable');
	});

	it('answers 404 with the page even when the browser has it cached', async () => {
		const { etag } = (await server.inject('/demo')).headers;
		const again = await server.inject({ url: '/demo', headers: { 'if-none-match': etag } });
		const gone = await server.inject({ url: '/nobody', headers: { 'if-none-match': etag } });
		expect([again.statusCode, gone.statusCode, gone.body]).toEqual([304, 404, '<title>Spillway</title>']);
	});

	it('forbids other sites to frame a page, except the embed', async () => {
		expect((await server.inject('/demo')).headers['content-security-policy']).toContain("frame-ancestors 'self'");
		for (const url of ['/embed/demo', '/embed/videos/01video']) {
			expect((await server.inject(url)).headers['content-security-policy']).not.toContain('frame-ancestors');
		}
	});
});
