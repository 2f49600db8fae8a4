/** Limits of every HTTP request. Fastify's own are mostly "none", which lets one slow or greedy client hold resources. */
import { createId } from '../../core/ids.ts';
import { createProxyTrust, type ProxyTrust } from './trusted-proxies.ts';

/** Largest body of a JSON request. */
export const MAX_JSON_BODY_BYTES = 64 * 1024;
/** Longest time a client may take to send its headers. */
const HEADERS_TIMEOUT_MS = 10_000;
/** Longest time a client may take to send its whole request. An answer may take longer: playlists are held back. */
const REQUEST_TIMEOUT_MS = 10_000;
/** A connection without a byte either way for this long is closed; above the longest held playlist (11 s). */
const IDLE_TIMEOUT_MS = 20_000;
/** An idle connection is kept for the next request this long. Longer than proxies keep theirs (60 s), so they close first. */
const KEEP_ALIVE_TIMEOUT_MS = 72_000;
/** Longest part of an address between two slashes; a stream key has 37 characters, an id 26. */
const MAX_PARAMETER_LENGTH = 256;

/**
 * Options for `fastify()`, apart from TLS and logger. `nowMs` is the clock's; it makes request ids sortable. Of `trustedProxies`,
 * addresses or networks, it is believed for whom they ask (X-Forwarded-For); of anybody else it is not.
 */
export function requestLimits(
	nowMs: () => number,
	trustedProxies: readonly string[] = [],
): {
	bodyLimit: number;
	requestTimeout: number;
	connectionTimeout: number;
	keepAliveTimeout: number;
	http: { headersTimeout: number };
	routerOptions: { maxParamLength: number; ignoreTrailingSlash: boolean };
	onProtoPoisoning: 'error';
	onConstructorPoisoning: 'error';
	trustProxy: ProxyTrust;
	requestIdHeader: false;
	genReqId: () => string;
	return503OnClosing: true;
	forceCloseConnections: 'idle';
} {
	return {
		bodyLimit: MAX_JSON_BODY_BYTES,
		requestTimeout: REQUEST_TIMEOUT_MS,
		connectionTimeout: IDLE_TIMEOUT_MS,
		keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
		http: { headersTimeout: HEADERS_TIMEOUT_MS },
		routerOptions: { maxParamLength: MAX_PARAMETER_LENGTH, ignoreTrailingSlash: true },
		onProtoPoisoning: 'error',
		onConstructorPoisoning: 'error',
		// "true" would let any client choose the address under which it is counted.
		trustProxy: createProxyTrust(trustedProxies),
		// The id is ours, so that a client cannot write into our logs.
		requestIdHeader: false,
		genReqId: () => createId<string>(nowMs()),
		return503OnClosing: true,
		forceCloseConnections: 'idle',
	};
}
