/** What pages of other sites may do at an address, as data, and the answers to their preflights. Pure. */

/** Cross-origin access to one address, always without credentials. */
export type CorsPolicy = {
	/** Methods whose answers pages may read; `all`: every answer, also 405. */
	readable: 'all' | readonly string[];
	/** Headers of the answers that pages may read besides those that browsers always allow. */
	exposedHeaders?: string;
	/** Methods that preflights allow. */
	methods: string;
	/** `Allow` of a 405; absent: all methods of the address. */
	allow?: string;
	/** Headers that pages may send when a preflight has no readable list. */
	requestHeaders: string;
	/** Only those headers are allowed. Otherwise a player may send any header, because none changes the answer. */
	isHeaderListFixed?: boolean;
	/** How long browsers may keep the answer to a preflight. They limit it to two hours. */
	maxAgeSeconds: number;
	preflightStatus: 200 | 204;
	/** More headers of the answer to a preflight. */
	preflightHeaders?: Readonly<Record<string, string>>;
};

const PUBLIC_METHODS = 'GET, HEAD, OPTIONS';

/** The policy of public addresses. */
export const PUBLIC_READ: CorsPolicy = {
	readable: ['GET'],
	methods: PUBLIC_METHODS,
	requestHeaders: 'Range, Content-Type',
	maxAgeSeconds: 7200,
	preflightStatus: 204,
	preflightHeaders: {
		allow: PUBLIC_METHODS,
		vary: 'access-control-request-headers',
		'cache-control': 'no-store',
	},
};

/** RFC 9110 §5.6.2: field names are tokens; here with blanks and commas. Browsers send a few dozen names at most. */
const HEADER_LIST = /^[\w!#$%&'*+.^`|~ ,-]{1,1000}$/;

/** Headers of the answer to a preflight. It repeats the requested headers, because "*" does not cover Authorization. */
export function preflightHeaders(policy: CorsPolicy, requestedHeaders: string | undefined): Record<string, string> {
	const isRepeated =
		policy.isHeaderListFixed !== true && requestedHeaders !== undefined && HEADER_LIST.test(requestedHeaders);
	return {
		'access-control-allow-origin': '*',
		'access-control-allow-methods': policy.methods,
		'access-control-allow-headers': isRepeated ? requestedHeaders : policy.requestHeaders,
		'access-control-max-age': String(policy.maxAgeSeconds),
		...policy.preflightHeaders,
	};
}
