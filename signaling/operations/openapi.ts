/** The API's description, generated from the routes' schemas and shown by Swagger UI. */
import fastifySwagger from '@fastify/swagger';
import fastifySwaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance, FastifyPluginAsync, FastifySchema } from 'fastify';
import { PUBLIC_READ } from '../../core/protocol/api/cors.ts';
import { contentSecurityPolicy } from '../platform/http/security-headers.ts';

const OPENAPI_PATH = '/api/v1/openapi.json';
const API_DOCS_PATH = '/api/docs';

type Note = { tags: readonly string[]; summary: string; description?: string };

/**
 * Notes on the routes of lower tiers, which do not know OpenAPI, by `{method} {address}`. Addresses without a note or a
 * summary (answers to wrong methods, web pages) are left out.
 */
const ROUTE_NOTES: Readonly<Record<string, Note>> = {
	'POST /whip': {
		tags: ['publish'],
		summary: 'Publish by WHIP (RFC 9725)',
		description:
			'Body: an SDP offer, as application/sdp. Authorization: Bearer and the stream key; encoders without such a field may use ?key= behind the address. 201 brings the SDP answer and the session in Location.',
	},
	'DELETE /whip/:session': {
		tags: ['publish'],
		summary: 'End a WHIP session',
		description: 'Needs the stream key that began it. The broadcast ends.',
	},
	'POST /whep/:channel': {
		tags: ['watch'],
		summary: 'Watch by WebRTC (WHEP)',
		description: 'Body: an SDP offer, as application/sdp. 201 brings the SDP answer and the session in Location.',
	},
	'DELETE /whep/:channel/:session': { tags: ['watch'], summary: 'End a WHEP session' },
	'GET /hls/:channel/index.m3u8': { tags: ['watch'], summary: 'Watch by LL-HLS: multivariant playlist' },
	'GET /api/v1/streams/:channel/playlist.m3u8': {
		tags: ['watch'],
		summary: 'The same multivariant playlist',
		description: 'What is in it lies under /hls/.',
	},
	'GET /api/v1/signaling': {
		tags: ['watch'],
		summary: 'Signaling socket',
		description: 'WebSocket: presence, tier decisions, chat, clock and statistics of one viewer; JSON messages.',
	},
	'POST /api/v1/presence': {
		tags: ['watch'],
		summary: 'Count a viewer of an embed without a socket',
		description: 'Signed beacons, repeated while the embed plays.',
	},
	'GET /api/v1/chat/:channel': {
		tags: ['chat'],
		summary: 'Chat by IRC over WebSocket',
		description: 'WebSocket, for chat programs and bots that speak as Twitch does.',
	},
	'GET /healthz': { tags: ['operation'], summary: 'The process lives' },
	'GET /readyz': {
		tags: ['operation'],
		summary: 'It can serve newcomers',
		description: '503 while a part cannot, with reasons.',
	},
	'GET /metrics': { tags: ['operation'], summary: 'Figures for Prometheus' },
};

const TAGS = [
	{ name: 'publish', description: 'Sending a stream in.' },
	{ name: 'watch', description: 'Both tiers and the socket that chooses between them.' },
	{ name: 'channels', description: 'Channels for everybody, and for their owners.' },
	{ name: 'stream keys', description: 'The secrets of publishers.' },
	{ name: 'broadcasts', description: 'What is live.' },
	{ name: 'chat', description: 'Chat and its moderation.' },
	{ name: 'accounts', description: 'Signing up, logging in and out.' },
	{ name: 'operation', description: 'For operators.' },
];

/** Collects routes. Call it before any route is registered, on the server itself and not on a plugin. */
export async function registerOpenApi(server: FastifyInstance, version: string): Promise<void> {
	await server.register(fastifySwagger, {
		openapi: {
			openapi: '3.1.0',
			info: {
				title: 'Spillway',
				version,
				description:
					'Every refusal is a problem document (RFC 9457) with a code. Changes that come with cookies need the header "x-spillway-csrf: 1" or an Origin that is ours.',
			},
			tags: TAGS,
			components: {
				securitySchemes: {
					session: {
						type: 'apiKey',
						in: 'cookie',
						name: 'spillway_session',
						description: 'Set by logging in; with TLS its name begins with "__Host-".',
					},
					accessToken: { type: 'http', scheme: 'bearer', description: 'The same token as a header.' },
				},
			},
		},
		transform: ({ schema, url, route }) => ({ schema: describeRoute(schema, String(route.method), url), url }),
	});
}

function describeRoute(schema: FastifySchema | undefined, method: string, url: string): FastifySchema {
	const note = ROUTE_NOTES[`${method} ${url}`];
	if (note !== undefined) {
		// Lower tiers hide the routes that they cannot describe.
		return { ...schema, ...note, hide: false };
	}
	return schema?.summary === undefined ? { ...schema, hide: true } : schema;
}

/** Register it after the routes that it describes. */
export const openApiRoutes: FastifyPluginAsync = async (app) => {
	addPageHeaders(app);
	// All routes are registered before the first request.
	let description: string | undefined;
	const cors = { ...PUBLIC_READ, readable: ['GET', 'HEAD'] };
	app.get(OPENAPI_PATH, { config: { cors } }, async (_request, reply) => {
		description ??= JSON.stringify(app.swagger());
		return reply.header('cache-control', 'no-cache').type('application/json; charset=utf-8').send(description);
	});
};

export const apiDocsPage: FastifyPluginAsync = async (app) => {
	addPageHeaders(app);
	await app.register(fastifySwaggerUi, {
		routePrefix: API_DOCS_PATH,
		staticCSP: false,
		theme: { title: 'Spillway API' },
		uiConfig: { docExpansion: 'list' },
	});
};

function addPageHeaders(app: FastifyInstance): void {
	app.addHook('onRequest', async (_request, reply) => {
		reply
			.header('content-security-policy', `${contentSecurityPolicy()}; frame-ancestors 'none'`)
			.header('x-content-type-options', 'nosniff')
			.header('referrer-policy', 'same-origin');
	});
}
