/** The two cookies of a log-in. Scripts cannot read them; browsers do not send them with changes from other sites. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import { ACCESS_TOKEN_LIFE_SECONDS } from './access-token.ts';
import { REFRESH_TOKEN_LIFE_SECONDS } from './session-store.ts';

/** Holds the access token; sent with every request. */
const ACCESS_COOKIE = 'spillway_session';
/** Holds the refresh token; sent to the session routes only. */
const REFRESH_COOKIE = 'spillway_refresh';
/**
 * Browsers accept cookies with these prefixes only over TLS, and `__Host-` only from the host itself, for the path "/"
 * (RFC 6265bis §4.1.3). So neither a neighbouring host nor the network can set them.
 */
const HOST_PREFIX = '__Host-';
const SECURE_PREFIX = '__Secure-';
const REFRESH_COOKIE_PATH = '/api/v1/session';
/** Our cookies take some hundred characters; a longer header is rejected unread. */
const MAX_COOKIE_HEADER_LENGTH = 8192;

export class SessionCookies {
	readonly #isSecure: boolean;
	readonly #accessName: string;
	readonly #refreshName: string;

	/** `isSecure`: all users reach the server by TLS. If false, the protocol of each request decides. */
	constructor(isSecure: boolean) {
		this.#isSecure = isSecure;
		this.#accessName = isSecure ? HOST_PREFIX + ACCESS_COOKIE : ACCESS_COOKIE;
		this.#refreshName = isSecure ? SECURE_PREFIX + REFRESH_COOKIE : REFRESH_COOKIE;
	}

	readAccess(request: Pick<FastifyRequest, 'headers'>): string | undefined {
		return readCookie(request, this.#accessName);
	}

	readRefresh(request: Pick<FastifyRequest, 'headers'>): string | undefined {
		return readCookie(request, this.#refreshName);
	}

	set(reply: FastifyReply, tokens: { access: string; refresh: string }): void {
		this.setAccess(reply, tokens.access);
		this.#write(reply, this.#refreshName, tokens.refresh, REFRESH_COOKIE_PATH, REFRESH_TOKEN_LIFE_SECONDS);
	}

	/** Sets only the access token, when its role has changed. */
	setAccess(reply: FastifyReply, access: string): void {
		this.#write(reply, this.#accessName, access, '/', ACCESS_TOKEN_LIFE_SECONDS);
	}

	clear(reply: FastifyReply): void {
		this.#write(reply, this.#accessName, '', '/', 0);
		this.#write(reply, this.#refreshName, '', REFRESH_COOKIE_PATH, 0);
	}

	#write(reply: FastifyReply, name: string, value: string, path: string, maxAgeSeconds: number): void {
		// The values need no quoting. Lax, not strict: a user who follows a link to a channel must be signed in there.
		const parts = [`${name}=${value}`, `Path=${path}`, `Max-Age=${maxAgeSeconds}`, 'HttpOnly', 'SameSite=Lax'];
		const isSecure = this.#isSecure || reply.request.protocol === 'https';
		void reply.header('set-cookie', [...parts, ...(isSecure ? ['Secure'] : [])].join('; '));
	}
}

/** Returns the first cookie with this name; undefined without one. @internal for tests */
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
