/** Keeps other sites from making a signed-in browser change something (cross-site request forgery). */
import type { FastifyRequest } from 'fastify';
import { SpillwayError } from '../../core/errors/errors.ts';
import { OriginCheck } from '../platform/sockets/origin-check.ts';
import type { SessionCookies } from './session-cookies.ts';

/** Header that only scripts of our own origin can send without a preflight, which nobody answers. */
const CSRF_HEADER = 'x-spillway-csrf';
const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Checks where requests come from. */
export class RequestOrigin {
	readonly #origins: OriginCheck;
	readonly #cookies: Pick<SessionCookies, 'readAccess' | 'readRefresh'>;

	/** `publicUrl`: where people reach the server, when a proxy stands before it. */
	constructor(publicUrl: string | undefined, cookies: Pick<SessionCookies, 'readAccess' | 'readRefresh'>) {
		this.#cookies = cookies;
		this.#origins = new OriginCheck(publicUrl === undefined ? [] : [new URL(publicUrl).origin]);
	}

	/**
	 * Throws CSRF_REFUSED for a change that a foreign page may have caused: from another origin, or with our cookies and
	 * no sign that a page of ours sent it. Programs without cookies need nothing.
	 */
	check(request: FastifyRequest): void {
		if (SAFE_METHODS.has(request.method) || request.headers[CSRF_HEADER] === '1') {
			return;
		}
		const { origin } = request.headers;
		if (origin !== undefined) {
			// Also without cookies: nobody shall be signed in by a foreign page as somebody else.
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
