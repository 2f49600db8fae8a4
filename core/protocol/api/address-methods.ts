/** Answers requests with a method that an address does not accept, and allows cross-origin access, for all routes. */
import type { FastifyInstance, FastifyPluginAsync, HTTPMethods, onRequestHookHandler, RouteOptions } from 'fastify';
import { SpillwayError } from '../../errors/errors.ts';
import { preflightHeaders, type CorsPolicy } from './cors.ts';

declare module 'fastify' {
	interface FastifyContextConfig {
		/** Cross-origin access to the address; absent: none. */
		cors?: CorsPolicy;
	}
}

/** The methods that are answered, in the order of `Allow`. */
const ALL_METHODS: readonly HTTPMethods[] = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

type Address = {
	url: string;
	/** The plugin of its first route, so that the hooks of that plugin run before a refusal. */
	app: FastifyInstance;
	/** The address below the plugin's prefix. */
	path: string;
	taken: Set<string>;
	cors: CorsPolicy | undefined;
};

/**
 * Wraps the routes of a server: each address answers 405 with `Allow` instead of 404 to a method that it does not
 * accept (RFC 9110 §15.5.6). For a route with a {@link CorsPolicy} in its `config` preflights are answered, and pages
 * of other sites can read its answers. Addresses of sockets are not changed.
 */
export function answerOtherMethods(routes: FastifyPluginAsync): FastifyPluginAsync {
	return async (app) => {
		const addresses = new Map<string, Address>();
		app.addHook('onRoute', function (route) {
			if (!('wsHandler' in route)) {
				collect(addresses, this, route);
				allowReading(route);
			}
		});
		await app.register(routes);
		// Wildcards first: an address below one does not refuse the methods that the wildcard accepts.
		const wildcards = [...addresses.values()].filter(isWildcard);
		for (const address of new Set([...wildcards, ...addresses.values()])) {
			const above = wildcards.filter(({ url }) => url !== address.url && address.url.startsWith(url.slice(0, -1)));
			const missing = (): HTTPMethods[] =>
				ALL_METHODS.filter((method) => ![address, ...above].some(({ taken }) => taken.has(method)));
			if (address.cors !== undefined && missing().includes('OPTIONS')) {
				answerPreflights(address, address.cors);
			}
			if (!isWildcard(address)) {
				refuse(address, missing());
			}
		}
	};
}

function isWildcard({ url }: Address): boolean {
	return url.endsWith('*');
}

function collect(
	addresses: Map<string, Address>,
	app: FastifyInstance,
	{ url, routePath: path, method, config }: RouteOptions & { routePath: string },
): void {
	const address = addresses.get(url) ?? { url, path, app, taken: new Set(), cors: undefined };
	addresses.set(url, address);
	[method].flat().forEach((each) => address.taken.add(each));
	address.cors ??= config?.cors;
}

function allowReading(route: RouteOptions): void {
	const cors = route.config?.cors;
	const isReadable = (method: string): boolean => cors?.readable === 'all' || cors?.readable.includes(method) === true;
	if (cors !== undefined && [route.method].flat().some(isReadable)) {
		const allow: onRequestHookHandler = (_request, reply, done) => {
			void reply.header('access-control-allow-origin', '*');
			if (cors.exposedHeaders !== undefined) {
				void reply.header('access-control-expose-headers', cors.exposedHeaders);
			}
			done();
		};
		// First, so that a page can read refusals as well.
		route.onRequest = [allow, ...[route.onRequest ?? []].flat()];
	}
}

function answerPreflights({ app, path }: Address, cors: CorsPolicy): void {
	app.options(path, { config: { cors } }, (request, reply) => {
		const headers = preflightHeaders(cors, request.headers['access-control-request-headers']);
		void reply.code(cors.preflightStatus).headers(headers).send();
	});
}

function refuse({ app, path, taken, cors }: Address, method: HTTPMethods[]): void {
	const allow = cors?.allow ?? ALL_METHODS.filter((each) => taken.has(each)).join(', ');
	app.route({
		method,
		url: path,
		config: cors === undefined ? {} : { cors },
		// Before the body is read, so that its type and size do not matter.
		onRequest: (request, reply, done) => {
			void reply.header('allow', allow);
			done(new SpillwayError('METHOD_NOT_ALLOWED', [request.method]));
		},
		handler: () => undefined,
	});
}
