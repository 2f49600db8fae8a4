/** What pages of other sites may do at an address, as data, and the answer to their preflights. Pure. */

/** Cross-origin access to one address. Credentials never come with it. */
export type CorsPolicy = {
	/** Methods whose answers pages may read; `all`: every answer, also that a method is not taken. */
	readable: 'all' | readonly string[];
	/** Headers of the answers that pages may read besides the harmless ones. */
	exposedHeaders?: string;
	/** Methods that pages may use, as preflights are answered. */
	methods: string;
	/** `Allow` of a method that is not taken; absent: all methods of the address. */
	allow?: string;
	/** Headers that pages may send, where a preflight names none that can be read. */
	requestHeaders: string;
	/** Headers beyond those are refused. Otherwise whatever a player wants to send, it may: they change nothing. */
	isHeaderListFixed?: boolean;
	/** How long browsers may keep the answer to a preflight. They keep it for at most two hours, whatever is said. */
	maxAgeSeconds: number;
	preflightStatus: 200 | 204;
	/** More headers of the answer to a preflight. */
	preflightHeaders?: Readonly<Record<string, string>>;
};

const PUBLIC_METHODS = 'GET, HEAD, OPTIONS';

/** Of what everybody may read. */
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

/** RFC 9110 §5.6.2: field names are tokens; with blanks and commas between. Browsers send a few dozen at most. */
const HEADER_LIST = /^[\w!#$%&'*+.^`|~ ,-]{1,1000}$/;

/** Headers of the answer to a preflight. Request headers are named back, because "*" leaves out Authorization. */
export function preflightHeaders(policy: CorsPolicy, requestedHeaders: string | undefined): Record<string, string> {
	const isNamedBack =
		policy.isHeaderListFixed !== true && requestedHeaders !== undefined && HEADER_LIST.test(requestedHeaders);
	return {
		'access-control-allow-origin': '*',
		'access-control-allow-methods': policy.methods,
		'access-control-allow-headers': isNamedBack ? requestedHeaders : policy.requestHeaders,
		'access-control-max-age': String(policy.maxAgeSeconds),
		...policy.preflightHeaders,
	};
}
