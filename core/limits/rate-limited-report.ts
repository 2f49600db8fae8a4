/** Counts noise of the media path and reports it at most once a second, with the last example. */
import type { Clock } from '../lifecycle/clock.ts';
import type { Logger } from '../logger.ts';

/** Per-packet trouble is counted here instead of being logged or thrown. */
export class RateLimitedReport {
	readonly #clock: Clock;
	readonly #logger: Logger;
	readonly #message: string;
	readonly #intervalMs: number;
	readonly #level: 'warn' | 'error';
	#reportedAtMs = -Infinity;
	#unreported = 0;
	#total = 0;

	constructor(clock: Clock, logger: Logger, message: string, intervalMs = 1000, level: 'warn' | 'error' = 'warn') {
		this.#clock = clock;
		this.#logger = logger;
		this.#message = message;
		this.#intervalMs = intervalMs;
		this.#level = level;
	}

	/** How many were counted in all. */
	get total(): number {
		return this.#total;
	}

	/** Counts one; `example` is logged when a report is due. */
	count(example: object): void {
		this.#total++;
		this.#unreported++;
		const now = this.#clock.monotonicMs();
		if (now - this.#reportedAtMs >= this.#intervalMs) {
			this.#logger[this.#level]({ ...example, count: this.#unreported, total: this.#total }, this.#message);
			this.#reportedAtMs = now;
			this.#unreported = 0;
		}
	}
}
