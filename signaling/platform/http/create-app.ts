/** Creates the HTTP server without routes: plain or with TLS, with limits and common headers. */
import fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify';
import { readFile } from 'node:fs/promises';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../../core/errors/errors.ts';
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
	/** Users reach the server by TLS, its own or a proxy's. */
	isSecure: boolean;
	rewriteUrl?: NonNullable<FastifyServerOptions['rewriteUrl']>;
};

/** fastify itself logs nothing: the error handler and the tiers log with their own fields. */
export async function createApp(config: HttpConfig, deps: AppDependencies): Promise<FastifyInstance> {
	const { clock, logger, rewriteUrl } = deps;
	const common = {
		...requestLimits(() => clock.nowMs(), config.trustedProxies),
		...(rewriteUrl && { rewriteUrl }),
		frameworkErrors: createFrameworkErrorHandler(logger, clock),
		// At the close all answers have been sent; the connections that are left are idle, or their clients do not read.
		forceCloseConnections: true,
	} as const;
	const { tlsCertificateFile, tlsKeyFile } = config;
	if (tlsCertificateFile === undefined || tlsKeyFile === undefined) {
		return withCommonHooks(fastify(common), deps);
	}
	const [cert, key] = await Promise.all([readFile(tlsCertificateFile), readFile(tlsKeyFile)]);
	const { http: _http, ...http2Options } = common;
	// Fastify's types lack the forced close over HTTP/2; its code has it.
	const options = {
		...http2Options,
		http2: true,
		http2SessionTimeout: HTTP2_SESSION_TIMEOUT_MS,
		https: { ...tlsLimits(), cert, key },
	} as object;
	return withCommonHooks(fastify(options) as FastifyInstance, deps);
}

function withCommonHooks(app: FastifyInstance, { clock, isSecure }: AppDependencies): FastifyInstance {
	addSecurityHeaders(app, isSecure);
	limitBodyTime(app, clock);
	// Many programs send a content type without content, which fastify rejects.
	app.addHook('onRequest', (request, _reply, done) => {
		// PostgreSQL has no text with it, and no name, id or word of ours has.
		if (request.url.includes('%00')) {
			done(new SpillwayError('REQUEST_INVALID', ['an address must not have the sign %00']));
			return;
		}
		const { headers, method } = request;
		const hasBody = headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
		if (method === 'DELETE' && !hasBody) {
			delete headers['content-type'];
		}
		done();
	});
	return app;
}
