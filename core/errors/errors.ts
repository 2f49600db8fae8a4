/** All expected failures, and the one error class that carries their codes. */
import { ACCOUNT_ERRORS } from './account-errors.ts';
import { CHANNEL_ERRORS } from './channel-errors.ts';
import { CHAT_ERRORS } from './chat-errors.ts';
import { PUBLISHING_ERRORS } from './publishing-errors.ts';
import { REQUEST_ERRORS } from './request-errors.ts';
import { SERVER_ERRORS } from './server-errors.ts';
import { VIDEO_ERRORS } from './video-errors.ts';

/** The tables of all domains; see error-table.ts. @internal for tests */
export const ERROR_CODES = {
	...CHANNEL_ERRORS,
	...PUBLISHING_ERRORS,
	...ACCOUNT_ERRORS,
	...CHAT_ERRORS,
	...REQUEST_ERRORS,
	...SERVER_ERRORS,
	...VIDEO_ERRORS,
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/** An expected failure. Its code decides the HTTP status; any other thrown value is a bug of ours. */
export class SpillwayError extends Error {
	override readonly name = 'SpillwayError';
	readonly code: ErrorCode;
	readonly httpStatus: number;
	/** Seconds after which to try again, where known; becomes `Retry-After`. */
	readonly retryAfterSeconds: number | undefined;

	constructor(
		code: ErrorCode,
		details: readonly (string | number)[] = [],
		options: { cause?: unknown; retryAfterSeconds?: number } = {},
	) {
		const rest = [...details];
		super(
			ERROR_CODES[code].message.replaceAll('%s', () => String(rest.shift() ?? '')),
			options.cause === undefined ? undefined : { cause: options.cause },
		);
		this.code = code;
		this.httpStatus = ERROR_CODES[code].httpStatus;
		this.retryAfterSeconds = options.retryAfterSeconds;
	}
}

/** Text of anything thrown, for logs. */
export function errorMessage(error: unknown): string {
	return error instanceof Error ? error.message : String(error);
}
