/** Errors of accounts, log-ins and permissions. */
import type { ErrorTable } from './error-table.ts';

export const ACCOUNT_ERRORS = {
	SIGN_IN_REQUIRED: { httpStatus: 401, message: 'Log in first; your session may have ended.' },
	LOGIN_REFUSED: { httpStatus: 401, message: 'Name or password is wrong.' },
	REFRESH_REFUSED: { httpStatus: 401, message: 'The session has ended. Log in again.' },
	FORBIDDEN: { httpStatus: 403, message: 'Your account may not do this: %s.' },
	CSRF_REFUSED: {
		httpStatus: 403,
		message: 'The request came from another site. Send the header "x-spillway-csrf: 1" when it is yours.',
	},
	NAME_TAKEN: { httpStatus: 409, message: 'The name "%s" is taken. Choose another.' },
	LIMIT_REACHED: { httpStatus: 409, message: 'There can be no more: %s.' },
	USER_NOT_FOUND: { httpStatus: 404, message: 'There is no user "%s".' },
	TOO_MANY_ATTEMPTS: { httpStatus: 429, message: 'Too many wrong attempts. Wait %s s and try again.' },
	ACCOUNTS_BUSY: { httpStatus: 503, message: 'Too many people are logging in at this moment. Try again shortly.' },
} as const satisfies ErrorTable;
