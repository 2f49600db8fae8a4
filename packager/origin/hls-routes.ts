/** The HTTP routes of the LL-HLS origin. Maps requests to a channel's broadcast; knows no playlists. */
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import { SpillwayError } from '../../core/errors/errors.ts';
import { PUBLIC_READ } from '../../core/protocol/api/cors.ts';
import { parseDeliveryDirectives } from '../playlist/delivery-directives.ts';
import type { BroadcastOrigin, MediaAnswer, OriginClient } from './broadcast-origin.ts';
import { cacheControl, type AnswerKind } from './cache-policy.ts';
import { chooseCoding, readByteRange } from './request-headers.ts';
import type { RenderedBody } from './rendered-playlist.ts';

/** What the routes need to find a broadcast. */
interface HlsDirectory {
	/** The origin of the channel's broadcast, held while it starts. Throws SpillwayError when there is none. */
	liveOrigin(channelName: string, client: OriginClient): Promise<BroadcastOrigin>;
	/** The origin of a broadcast that is live or ended lately. */
	origin(channelName: string, broadcastId: string): BroadcastOrigin | undefined;
	/** What requests from an address are counted under; undefined: not counted. */
	clientKey(address: string): string | undefined;
}

/** L-36: Apple's validator refuses every other name. */
const PLAYLIST_CONTENT_TYPE = 'application/vnd.apple.mpegurl';

const CHANNEL_PATH = '/hls/:channel/index.m3u8';
const ALIAS_PATH = '/api/v1/streams/:channel/playlist.m3u8';
const MULTIVARIANT_PATHS = [CHANNEL_PATH, ALIAS_PATH] as const;
const MEDIA_PATH = '/hls/:channel/:broadcastId/:track/:file';

/**
 * Media is public, or protected by what stands before these routes, and is played from any page. hls.js reads Age and
 * Date to find out how old a cached playlist is, others the length, the range and CMSD: "*" names all of them, as
 * nothing here is asked for with credentials, and is short, for it goes out five times a second.
 */
const config = { cors: { ...PUBLIC_READ, readable: 'all', exposedHeaders: '*' } } as const;

type ChannelParams = { channel: string };
type MediaParams = { channel: string; broadcastId: string; track: string; file: string };

/** Makes the plugin. Errors are thrown to the server's error handler as SpillwayError. */
export function createHlsRoutes(directory: HlsDirectory): FastifyPluginAsync {
	return async (server) => {
		server.addHook('onRequest', async (_request, reply) => {
			reply.header('cross-origin-resource-policy', 'cross-origin').header('timing-allow-origin', '*');
		});
		// A failed answer gets its cache life here, because the error handler knows nothing of HLS.
		server.addHook('onError', async (_request, reply, error) => {
			reply.header('cache-control', cacheControl(failureKind(error)));
			if (error instanceof SpillwayError && error.retryAfterSeconds !== undefined) {
				reply.header('retry-after', String(error.retryAfterSeconds));
			}
		});
		for (const path of MULTIVARIANT_PATHS) {
			server.get<{ Params: ChannelParams }>(path, { config }, async (request, reply) => {
				const origin = await directory.liveOrigin(request.params.channel, new RequestClient(request, directory));
				const body = Buffer.from(origin.multivariantPlaylist(channelBase(request, origin.channelName)));
				return reply
					.header('cache-control', cacheControl('multivariant-playlist'))
					.type(PLAYLIST_CONTENT_TYPE)
					.send(body);
			});
		}
		server.get<{ Params: MediaParams }>(MEDIA_PATH, { config }, async (request, reply) => {
			const { channel, broadcastId, track, file } = request.params;
			const origin = directory.origin(channel, broadcastId);
			if (origin === undefined) {
				throw new SpillwayError('MEDIA_NOT_FOUND');
			}
			if (file === 'index.m3u8') {
				const directives = parseDeliveryDirectives(request.query as Record<string, unknown>);
				const answer = await origin.mediaPlaylist(track, directives, new RequestClient(request, directory));
				return sendPlaylist(request, reply, answer.body, answer.kind);
			}
			const media = await origin.media(track, file, new RequestClient(request, directory));
			return sendMedia(request, reply, media);
		});
	};
}

/** Both are found out when they are asked for: most requests are answered without being held. */
class RequestClient implements OriginClient {
	readonly #request: FastifyRequest;
	readonly #directory: HlsDirectory;

	constructor(request: FastifyRequest, directory: HlsDirectory) {
		this.#request = request;
		this.#directory = directory;
	}

	get key(): string | undefined {
		return this.#directory.clientKey(this.#request.ip);
	}

	get signal(): AbortSignal {
		return this.#request.signal;
	}
}

/**
 * Leads from the address of the request to `/hls/{channel}/`, without naming anything that a proxy may have put before
 * it.
 */
function channelBase(request: FastifyRequest<{ Params: ChannelParams }>, channelName: string): string {
	// A slash at the end is ignored by our router, but not by what resolves addresses.
	const up = request.url.split('?')[0]!.endsWith('/') ? '../' : '';
	if (request.routeOptions.url === ALIAS_PATH) {
		return `${up}../../../../hls/${channelName}/`;
	}
	// Media has one address, with the channel's name as we write it.
	return request.params.channel === channelName ? up : `${up}../${channelName}/`;
}

function sendMedia(request: FastifyRequest, reply: FastifyReply, { bytes, contentType }: MediaAnswer): FastifyReply {
	reply.header('accept-ranges', 'bytes').header('cache-control', cacheControl('media')).type(contentType);
	const range = readByteRange(request.headers.range, bytes.length);
	if (range.kind === 'none') {
		return reply
			.code(416)
			.header('cache-control', cacheControl('bad-request'))
			.header('content-range', `bytes */${bytes.length}`)
			.send();
	}
	if (range.kind === 'whole') {
		return reply.send(bytes);
	}
	const { startByte, endByte } = range;
	return reply
		.code(206)
		.header('content-range', `bytes ${startByte}-${endByte - 1}/${bytes.length}`)
		.send(bytes.subarray(startByte, endByte));
}

function sendPlaylist(
	request: FastifyRequest,
	reply: FastifyReply,
	body: RenderedBody,
	kind: AnswerKind,
): FastifyReply {
	reply.header('cache-control', cacheControl(kind)).header('vary', 'accept-encoding').type(PLAYLIST_CONTENT_TYPE);
	const coding = chooseCoding(request.headers['accept-encoding']);
	return coding === undefined
		? reply.send(body.plain)
		: reply.header('content-encoding', coding).send(body.compressed(coding));
}

function failureKind(error: unknown): AnswerKind {
	const status = error instanceof SpillwayError ? error.httpStatus : 500;
	return status === 404 ? 'not-found' : status < 500 ? 'bad-request' : 'unavailable';
}
