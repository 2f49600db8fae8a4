/** Prevents other sites from making a signed-in browser change something (cross-site request forgery). */
import type { FastifyRequest } from 'fastify';
import { SpillwayError } from '../../core/errors/errors.ts';
import { OriginCheck } from '../platform/sockets/origin-check.ts';
import type { SessionCookies } from './session-cookies.ts';

/** Only scripts of our own origin can send this header: others need a preflight, which the server does not answer. */
const CSRF_HEADER = 'x-spillway-csrf';
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

export class RequestOrigin {
	readonly #deps: { cookies: SessionCookies };
	readonly #origins: OriginCheck;

	/** `publicUrl`: where users reach the server behind a proxy. */
	constructor(deps: { cookies: SessionCookies }, { publicUrl }: { publicUrl: string | undefined }) {
		this.#deps = deps;
		this.#origins = new OriginCheck(publicUrl === undefined ? [] : [new URL(publicUrl).origin]);
	}

	/**
	 * Throws CSRF_REFUSED for a change that a foreign page can have caused. Such a change comes from another origin, or
	 * has our cookies without proof that our page sent it. Programs without cookies need no proof.
	 */
	check(request: FastifyRequest): void {
		if (SAFE_METHODS.has(request.method) || request.headers[CSRF_HEADER] === '1') {
			return;
		}
		const { cookies } = this.#deps;
		const { origin } = request.headers;
		// An origin is checked even without cookies: a foreign page must not sign a user in to another account.
		const isAllowed =
			origin === undefined
				? cookies.readAccess(request) === undefined && cookies.readRefresh(request) === undefined
				: this.#origins.isAllowed(origin, request.host);
		if (!isAllowed) {
			throw new SpillwayError('CSRF_REFUSED');
		}
	}
}
