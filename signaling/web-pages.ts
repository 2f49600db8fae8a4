/** Serves the built web pages: files as they are, every other page address the one page that routes by itself. */
import fastifyStatic from '@fastify/static';
import type { FastifyPluginAsync } from 'fastify';
import { join } from 'node:path';

/** One path segment that can be a channel's name, or a page of the product. Media, API and protocols have routes of their own. */
const PAGE_PATHS = ['/', '/:page', '/embed/:channel'] as const;

/** What the pages may load: themselves only. hls.js needs blob: for media and for its worker. */
export const CONTENT_SECURITY_POLICY = [
	"default-src 'self'",
	"media-src 'self' blob:",
	"worker-src 'self' blob:",
	"connect-src 'self' ws: wss:",
	"img-src 'self' data:",
	"style-src 'self' 'unsafe-inline'",
	"object-src 'none'",
	"base-uri 'none'",
	"form-action 'self'",
].join('; ');

/** `folder`: where the build put index.html and assets/. */
export function createWebPages(folder: string): FastifyPluginAsync {
	return async (app) => {
		app.addHook('onRequest', async (request, reply) => {
			const frameAncestors = request.url.startsWith('/embed/') ? '' : "; frame-ancestors 'self'";
			reply
				.header('content-security-policy', CONTENT_SECURITY_POLICY + frameAncestors)
				.header('x-content-type-options', 'nosniff')
				.header('referrer-policy', 'same-origin');
		});
		await app.register(fastifyStatic, {
			root: folder,
			wildcard: false,
			index: false,
			// Names in assets/ hold a hash of their content.
			setHeaders: (reply, path) => {
				reply.header(
					'cache-control',
					path.startsWith(join(folder, 'assets')) ? 'public, max-age=31536000, immutable' : 'no-cache',
				);
			},
		});
		for (const path of PAGE_PATHS) {
			app.get(path, async (_request, reply) => reply.header('cache-control', 'no-cache').sendFile('index.html'));
		}
	};
}
