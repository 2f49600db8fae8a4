/** The two cookies of a log-in. Scripts cannot read them; other sites cannot make browsers send them with a change. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ACCESS_TOKEN_LIFE_SECONDS } from './access-token.ts';
import { REFRESH_TOKEN_LIFE_SECONDS } from './session-store.ts';

/** Holds the access token; sent with everything. */
const ACCESS_COOKIE = 'spillway_session';
/** Holds the refresh token; sent to the session routes only. */
const REFRESH_COOKIE = 'spillway_refresh';
/**
 * Where people come by TLS, browsers take cookies of these names only over TLS, and the first kind from this very host
 * only (RFC 6265bis §4.1.3): nobody on a neighbouring host, or on the way, can set them. `__Host-` needs the path "/".
 */
const HOST_PREFIX = '__Host-';
const SECURE_PREFIX = '__Secure-';
/** Where the refresh token is sent to. */
const REFRESH_COOKIE_PATH = '/api/v1/session';
/** Longer cookie headers are not ours: browsers bring some hundred characters of them. */
const MAX_COOKIE_HEADER_LENGTH = 8192;

/** Writes and clears the cookies of one installation. */
export class SessionCookies {
	readonly #isSecure: boolean;
	readonly #accessName: string;
	readonly #refreshName: string;

	/** `isSecure`: everybody reaches the server by TLS. Otherwise each request tells, by a proxy that is trusted, too. */
	constructor(isSecure: boolean) {
		this.#isSecure = isSecure;
		this.#accessName = isSecure ? HOST_PREFIX + ACCESS_COOKIE : ACCESS_COOKIE;
		this.#refreshName = isSecure ? SECURE_PREFIX + REFRESH_COOKIE : REFRESH_COOKIE;
	}

	/** The access token that a request brought. */
	readAccess(request: Pick<FastifyRequest, 'headers'>): string | undefined {
		return readCookie(request, this.#accessName);
	}

	/** The refresh token that a request brought. */
	readRefresh(request: Pick<FastifyRequest, 'headers'>): string | undefined {
		return readCookie(request, this.#refreshName);
	}

	/** Sets both. */
	set(reply: FastifyReply, tokens: { access: string; refresh: string }): void {
		this.setAccess(reply, tokens.access);
		this.#write(reply, this.#refreshName, tokens.refresh, REFRESH_COOKIE_PATH, REFRESH_TOKEN_LIFE_SECONDS);
	}

	/** Sets the access token alone, when the role in it has changed. */
	setAccess(reply: FastifyReply, access: string): void {
		this.#write(reply, this.#accessName, access, '/', ACCESS_TOKEN_LIFE_SECONDS);
	}

	/** Clears both. */
	clear(reply: FastifyReply): void {
		this.#write(reply, this.#accessName, '', '/', 0);
		this.#write(reply, this.#refreshName, '', REFRESH_COOKIE_PATH, 0);
	}

	#write(reply: FastifyReply, name: string, value: string, path: string, maxAgeSeconds: number): void {
		// Both values are made of characters that need no quoting. Lax, not strict: who follows a link to a channel should
		// be signed in there.
		const parts = [`${name}=${value}`, `Path=${path}`, `Max-Age=${maxAgeSeconds}`, 'HttpOnly', 'SameSite=Lax'];
		const isSecure = this.#isSecure || reply.request.protocol === 'https';
		void reply.header('set-cookie', [...parts, ...(isSecure ? ['Secure'] : [])].join('; '));
	}
}

/**
 * The value of a cookie; undefined when there is none. Of several with the name the first counts. @internal for tests
 */
export function readCookie(request: Pick<FastifyRequest, 'headers'>, name: string): string | undefined {
	const header = request.headers.cookie;
	if (header === undefined || header.length > MAX_COOKIE_HEADER_LENGTH) {
		return undefined;
	}
	for (const pair of header.split(';')) {
		const separator = pair.indexOf('=');
		if (separator > 0 && pair.slice(0, separator).trim() === name) {
			return pair.slice(separator + 1).trim() || undefined;
		}
	}
	return undefined;
}
