/**
 * What becomes of the process when a promise is rejected and nobody handles it. That is a bug of ours, and tied to one
 * request or session: what was awaited there is over, and its owner's close scope still tears it down. Ending the
 * process for it costs every viewer the picture, so it goes on; unless there are so many that something all depend on
 * is broken, or the server is still starting. An exception that nobody catches is another matter, and always ends the
 * process.
 */
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { Logger } from '../../core/logger.ts';
import { RateLimitedReport } from '../../core/limits/rate-limited-report.ts';

/** So many within the window are no accident of one session. */
const MAX_REJECTIONS = 100;
const WINDOW_MS = 60_000;
const REPORT_INTERVAL_MS = 1000;

/** Counts and judges. */
export class RejectionPolicy {
	readonly #clock: Clock;
	readonly #report: RateLimitedReport;
	#recentMs: number[] = [];

	constructor(clock: Clock, logger: Logger) {
		this.#clock = clock;
		this.#report = new RateLimitedReport(
			clock,
			logger,
			'a bug: a promise was rejected and nobody handled it; the process goes on',
			REPORT_INTERVAL_MS,
			'error',
		);
	}

	/** Since the start. */
	get count(): number {
		return this.#report.total;
	}

	/** Logs it, and says whether the process may go on. */
	mayGoOn(error: unknown): boolean {
		this.#report.count({ err: error });
		const nowMs = this.#clock.monotonicMs();
		this.#recentMs = this.#recentMs.filter((atMs) => nowMs - atMs < WINDOW_MS);
		this.#recentMs.push(nowMs);
		return this.#recentMs.length <= MAX_REJECTIONS;
	}
}
