/** Logs each kind of failed request once in an interval, with a count, so that a storm does not fill the disk. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import type { ErrorCode, SpillwayError } from '../../../core/errors/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import { RateLimitedReport } from '../../../core/limits/rate-limited-report.ts';

const REPORT_INTERVAL_MS = 10_000;
/** Kinds of bugs; further ones are counted as one kind. */
const MAX_KINDS = 100;
/** Rejections by a limit or before a start: no failures, though their status is 5xx. */
const EXPECTED_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
	'ACCOUNTS_BUSY',
	'BROADCAST_STARTING',
	'BROADCASTS_FULL',
	'PLAYLIST_TIMED_OUT',
	'SERVER_STOPPING',
	'SFU_UNAVAILABLE',
	'SOCKETS_FULL',
]);

/** @internal for tests */
export type FailedRequest = { requestId: string; method: string; url: string; code: ErrorCode };

type FailureLogDependencies = { clock: Clock; logger: Logger };

export class FailureLog {
	readonly #deps: FailureLogDependencies;
	readonly #reports = new Map<string, RateLimitedReport>();

	constructor(deps: FailureLogDependencies) {
		this.#deps = deps;
	}

	/** Logs rejected requests for debugging one by one, and failures of the server with a count. */
	record(error: SpillwayError, request: FailedRequest): void {
		if (error.code === 'INTERNAL_ERROR') {
			this.#report(kindOf(error.cause), 'a request failed because of a bug', 'error').count({
				...request,
				err: error.cause,
			});
		} else if (error.httpStatus >= 500 && !EXPECTED_CODES.has(error.code)) {
			this.#report(error.code, 'a request could not be served', 'warn').count({ ...request, err: error });
		} else {
			this.#deps.logger.debug({ ...request, detail: error.message }, 'a request was refused');
		}
	}

	#report(kind: string, message: string, level: 'warn' | 'error'): RateLimitedReport {
		const key = this.#reports.has(kind) || this.#reports.size < MAX_KINDS ? kind : `other ${level}`;
		let report = this.#reports.get(key);
		if (report === undefined) {
			report = new RateLimitedReport(this.#deps.clock, this.#deps.logger, message, REPORT_INTERVAL_MS, level);
			this.#reports.set(key, report);
		}
		return report;
	}
}

// By the place where the error was thrown.
function kindOf(cause: unknown): string {
	if (!(cause instanceof Error)) {
		return typeof cause;
	}
	const place = cause.stack?.split('\n').find((line) => line.trimStart().startsWith('at ')) ?? '';
	return `${cause.name} ${place.trim()}`;
}
