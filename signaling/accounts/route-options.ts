/** What the routes of the JSON API share: checked requests, rate limits, no caching, no changes by other sites. */
import type { FastifyInstance, FastifySchema } from 'fastify';
import { RATE_LIMITS, registerRateLimits } from '../platform/http/rate-limits.ts';
import { validateWithTypeBox } from '../platform/http/schema-validation.ts';
import type { TokenAuthenticator } from './authenticator.ts';
import type { RequestOrigin } from './request-origin.ts';

/** Call it before the routes of a plugin. */
export async function prepareApiRoutes(app: FastifyInstance, origin: RequestOrigin): Promise<void> {
	validateWithTypeBox(app);
	await registerRateLimits(app);
	app.addHook('onRequest', async (request, reply) => {
		reply.header('cache-control', 'no-store');
		origin.check(request);
	});
}

/** Makes the options of limited routes under one tag of the API's document. */
export function limitedRoutes(tag: string) {
	return (limit: keyof typeof RATE_LIMITS, schema: FastifySchema) => ({
		config: { rateLimit: RATE_LIMITS[limit] },
		schema: { tags: [tag], ...schema },
	});
}

/** As {@link limitedRoutes}, for signed-in users. */
export function userRoutes(tag: string, { requireUser }: Pick<TokenAuthenticator, 'requireUser'>) {
	return (schema: FastifySchema) => ({ ...limitedRoutes(tag)('change', schema), onRequest: requireUser });
}
