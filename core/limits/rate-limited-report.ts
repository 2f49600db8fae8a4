/** Counts noise of the media path and reports it at most once a second, with the last example. */
import type { Clock } from '../lifecycle/clock.ts';
import type { Logger } from '../logger.ts';

export class RateLimitedReport {
	readonly #clock: Clock;
	readonly #log: (fields: object) => void;
	readonly #intervalMs: number;
	#reportedAtMs = -Infinity;
	#unreported = 0;
	#total = 0;

	constructor(clock: Clock, logger: Logger, message: string, intervalMs = 1000, level: 'warn' | 'error' = 'warn') {
		this.#clock = clock;
		this.#log = (fields) => logger[level](fields, message);
		this.#intervalMs = intervalMs;
	}

	get total(): number {
		return this.#total;
	}

	/** Counts one; `example` is logged when a report is due. */
	count(example: object): void {
		this.#total++;
		this.#unreported++;
		const now = this.#clock.monotonicMs();
		if (now - this.#reportedAtMs >= this.#intervalMs) {
			this.#log({ ...example, count: this.#unreported, total: this.#total });
			this.#reportedAtMs = now;
			this.#unreported = 0;
		}
	}
}
