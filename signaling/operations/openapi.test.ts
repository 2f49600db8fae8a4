/** Tests of the API's description: which routes it contains, and the content security policy of its page. */
import fastify, { type FastifyInstance, type FastifyPluginAsync } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { answerOtherMethods } from '../../core/protocol/api/address-methods.ts';
import { contentSecurityPolicy } from '../platform/http/security-headers.ts';
import { apiDocsPage, openApiRoutes, registerOpenApi } from './openapi.ts';

describe('openapi', () => {
	let app: FastifyInstance;

	beforeEach(async () => {
		app = fastify();
		await registerOpenApi(app, '1.2.3');
		const routes: FastifyPluginAsync = async (plugin) => {
			plugin.post('/whip', async () => 'x');
			plugin.get('/whip', async () => 'x');
			plugin.get('/api/v1/signaling', { schema: { hide: true } }, async () => 'x');
			plugin.get('/:page', async () => 'x');
			plugin.get('/api/v1/things', { schema: { summary: 'Things', tags: ['channels'] } }, async () => 'x');
			await plugin.register(openApiRoutes);
		};
		await app.register(answerOtherMethods(routes));
		await app.register(apiDocsPage);
		await app.ready();
	});
	afterEach(() => app.close());

	it('describes routes with a summary, and those of the lower tiers', async () => {
		const response = await app.inject('/api/v1/openapi.json');
		const document = response.json<{ openapi: string; info: object; paths: Record<string, object> }>();
		expect([document.openapi, document.info]).toEqual(['3.1.0', expect.objectContaining({ version: '1.2.3' })]);
		expect(Object.entries(document.paths).map(([path, methods]) => [path, Object.keys(methods)])).toEqual([
			['/whip', ['post']],
			['/api/v1/signaling', ['get']],
			['/api/v1/things', ['get']],
		]);
	});

	it('serves a page without inline scripts, under the policy of all pages', async () => {
		const page = await app.inject('/api/docs/');
		expect(page.statusCode).toBe(200);
		expect(page.headers['content-security-policy']).toBe(`${contentSecurityPolicy()}; frame-ancestors 'none'`);
		expect(page.headers['content-security-policy']).not.toMatch(/script-src|unsafe-eval/);
		const scripts = [...page.body.matchAll(/<script([^>]*)>([^]*?)<\/script>/g)];
		expect(scripts.length).toBeGreaterThan(0);
		for (const [, attributes, text] of scripts) {
			expect([attributes, text!.trim()]).toEqual([expect.stringContaining('src='), '']);
		}
		expect((await app.inject('/api/docs/json')).statusCode).toBe(200);
	});
});
