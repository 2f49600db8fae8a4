/**
 * Limits of every HTTP request. Fastify's own are mostly "none", which lets one slow or greedy client hold resources.
 */
import type { FastifyInstance } from 'fastify';
import { constants, type Http2ServerRequest, type SecureServerOptions, type ServerHttp2Stream } from 'node:http2';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { createId } from '../../../core/ids.ts';
import { createProxyTrust, type ProxyTrust } from './trusted-proxies.ts';

/** Largest body of a JSON request. @internal for tests */
export const MAX_JSON_BODY_BYTES = 64 * 1024;
/** Longest time a client may take to send its headers. */
const HEADERS_TIMEOUT_MS = 10_000;
/** Longest time a client may take to send its whole request. An answer may take longer: playlists are held back. */
const REQUEST_TIMEOUT_MS = 10_000;
/**
 * How often Node looks for connections that are beyond those times; its default of 30 s lets them live four times as
 * long.
 */
const CHECKING_INTERVAL_MS = 2000;
/** Requests at once over one HTTP/2 connection. A page of ours has some ten; browsers allow 100 themselves. */
const MAX_CONCURRENT_STREAMS = 100;
/** A connection without a byte either way for this long is closed; above the longest held playlist (11 s). */
const IDLE_TIMEOUT_MS = 20_000;
/**
 * An idle connection is kept for the next request this long. Longer than proxies keep theirs (60 s), so they close
 * first.
 */
const KEEP_ALIVE_TIMEOUT_MS = 72_000;
/** Longest part of an address between two slashes; a stream key has 37 characters, an id 26. */
const MAX_PARAMETER_LENGTH = 256;

/**
 * Options for `fastify()`, apart from TLS and logger. `nowMs` is the clock's; it makes request ids sortable. Of
 * `trustedProxies`, addresses or networks, it is believed who they ask for (X-Forwarded-For); of anybody else it is
 * not.
 */
export function requestLimits(
	nowMs: () => number,
	trustedProxies: readonly string[] = [],
): {
	bodyLimit: number;
	requestTimeout: number;
	connectionTimeout: number;
	keepAliveTimeout: number;
	http: { headersTimeout: number; connectionsCheckingInterval: number };
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
		http: { headersTimeout: HEADERS_TIMEOUT_MS, connectionsCheckingInterval: CHECKING_INTERVAL_MS },
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

/**
 * Options for fastify's `https` where TLS with HTTP/2 is served: the same limits, for both versions of HTTP behind it.
 */
export function tlsLimits(): SecureServerOptions {
	return {
		allowHTTP1: true,
		handshakeTimeout: HEADERS_TIMEOUT_MS,
		settings: { maxConcurrentStreams: MAX_CONCURRENT_STREAMS },
		// Of HTTP/1.1 over TLS. Node takes them here, its types know them of plain HTTP only.
		...({
			headersTimeout: HEADERS_TIMEOUT_MS,
			requestTimeout: REQUEST_TIMEOUT_MS,
			connectionsCheckingInterval: CHECKING_INTERVAL_MS,
			keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
		} as object),
	};
}

/** How long an HTTP/2 connection may be without a frame either way. */
export const HTTP2_SESSION_TIMEOUT_MS = KEEP_ALIVE_TIMEOUT_MS;

/** Ends HTTP/2 requests whose body does not come in time. Of HTTP/1.1 Node does it by itself (`requestTimeout`). */
export function limitBodyTime(app: FastifyInstance, clock: Clock): void {
	app.addHook('onRequest', (request, _reply, done) => {
		if (request.raw.httpVersionMajor === 2) {
			const { stream } = request.raw as unknown as Http2ServerRequest;
			if (!stream.endAfterHeaders) {
				const cancel = clock.setTimeout(() => endUnlessWhole(stream), REQUEST_TIMEOUT_MS);
				stream.once('end', cancel).once('close', cancel);
			}
		}
		done();
	});
}

// Asked of the connection, not of the stream: a body that nobody reads never ends there, and its request may rightly be
// held.
function endUnlessWhole(stream: ServerHttp2Stream): void {
	if (stream.state.state !== constants.NGHTTP2_STREAM_STATE_HALF_CLOSED_REMOTE) {
		stream.close(constants.NGHTTP2_CANCEL);
	}
}
