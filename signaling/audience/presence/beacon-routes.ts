/** `POST /api/v1/presence`: counts viewers of embeds that have no socket, by signed beacons. */
import type {} from '@fastify/swagger';
import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../../core/errors/errors.ts';
import { beaconAnswerSchema, beaconSchema, type Beacon, type BeaconAnswer } from '../../../core/protocol/api/beacon.ts';
import type { CorsPolicy } from '../../../core/protocol/api/cors.ts';
import { addressKey, isLoopback } from '../../../core/limits/address-key.ts';
import { TokenBuckets, type TokenRate } from '../../../core/limits/token-bucket.ts';

const PRESENCE_PATH = '/api/v1/presence';
/** Players send one this often; the viewer counts as gone after more than two lost ones in a row. */
const BEACON_INTERVAL_MS = 5000;
/** First beacons of one address group: each may add a viewer. */
const NEWCOMER_RATE: TokenRate = { perSecond: 1, burst: 60 };
/** Address groups whose rate is kept. */
const MAX_ADDRESSES = 50_000;

// No cookies are read here, so pages of any origin may count their viewers.
const CORS: CorsPolicy = {
	readable: 'all',
	methods: 'POST, OPTIONS',
	requestHeaders: 'Content-Type',
	isHeaderListFixed: true,
	maxAgeSeconds: 86_400,
	preflightStatus: 204,
};

type BeaconRooms = {
	room(
		channelName: string,
	): Promise<{ beacon(token: string | undefined): { token: string; isCounted: boolean }; leave(token: string): void }>;
	viewerCount(channelName: string): number;
};

export function createBeaconRoutes(rooms: BeaconRooms, clock: Clock): FastifyPluginAsync {
	const buckets = new TokenBuckets(clock, NEWCOMER_RATE, MAX_ADDRESSES);
	return async (app) => {
		// navigator.sendBeacon() sends text: anything else would need a preflight that a closing page does not wait for.
		app.addContentTypeParser('text/plain', { parseAs: 'string' }, app.getDefaultJsonParser('error', 'error'));
		app.addHook('onRequest', async (_request, reply) => {
			reply.header('cache-control', 'no-store');
		});
		app.post<{ Body: Beacon }>(
			PRESENCE_PATH,
			{ config: { cors: CORS }, schema: { body: beaconSchema, response: { 200: beaconAnswerSchema } } },
			async (request): Promise<BeaconAnswer> => {
				const { channel, token, isLeaving } = request.body;
				const room = await rooms.room(channel);
				if (isLeaving === true) {
					room.leave(token ?? '');
				}
				const next = isLeaving === true ? { token: token ?? '', isCounted: true } : room.beacon(token);
				if (!next.isCounted) {
					// A viewer with a token that we did not sign is a newcomer, too.
					admitNewcomer(buckets, request);
				}
				return {
					token: next.token,
					nextBeaconMs: next.isCounted ? BEACON_INTERVAL_MS : 0,
					viewerCount: rooms.viewerCount(channel.toLowerCase()),
				};
			},
		);
	};
}

/** Throws RATE_LIMITED when an address group adds viewers too fast. */
function admitNewcomer(buckets: TokenBuckets, { ip }: FastifyRequest): void {
	// Behind a proxy on this machine that sends no client address, every viewer has a loopback address.
	const waitMs = isLoopback(ip) ? 0 : buckets.take(addressKey(ip));
	if (waitMs > 0) {
		const retryAfterSeconds = Math.ceil(waitMs / 1000);
		throw new SpillwayError('RATE_LIMITED', [retryAfterSeconds], { retryAfterSeconds });
	}
}
