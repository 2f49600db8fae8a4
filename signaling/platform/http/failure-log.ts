/**
 * Logs failed requests so that a storm of them does not fill the disk: each kind of failure once in a while, with a
 * count.
 */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import type { ErrorCode, SpillwayError } from '../../../core/errors/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import { RateLimitedReport } from '../../../core/limits/rate-limited-report.ts';

/** One kind of failure is logged this often at most. */
const REPORT_INTERVAL_MS = 10_000;
/** Bugs that are told apart; what goes beyond is counted as one kind. */
const MAX_KINDS = 100;
/**
 * Refusals by which the server guards itself, and answers to those who come too early: no failures, though their status
 * is 5xx.
 */
const EXPECTED_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
	'ACCOUNTS_BUSY',
	'BROADCAST_STARTING',
	'BROADCASTS_FULL',
	'PLAYLIST_TIMED_OUT',
	'SERVER_STOPPING',
	'SFU_UNAVAILABLE',
	'SOCKETS_FULL',
]);

/** What is logged of a request. @internal for tests */
export type FailedRequest = { requestId: string; method: string; url: string; code: ErrorCode };

/** The log of one server's failed requests. */
export class FailureLog {
	readonly #clock: Clock;
	readonly #logger: Logger;
	readonly #reports = new Map<string, RateLimitedReport>();

	constructor(clock: Clock, logger: Logger) {
		this.#clock = clock;
		this.#logger = logger;
	}

	/** Refusals go to the debug log one by one; failures of ours are reported with a count. */
	note(error: SpillwayError, request: FailedRequest): void {
		if (error.code === 'INTERNAL_ERROR') {
			this.#report(kindOf(error.cause), 'a request failed because of a bug', 'error').count({
				...request,
				err: error.cause,
			});
		} else if (error.httpStatus >= 500 && !EXPECTED_CODES.has(error.code)) {
			this.#report(error.code, 'a request could not be served', 'warn').count({ ...request, err: error });
		} else {
			this.#logger.debug({ ...request, detail: error.message }, 'a request was refused');
		}
	}

	#report(kind: string, message: string, level: 'warn' | 'error'): RateLimitedReport {
		const key = this.#reports.has(kind) || this.#reports.size < MAX_KINDS ? kind : `other ${level}`;
		let report = this.#reports.get(key);
		if (report === undefined) {
			report = new RateLimitedReport(this.#clock, this.#logger, message, REPORT_INTERVAL_MS, level);
			this.#reports.set(key, report);
		}
		return report;
	}
}

/** Bugs are told apart by where they were thrown. */
function kindOf(cause: unknown): string {
	if (!(cause instanceof Error)) {
		return typeof cause;
	}
	const place = cause.stack?.split('\n').find((line) => line.trimStart().startsWith('at ')) ?? '';
	return `${cause.name} ${place.trim()}`;
}
