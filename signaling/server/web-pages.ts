/** Serves the built web pages: the files, and index.html for every page address. */
import fastifyStatic from '@fastify/static';
import type { FastifyPluginAsync } from 'fastify';
import { join } from 'node:path';
import { SpillwayError } from '../../core/errors/errors.ts';
import { redactUrl } from '../platform/http/redact-url.ts';
import { contentSecurityPolicy, PERMISSIONS_POLICY } from '../platform/http/security-headers.ts';

/** A single path segment is a channel's name or a page of the product. As in web/src/app/router.ts. */
const PAGE_PATHS = [
	'/',
	'/:page',
	'/:channel/videos',
	'/clips/:clip',
	'/videos/:video',
	'/embed/:channel',
	'/embed/videos/:video',
	'/embed/clips/:clip',
] as const;
/** As in web/src/app/router.ts. */
const PAGES: ReadonlySet<string> = new Set(['login', 'signup', 'settings', 'dashboard']);

type PageParams = { page?: string; channel?: string; video?: string; clip?: string };

/** Without validators, so that a browser with a cached page gets the body with its 404. */
const NOT_FOUND_OPTIONS = { etag: false, lastModified: false } as const;

/** What pages are about. For one that does not exist the page has status 404. */
type PageSubjects = {
	isChannel: (name: string) => Promise<boolean>;
	/** False also for a private video: its page shows it to its owner, and its address says nothing to others. */
	isVideo: (id: string) => Promise<boolean>;
	isClip: (id: string) => Promise<boolean>;
};

type WebPagesOptions = {
	/** Contains index.html and assets/. */
	folder: string;
	/** Where recordings may be loaded from besides the server. */
	mediaOrigins: readonly string[];
};

export function createWebPages(
	{ isChannel, isVideo, isClip }: PageSubjects,
	{ folder, mediaOrigins }: WebPagesOptions,
): FastifyPluginAsync {
	const policy = contentSecurityPolicy(mediaOrigins);
	const exists = async ({ page, channel, video, clip }: PageParams): Promise<boolean> => {
		if (video !== undefined) {
			return isVideo(video);
		}
		if (clip !== undefined) {
			return isClip(clip);
		}
		const name = channel ?? page;
		return name === undefined || (page !== undefined && PAGES.has(page)) || isChannel(name);
	};
	return async (app) => {
		app.addHook('onRequest', async (request, reply) => {
			if (request.ws) {
				// Without this check the upgrade is accepted and then closed.
				throw new SpillwayError('ROUTE_NOT_FOUND', [redactUrl(request.url)]);
			}
			const frameAncestors = request.url.startsWith('/embed/') ? '' : "; frame-ancestors 'self'";
			reply
				.header('content-security-policy', policy + frameAncestors)
				.header('permissions-policy', PERMISSIONS_POLICY)
				.header('referrer-policy', 'same-origin');
		});
		await app.register(fastifyStatic, {
			root: folder,
			wildcard: false,
			index: false,
			// The build writes a compressed form next to each file.
			preCompressed: true,
			// Names in assets/ contain a hash of the content.
			setHeaders: (reply, path) => {
				const isAsset = path.startsWith(join(folder, 'assets'));
				reply.header('cache-control', isAsset ? 'public, max-age=31536000, immutable' : 'no-cache');
				if (isAsset) {
					// Module scripts are fetched with CORS, and an embed in a sandboxed frame has no origin.
					reply.header('access-control-allow-origin', '*');
				}
			},
		});
		// Other addresses do not exist: a browser gets the page with 404, a program the usual problem.
		app.get('/*', async (request, reply) => {
			if (request.headers.accept?.includes('text/html') !== true) {
				throw new SpillwayError('ROUTE_NOT_FOUND', [redactUrl(request.url)]);
			}
			return reply.code(404).header('cache-control', 'no-cache').sendFile('index.html', NOT_FOUND_OPTIONS);
		});
		for (const path of PAGE_PATHS) {
			app.get<{ Params: PageParams }>(path, async (request, reply) => {
				if (request.params.page?.includes('.') === true) {
					// A missing file, such as /robots.txt.
					throw new SpillwayError('ROUTE_NOT_FOUND', [redactUrl(request.url)]);
				}
				const isFound = await exists(request.params);
				return reply
					.code(isFound ? 200 : 404)
					.header('cache-control', 'no-cache')
					.sendFile('index.html', isFound ? {} : NOT_FOUND_OPTIONS);
			});
		}
	};
}
