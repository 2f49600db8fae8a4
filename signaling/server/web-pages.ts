/** Serves the built web pages: files as they are, every other page address the one page that routes by itself. */
import fastifyStatic from '@fastify/static';
import type { FastifyPluginAsync } from 'fastify';
import { join } from 'node:path';
import { SpillwayError } from '../../core/errors/errors.ts';
import { redactUrl } from '../platform/http/redact-url.ts';
import { CONTENT_SECURITY_POLICY, PERMISSIONS_POLICY } from '../platform/http/security-headers.ts';

/**
 * One path segment that can be a channel's name, or a page of the product. Media, API and protocols have routes of
 * their own.
 */
const PAGE_PATHS = ['/', '/:page', '/embed/:channel'] as const;
/** Pages of the product; web/src/app/router.ts has them. */
const PAGES: ReadonlySet<string> = new Set(['login', 'signup', 'settings', 'dashboard']);

/** Otherwise a browser that has the page from before would get 404 without it. */
const NOT_FOUND_OPTIONS = { etag: false, lastModified: false } as const;

/**
 * `folder`: where the build put index.html and assets/. `isChannel`: whether there is one; who asks for another gets
 * the page that says so, with 404.
 */
export function createWebPages(folder: string, isChannel: (name: string) => Promise<boolean>): FastifyPluginAsync {
	return async (app) => {
		app.addHook('onRequest', async (request, reply) => {
			if (request.ws) {
				// Pages are not sockets: without this, the upgrade would be accepted and then closed.
				throw new SpillwayError('ROUTE_NOT_FOUND', [redactUrl(request.url)]);
			}
			const frameAncestors = request.url.startsWith('/embed/') ? '' : "; frame-ancestors 'self'";
			reply
				.header('content-security-policy', CONTENT_SECURITY_POLICY + frameAncestors)
				.header('permissions-policy', PERMISSIONS_POLICY)
				.header('referrer-policy', 'same-origin');
		});
		await app.register(fastifyStatic, {
			root: folder,
			wildcard: false,
			index: false,
			// The build has put the compressed form beside each file.
			preCompressed: true,
			// Names in assets/ hold a hash of their content.
			setHeaders: (reply, path) => {
				const isAsset = path.startsWith(join(folder, 'assets'));
				reply.header('cache-control', isAsset ? 'public, max-age=31536000, immutable' : 'no-cache');
				if (isAsset) {
					// Module scripts are fetched with CORS, and an embed in a sandboxed frame has no origin of its own.
					reply.header('access-control-allow-origin', '*');
				}
			},
		});
		// Deeper addresses are nobody's. Who reads gets the page that says so, and a program what it gets everywhere.
		app.get('/*', async (request, reply) => {
			if (request.headers.accept?.includes('text/html') !== true) {
				throw new SpillwayError('ROUTE_NOT_FOUND', [redactUrl(request.url)]);
			}
			return reply.code(404).header('cache-control', 'no-cache').sendFile('index.html', NOT_FOUND_OPTIONS);
		});
		for (const path of PAGE_PATHS) {
			app.get<{ Params: { page?: string; channel?: string } }>(path, async (request, reply) => {
				const name = request.params.channel ?? request.params.page;
				if (path === '/:page' && name?.includes('.')) {
					// A file that there is not, such as /robots.txt.
					throw new SpillwayError('ROUTE_NOT_FOUND', [redactUrl(request.url)]);
				}
				const isThere = name === undefined || (path === '/:page' && PAGES.has(name)) || (await isChannel(name));
				return reply
					.code(isThere ? 200 : 404)
					.header('cache-control', 'no-cache')
					.sendFile('index.html', isThere ? {} : NOT_FOUND_OPTIONS);
			});
		}
	};
}
