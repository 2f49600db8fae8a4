/** Rate limits by address for costly requests and changes. Viewing has none, because crowds share addresses. */
import fastifyRateLimit from '@fastify/rate-limit';
import type { FastifyInstance } from 'fastify';
import { SpillwayError } from '../../../core/errors/errors.ts';
import { addressKey } from '../../../core/limits/address-key.ts';

/** For fastify's `config.rateLimit`. */
type RateLimit = { max: number; timeWindow: number };

const MINUTE_MS = 60_000;
/** Addresses kept for each route; beyond it the least recent is evicted. */
const MAX_ADDRESSES = 10_000;

/** Limits for runaway programs: a school or an office has one address. */
export const RATE_LIMITS = {
	/** New accounts: each costs a password hash and a permanent row. */
	signUp: { max: 20, timeWindow: 10 * MINUTE_MS },
	/** Log-ins; wrong ones have much lower limits, by name and address. */
	logIn: { max: 60, timeWindow: MINUTE_MS },
	/** Browsers refresh every few minutes. */
	refresh: { max: 120, timeWindow: MINUTE_MS },
	/** Changes by signed-in users. */
	change: { max: 120, timeWindow: MINUTE_MS },
	/** New clips. Each user has a limit for a day as well. */
	clip: { max: 20, timeWindow: MINUTE_MS },
	/** Searches of the database. */
	search: { max: 600, timeWindow: MINUTE_MS },
} as const satisfies Record<string, RateLimit>;

/** Enables `config.rateLimit` for the routes of a plugin. Call it before the routes. */
export async function registerRateLimits(app: FastifyInstance): Promise<void> {
	await app.register(fastifyRateLimit, {
		global: false,
		cache: MAX_ADDRESSES,
		keyGenerator: (request) => addressKey(request.ip),
		errorResponseBuilder: (_request, context) => {
			const waitSeconds = Math.max(1, Math.ceil(context.ttl / 1000));
			return new SpillwayError('RATE_LIMITED', [waitSeconds], { retryAfterSeconds: waitSeconds });
		},
	});
}
