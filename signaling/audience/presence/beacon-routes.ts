/** `POST /api/v1/presence`: counts viewers of embeds that have no socket, by signed beacons. */
import type {} from '@fastify/swagger';
import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../../core/errors/errors.ts';
import { beaconAnswerSchema, beaconSchema, type Beacon, type BeaconAnswer } from '../../../core/protocol/api/beacon.ts';
import type { CorsPolicy } from '../../../core/protocol/api/cors.ts';
import { addressKey, isLoopback } from '../../../core/limits/address-key.ts';
import { TokenBuckets, type TokenRate } from '../../../core/limits/token-bucket.ts';

/** Address of the beacons. */
const PRESENCE_PATH = '/api/v1/presence';
/** Players send one this often; two in a row may be lost on the way before the viewer is taken for gone. */
const BEACON_INTERVAL_MS = 5000;
/** First beacons of one address group: each may become a viewer more. */
const NEWCOMER_RATE: TokenRate = { perSecond: 1, burst: 60 };
/** Address groups that are remembered for it. */
const MAX_ADDRESSES = 50_000;

/** No cookies are read here, so pages of any origin may count their viewers. */
const CORS: CorsPolicy = {
	readable: 'all',
	methods: 'POST, OPTIONS',
	requestHeaders: 'Content-Type',
	isHeaderListFixed: true,
	maxAgeSeconds: 86_400,
	preflightStatus: 204,
};

/** The rooms, as beacons see them. */
type BeaconRooms = {
	room(
		channelName: string,
	): Promise<{ beacon(token: string | undefined): { token: string; isCounted: boolean }; leave(token: string): void }>;
	viewerCount(channelName: string): number;
};

/** The route. */
export function createBeaconRoutes(rooms: BeaconRooms, clock: Clock): FastifyPluginAsync {
	const limit = new NewcomerLimit(clock);
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
					// Whoever brings a token that is not ours is new, too.
					limit.take(request);
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

/** Bounds how many viewers one address group may become by beacons. */
class NewcomerLimit {
	readonly #buckets: TokenBuckets;

	constructor(clock: Clock) {
		this.#buckets = new TokenBuckets(clock, NEWCOMER_RATE, MAX_ADDRESSES);
	}

	/** Throws RATE_LIMITED. */
	take(request: FastifyRequest): void {
		// Behind a proxy on this machine that names nobody, everybody has a loopback address.
		const waitMs = isLoopback(request.ip) ? 0 : this.#buckets.take(addressKey(request.ip));
		if (waitMs > 0) {
			const retryAfterSeconds = Math.ceil(waitMs / 1000);
			throw new SpillwayError('RATE_LIMITED', [retryAfterSeconds], { retryAfterSeconds });
		}
	}
}
