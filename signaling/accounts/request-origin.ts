/** Prevents other sites from making a signed-in browser change something (cross-site request forgery). */
import type { FastifyRequest } from 'fastify';
import { SpillwayError } from '../../core/errors/errors.ts';
import { OriginCheck } from '../platform/sockets/origin-check.ts';
import type { SessionCookies } from './session-cookies.ts';

/** Only scripts of our own origin can send this header: others need a preflight, which the server does not answer. */
const CSRF_HEADER = 'x-spillway-csrf';
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

export class RequestOrigin {
	readonly #origins: OriginCheck;
	readonly #cookies: Pick<SessionCookies, 'readAccess' | 'readRefresh'>;

	/** `publicUrl`: where users reach the server behind a proxy. */
	constructor(publicUrl: string | undefined, cookies: Pick<SessionCookies, 'readAccess' | 'readRefresh'>) {
		this.#cookies = cookies;
		this.#origins = new OriginCheck(publicUrl === undefined ? [] : [new URL(publicUrl).origin]);
	}

	/**
	 * Throws CSRF_REFUSED for a change that a foreign page can have caused: from another origin, or with our cookies but
	 * without proof that our page sent it. Programs without cookies need no proof.
	 */
	check(request: FastifyRequest): void {
		if (SAFE_METHODS.has(request.method) || request.headers[CSRF_HEADER] === '1') {
			return;
		}
		const { origin } = request.headers;
		if (origin !== undefined) {
			// Checked even without cookies: a foreign page must not sign a user in to another account.
			if (!this.#origins.isAllowed(origin, request.host)) {
				throw new SpillwayError('CSRF_REFUSED');
			}
			return;
		}
		const hasCookie =
			this.#cookies.readAccess(request) !== undefined || this.#cookies.readRefresh(request) !== undefined;
		if (hasCookie) {
			throw new SpillwayError('CSRF_REFUSED');
		}
	}
}
