/**
 * How often one address may ask for what costs or changes something. Viewing is not limited here: crowds share
 * addresses.
 */
import fastifyRateLimit from '@fastify/rate-limit';
import type { FastifyInstance } from 'fastify';
import { SpillwayError } from '../../../core/errors/errors.ts';
import { addressKey } from '../../../core/limits/address-key.ts';

/** Limit of one route, for fastify's `config.rateLimit`. */
type RateLimit = { max: number; timeWindow: number };

const MINUTE_MS = 60_000;
/** Addresses that are remembered for each route; beyond them the least recent is forgotten. */
const MAX_ADDRESSES = 10_000;

/**
 * Limits by kind of route. A school or an office has one address, so they are for programs that run wild, not for
 * people.
 */
export const RATE_LIMITS = {
	/** New accounts: each costs a password hash and a row for ever. */
	signUp: { max: 20, timeWindow: 10 * MINUTE_MS },
	/** Log-ins; wrong ones are limited much sooner, by name and address. */
	logIn: { max: 60, timeWindow: MINUTE_MS },
	/** Refreshes: browsers ask every few minutes. */
	refresh: { max: 120, timeWindow: MINUTE_MS },
	/** Changes by signed-in people. */
	change: { max: 120, timeWindow: MINUTE_MS },
	/** Searches of the database. */
	search: { max: 600, timeWindow: MINUTE_MS },
} as const satisfies Record<string, RateLimit>;

/** Lets the routes of a plugin name a limit in `config.rateLimit`. Call it before the routes. */
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
