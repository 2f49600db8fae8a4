/** The HTTP server before its routes: plain or with TLS, with all limits, and with what every answer has. */
import fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify';
import { readFile } from 'node:fs/promises';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import type { Logger } from '../../../core/logger.ts';
import { createFrameworkErrorHandler } from './error-handler.ts';
import { HTTP2_SESSION_TIMEOUT_MS, limitBodyTime, requestLimits, tlsLimits } from './request-limits.ts';
import { addSecurityHeaders } from './security-headers.ts';

type HttpConfig = {
	trustedProxies: string[];
	tlsCertificateFile?: string;
	tlsKeyFile?: string;
};

type AppDependencies = {
	clock: Clock;
	logger: Logger;
	/** People reach the server by TLS, its own or a proxy's. */
	isSecure: boolean;
	/** fastify's option: the address under which a request is routed. */
	rewriteUrl?: NonNullable<FastifyServerOptions['rewriteUrl']>;
};

/**
 * An app without routes. fastify logs nothing itself: the error handler and the tiers log what matters, with our
 * fields.
 */
export async function createApp(config: HttpConfig, dependencies: AppDependencies): Promise<FastifyInstance> {
	const { clock, logger, rewriteUrl } = dependencies;
	const common = {
		...requestLimits(() => clock.nowMs(), config.trustedProxies),
		...(rewriteUrl && { rewriteUrl }),
		frameworkErrors: createFrameworkErrorHandler(logger, clock),
		// When it closes, all answers have gone out; what is left are idle connections, and clients that do not read.
		forceCloseConnections: true,
	} as const;
	const { tlsCertificateFile, tlsKeyFile } = config;
	if (tlsCertificateFile === undefined || tlsKeyFile === undefined) {
		return withCommonHooks(fastify(common), dependencies);
	}
	const [cert, key] = await Promise.all([readFile(tlsCertificateFile), readFile(tlsKeyFile)]);
	const { http: _http, ...http2Options } = common;
	// Fastify's types know no forced close over HTTP/2, its code does.
	const options = {
		...http2Options,
		http2: true,
		http2SessionTimeout: HTTP2_SESSION_TIMEOUT_MS,
		https: { ...tlsLimits(), cert, key },
	} as object;
	return withCommonHooks(fastify(options) as FastifyInstance, dependencies);
}

/** What every answer has, and what is made good in every request. */
function withCommonHooks(app: FastifyInstance, { clock, isSecure }: AppDependencies): FastifyInstance {
	addSecurityHeaders(app, isSecure);
	limitBodyTime(app, clock);
	return withoutEmptyTypes(app);
}

/** Many programs name a content type also where there is no content; fastify would refuse that. */
function withoutEmptyTypes(app: FastifyInstance): FastifyInstance {
	app.addHook('onRequest', (request, _reply, done) => {
		const { headers, method } = request;
		const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
		if (method === 'DELETE' && !hasBody) {
			delete headers['content-type'];
		}
		done();
	});
	return app;
}
