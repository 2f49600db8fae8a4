/**
 * Decides whether the process continues after an unhandled rejection. It is a bug that affects one request or session,
 * whose close scope still tears it down; ending the process costs every viewer the picture. So the process continues,
 * unless there are so many that a shared part is broken. An uncaught exception always ends the process.
 */
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { Logger } from '../../core/logger.ts';
import { RateLimitedReport } from '../../core/limits/rate-limited-report.ts';

/** More within the window are not the accident of one session. */
const MAX_REJECTIONS = 100;
const WINDOW_MS = 60_000;
const REPORT_INTERVAL_MS = 1000;

type RejectionPolicyDependencies = { clock: Clock; logger: Logger };

export class RejectionPolicy {
	readonly #deps: RejectionPolicyDependencies;
	readonly #report: RateLimitedReport;
	#recentMs: number[] = [];

	constructor(deps: RejectionPolicyDependencies) {
		this.#deps = deps;
		this.#report = new RateLimitedReport(
			deps.clock,
			deps.logger,
			'a bug: a promise was rejected and not handled; the process continues',
			REPORT_INTERVAL_MS,
			'error',
		);
	}

	get count(): number {
		return this.#report.total;
	}

	/** Logs the error and returns whether the process may continue. */
	mayContinue(error: unknown): boolean {
		this.#report.count({ err: error });
		const nowMs = this.#deps.clock.monotonicMs();
		this.#recentMs = this.#recentMs.filter((atMs) => nowMs - atMs < WINDOW_MS);
		this.#recentMs.push(nowMs);
		return this.#recentMs.length <= MAX_REJECTIONS;
	}
}
