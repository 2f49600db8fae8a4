/** The HTTP routes of the LL-HLS origin. Maps requests to a channel's broadcast; knows no playlists. */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { SpillwayError } from '../../core/errors.ts';
import { parseDeliveryDirectives } from '../playlist/delivery-directives.ts';
import type { BroadcastOrigin, OriginClient } from './broadcast-origin.ts';
import { cacheControl, type AnswerKind } from './cache-policy.ts';
import type { RenderedBody } from './rendered-playlist.ts';

/** What the routes need to find a broadcast. */
export interface HlsDirectory {
	/** The origin of the channel's broadcast, held while it starts. Throws SpillwayError when there is none. */
	liveOrigin(channelName: string, client: OriginClient): Promise<BroadcastOrigin>;
	/** The origin of a broadcast that is live or ended lately. */
	origin(channelName: string, broadcastId: string): BroadcastOrigin | undefined;
	/** What requests from an address are counted under; undefined: not counted. */
	clientKey(address: string): string | undefined;
}

/** L-36: Apple's validator refuses every other name. */
const PLAYLIST_CONTENT_TYPE = 'application/vnd.apple.mpegurl';

const MULTIVARIANT_PATHS = ['/hls/:channel/index.m3u8', '/api/v1/streams/:channel/playlist.m3u8'] as const;
const MEDIA_PATH = '/hls/:channel/:broadcastId/:track/:file';

type ChannelParams = { channel: string };
type MediaParams = { channel: string; broadcastId: string; track: string; file: string };

/** Makes the plugin. Errors are thrown to the server's error handler as SpillwayError. */
export function createHlsRoutes(directory: HlsDirectory): FastifyPluginAsync {
	return async (server) => {
		// Media is public, or protected by what stands before these routes, and is played from any page.
		server.addHook('onRequest', async (_request, reply) => {
			reply.header('access-control-allow-origin', '*');
			// hls.js reads Age to find out how old a cached playlist is.
			reply.header('access-control-expose-headers', 'Age, Date');
			reply.header('cross-origin-resource-policy', 'cross-origin');
			reply.header('timing-allow-origin', '*');
		});
		// A failed answer gets its cache life here, because the error handler knows nothing of HLS.
		server.addHook('onError', async (_request, reply, error) => {
			reply.header('cache-control', cacheControl(failureKind(error)));
			if (error instanceof SpillwayError && error.retryAfterSeconds !== undefined) {
				reply.header('retry-after', String(error.retryAfterSeconds));
			}
		});
		for (const path of MULTIVARIANT_PATHS) {
			server.get<{ Params: ChannelParams }>(path, async (request, reply) => {
				const origin = await directory.liveOrigin(request.params.channel, clientOf(request));
				const plain = Buffer.from(origin.multivariantPlaylist());
				return sendPlaylist(request, reply, { plain, gzip: () => plain }, 'multivariant-playlist');
			});
			refuseOtherMethods(path);
		}
		server.get<{ Params: MediaParams }>(MEDIA_PATH, async (request, reply) => {
			const { channel, broadcastId, track, file } = request.params;
			const origin = directory.origin(channel, broadcastId);
			if (origin === undefined) {
				throw new SpillwayError('MEDIA_NOT_FOUND');
			}
			if (file === 'index.m3u8') {
				const directives = parseDeliveryDirectives(request.query as Record<string, unknown>);
				const answer = await origin.mediaPlaylist(track, directives, clientOf(request));
				return sendPlaylist(request, reply, answer.body, answer.kind);
			}
			const media = await origin.media(track, file, clientOf(request));
			return reply.header('cache-control', cacheControl('media')).type(media.contentType).send(media.bytes);
		});
		refuseOtherMethods(MEDIA_PATH);

		// Both are made when they are asked for: most requests are answered without being held.
		function clientOf(request: FastifyRequest): OriginClient {
			return {
				get key() {
					return directory.clientKey(request.ip);
				},
				get signal() {
					return request.signal;
				},
			};
		}

		function refuseOtherMethods(path: string): void {
			server.options(path, async (_request, reply) =>
				reply
					.code(204)
					.header('allow', 'GET, HEAD, OPTIONS')
					.header('access-control-allow-methods', 'GET, HEAD, OPTIONS')
					.header('access-control-allow-headers', 'Range, Content-Type')
					.header('access-control-max-age', '86400')
					.send(),
			);
			server.route({
				method: ['POST', 'PUT', 'PATCH', 'DELETE'],
				url: path,
				// Before a body is read, which could be of any type and size.
				onRequest: async (request, reply) => {
					reply.header('allow', 'GET, HEAD, OPTIONS');
					throw new SpillwayError('METHOD_NOT_ALLOWED', [request.method]);
				},
				handler: async () => undefined,
			});
		}
	};
}

function sendPlaylist(
	request: FastifyRequest,
	reply: FastifyReply,
	body: RenderedBody,
	kind: AnswerKind,
): FastifyReply {
	reply.header('cache-control', cacheControl(kind)).header('vary', 'accept-encoding').type(PLAYLIST_CONTENT_TYPE);
	if (kind !== 'multivariant-playlist' && acceptsGzip(request.headers['accept-encoding'])) {
		return reply.header('content-encoding', 'gzip').send(body.gzip());
	}
	return reply.send(body.plain);
}

/** RFC 9110 §12.5.3: gzip by name or by "*", unless its weight is 0. */
export function acceptsGzip(header: string | string[] | undefined): boolean {
	const weights = new Map<string, number>();
	for (const entry of String(header ?? '')
		.slice(0, 256)
		.toLowerCase()
		.split(',')) {
		const [name = '', ...parameters] = entry.split(';').map((text) => text.trim());
		const weight = parameters.find((text) => text.startsWith('q='));
		weights.set(name, weight === undefined ? 1 : Number(weight.slice(2)));
	}
	return (weights.get('gzip') ?? weights.get('*') ?? 0) > 0;
}

function failureKind(error: unknown): AnswerKind {
	const status = error instanceof SpillwayError ? error.httpStatus : 500;
	return status === 404 ? 'not-found' : status < 500 ? 'bad-request' : 'unavailable';
}
