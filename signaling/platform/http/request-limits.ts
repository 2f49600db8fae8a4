/** Limits of every HTTP request. fastify has few defaults, with which one slow or greedy client can hold resources. */
import type { FastifyInstance } from 'fastify';
import { constants, type Http2ServerRequest, type SecureServerOptions, type ServerHttp2Stream } from 'node:http2';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { createId } from '../../../core/ids.ts';
import { createProxyTrust, type ProxyTrust } from './trusted-proxies.ts';

/** Largest body of a JSON request. @internal for tests */
export const MAX_JSON_BODY_BYTES = 64 * 1024;
const HEADERS_TIMEOUT_MS = 10_000;
/** Of the whole request. An answer may take longer: playlists are held back. */
const REQUEST_TIMEOUT_MS = 10_000;
/** How often Node checks those times; with its default of 30 s connections live four times as long. */
const CHECKING_INTERVAL_MS = 2000;
/** Over one HTTP/2 connection. A page of the product has some ten; browsers allow 100. */
const MAX_CONCURRENT_STREAMS = 100;
/** An idle connection is closed after this; above the longest held playlist (11 s). */
const IDLE_TIMEOUT_MS = 20_000;
/** How long a connection is kept for the next request. Longer than proxies keep theirs (60 s), so they close first. */
const KEEP_ALIVE_TIMEOUT_MS = 72_000;
/** Longest address part between two slashes; a stream key has 37 characters, an id 26. */
const MAX_PARAMETER_LENGTH = 256;

/**
 * Options for `fastify()`, apart from TLS and logger. `nowMs` makes request ids sortable. X-Forwarded-For is accepted
 * from `trustedProxies` only, which are addresses or networks.
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
		// With "true" any client chooses the address under which it is counted.
		trustProxy: createProxyTrust(trustedProxies),
		// The server chooses the id, so that a client cannot write into the logs.
		requestIdHeader: false,
		genReqId: () => createId<string>(nowMs()),
		return503OnClosing: true,
		forceCloseConnections: 'idle',
	};
}

/** Options for fastify's `https` with TLS and HTTP/2: the same limits for both versions of HTTP. */
export function tlsLimits(): SecureServerOptions {
	return {
		allowHTTP1: true,
		handshakeTimeout: HEADERS_TIMEOUT_MS,
		settings: { maxConcurrentStreams: MAX_CONCURRENT_STREAMS },
		// For HTTP/1.1 over TLS. Node accepts them here, but its types have them for plain HTTP only.
		...({
			headersTimeout: HEADERS_TIMEOUT_MS,
			requestTimeout: REQUEST_TIMEOUT_MS,
			connectionsCheckingInterval: CHECKING_INTERVAL_MS,
			keepAliveTimeout: KEEP_ALIVE_TIMEOUT_MS,
		} as object),
	};
}

/** How long an HTTP/2 connection may be without a frame. */
export const HTTP2_SESSION_TIMEOUT_MS = KEEP_ALIVE_TIMEOUT_MS;

/** Cancels HTTP/2 requests whose body does not arrive in time; for HTTP/1.1 Node does it (`requestTimeout`). */
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

// Checks the protocol's state, because an unread body never ends its stream object, and its request may be held.
function endUnlessWhole(stream: ServerHttp2Stream): void {
	if (stream.state.state !== constants.NGHTTP2_STREAM_STATE_HALF_CLOSED_REMOTE) {
		stream.close(constants.NGHTTP2_CANCEL);
	}
}
