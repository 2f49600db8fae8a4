/** The HTTP routes of the LL-HLS origin. Maps requests to a channel's broadcast; knows no playlists. */
import { randomInt } from 'node:crypto';
import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import { SpillwayError } from '../../core/errors/errors.ts';
import { PUBLIC_READ } from '../../core/protocol/api/cors.ts';
import type { Cdn } from '../config/packager-config.ts';
import { MAX_SEED, STEERING_PATH, steeringManifest } from '../playlist/content-steering.ts';
import { parseDeliveryDirectives } from '../playlist/delivery-directives.ts';
import type { BroadcastOrigin, OriginClient } from './broadcast-origin.ts';
import { CACHE_CONTROL, type AnswerKind } from './cache-policy.ts';
import { PLAYLIST_CONTENT_TYPE, sendMedia, sendPlaylist } from './send-body.ts';

interface HlsDirectory {
	/** The origin of the channel's broadcast, held while it starts. Throws SpillwayError when there is none. */
	liveOrigin(channelName: string, client: OriginClient): Promise<BroadcastOrigin>;
	/** The origin of a broadcast that is live or ended recently. */
	origin(channelName: string, broadcastId: string): BroadcastOrigin | undefined;
	/** Key under which requests from an address are counted; undefined: not counted. */
	clientKey(address: string): string | undefined;
	/** CDNs that playlists name. */
	cdns: readonly Cdn[];
}

const CHANNEL_PATH = '/hls/:channel/index.m3u8';
const DVR_PATH = '/hls/:channel/dvr.m3u8';
const ALIAS_PATH = '/api/v1/streams/:channel/playlist.m3u8';
const MEDIA_PATH = '/hls/:channel/:broadcastId/:track/:file';

/**
 * Media is public, or protected by what runs before these routes, and plays on any page. hls.js reads Age and Date to
 * find out how old a cached playlist is, others the length, the range and CMSD. "*" names all of them, since no request
 * here has credentials, and is short, since it is sent five times a second.
 */
const config = { cors: { ...PUBLIC_READ, readable: 'all', exposedHeaders: '*' } } as const;

type ChannelParams = { channel: string };
type MediaParams = { channel: string; broadcastId: string; track: string; file: string };

/** Errors are thrown to the server's error handler as SpillwayError. */
export function createHlsRoutes(directory: HlsDirectory): FastifyPluginAsync {
	return async (server) => {
		server.addHook('onRequest', async (_request, reply) => {
			reply.header('cross-origin-resource-policy', 'cross-origin').header('timing-allow-origin', '*');
		});
		// A failed answer gets its cache life here, because the error handler has no rules for HLS.
		server.addHook('onError', async (_request, reply, error) => {
			reply.header('cache-control', CACHE_CONTROL[failureKind(error)]);
			if (error instanceof SpillwayError && error.retryAfterSeconds !== undefined) {
				reply.header('retry-after', String(error.retryAfterSeconds));
			}
		});
		for (const path of [CHANNEL_PATH, ALIAS_PATH]) {
			server.get<{ Params: ChannelParams }>(path, { config }, async (request, reply) => {
				const origin = await directory.liveOrigin(request.params.channel, clientOf(request, directory));
				const body = Buffer.from(origin.multivariantPlaylist(channelBase(request, origin.channelName)));
				return reply
					.header('cache-control', CACHE_CONTROL['multivariant-playlist'])
					.type(PLAYLIST_CONTENT_TYPE)
					.send(body);
			});
		}
		server.get<{ Params: ChannelParams }>(DVR_PATH, { config }, async (request, reply) => {
			const origin = await directory.liveOrigin(request.params.channel, clientOf(request, directory));
			const body = Buffer.from(origin.dvrMultivariantPlaylist(channelBase(request, origin.channelName)));
			return reply
				.header('cache-control', CACHE_CONTROL['multivariant-playlist'])
				.type(PLAYLIST_CONTENT_TYPE)
				.send(body);
		});
		server.get<{ Querystring: Record<string, unknown> }>(STEERING_PATH, { config }, async (request, reply) => {
			if (directory.cdns.length === 0) {
				throw new SpillwayError('MEDIA_NOT_FOUND');
			}
			return reply
				.header('cache-control', CACHE_CONTROL.steering)
				.send(steeringManifest(directory.cdns, seedOf(request.query['seed'])));
		});
		server.get<{ Params: MediaParams }>(MEDIA_PATH, { config }, async (request, reply) => {
			const { channel, broadcastId, track, file } = request.params;
			const origin = directory.origin(channel, broadcastId);
			if (origin === undefined) {
				throw new SpillwayError('MEDIA_NOT_FOUND');
			}
			if (file === 'index.m3u8') {
				const directives = parseDeliveryDirectives(request.query as Record<string, unknown>);
				const answer = await origin.mediaPlaylist(track, directives, clientOf(request, directory));
				return sendPlaylist(request, reply, answer);
			}
			if (file === 'dvr.m3u8') {
				const { isDeltaWelcome } = parseDeliveryDirectives(request.query as Record<string, unknown>);
				return sendPlaylist(request, reply, origin.dvrPlaylist(track, isDeltaWelcome));
			}
			return sendMedia(request, reply, await origin.media(track, file, clientOf(request, directory)), 'media');
		});
	};
}

/** The one that a player got before, or any. */
function seedOf(given: unknown): number {
	const seed = typeof given === 'string' && /^\d{1,6}$/.test(given) ? Number(given) : MAX_SEED;
	return seed < MAX_SEED ? seed : randomInt(MAX_SEED);
}

/** Both are found out when they are used: most requests are answered without being held. */
function clientOf(request: FastifyRequest, directory: HlsDirectory): OriginClient {
	return {
		get key() {
			return directory.clientKey(request.ip);
		},
		get signal() {
			return request.signal;
		},
	};
}

/** Path from the request's address to `/hls/{channel}/`, without anything that a proxy may have put before it. */
function channelBase(request: FastifyRequest<{ Params: ChannelParams }>, channelName: string): string {
	// Our router ignores a slash at the end, but the resolution of relative addresses does not.
	const up = request.url.split('?')[0]!.endsWith('/') ? '../' : '';
	if (request.routeOptions.url === ALIAS_PATH) {
		return `${up}../../../../hls/${channelName}/`;
	}
	// Media has one address, with the channel's name in our spelling.
	return request.params.channel === channelName ? up : `${up}../${channelName}/`;
}

function failureKind(error: unknown): AnswerKind {
	const status = error instanceof SpillwayError ? error.httpStatus : 500;
	return status === 404 ? 'not-found' : status < 500 ? 'bad-request' : 'unavailable';
}
