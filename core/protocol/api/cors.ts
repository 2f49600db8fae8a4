/** What pages of other sites may ask of what is public, and with which headers. Pure. */

/** Methods of a public address that only gives. */
export const PUBLIC_METHODS = 'GET, HEAD, OPTIONS';

/** Where a preflight names no headers, or none that can be read. */
const USUAL_HEADERS = 'Range, Content-Type';
/** RFC 9110 §5.6.2: field names are tokens; with blanks and commas between. */
const HEADER_LIST = /^[\w!#$%&'*+.^`|~ ,-]{1,2048}$/;
/** Browsers keep a preflight's answer for at most two hours, whatever is said. */
const MAX_AGE_SECONDS = 7200;

/**
 * Headers of the answer to a preflight request for something public. Whatever headers a player wants to send, it may: they change
 * nothing. They are named back, because "*" leaves out Authorization, and credentials never come with them.
 */
export function preflightHeaders(requestedHeaders: string | undefined): Record<string, string> {
	const isReadable = requestedHeaders !== undefined && HEADER_LIST.test(requestedHeaders);
	return {
		allow: PUBLIC_METHODS,
		'access-control-allow-origin': '*',
		'access-control-allow-methods': PUBLIC_METHODS,
		'access-control-allow-headers': isReadable ? requestedHeaders : USUAL_HEADERS,
		'access-control-max-age': String(MAX_AGE_SECONDS),
		vary: 'access-control-request-headers',
		'cache-control': 'no-store',
	};
}
