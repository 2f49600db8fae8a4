/** Errors of any request. */
import type { ErrorTable } from './error-table.ts';

export const REQUEST_ERRORS = {
	REQUEST_INVALID: { httpStatus: 400, message: 'The request is not valid: %s.' },
	CONTENT_TYPE_UNSUPPORTED: { httpStatus: 415, message: 'The content type must be "%s", but is "%s".' },
	METHOD_NOT_ALLOWED: { httpStatus: 405, message: 'This address does not take %s.' },
	BODY_TOO_LARGE: { httpStatus: 413, message: 'The body is larger than %s bytes.' },
	ROUTE_NOT_FOUND: { httpStatus: 404, message: 'There is nothing at "%s".' },
	RATE_LIMITED: { httpStatus: 429, message: 'Too many requests. Wait %s s and try again.' },
	ORIGIN_REFUSED: {
		httpStatus: 403,
		message: 'Pages of this origin may not connect here. An operator can allow it with http.allowedOrigins.',
	},
	SOCKETS_FULL: { httpStatus: 503, message: 'There are too many connections at this moment. Try again shortly.' },
} as const satisfies ErrorTable;
