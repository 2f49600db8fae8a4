/** Slows down guessing: after some failures a key waits longer and longer. Attempts under way have their own bound. */
import type { LRUCache } from 'lru-cache';
import type { Clock } from '../lifecycle/clock.ts';
import { SpillwayError } from '../errors/errors.ts';
import { createLruCache } from './lru-cache.ts';

/** Failures without a wait: people mistype, and an encoder with an old key retries some times before anyone sees it. */
const FREE_FAILURES = 10;
/** The first wait; it doubles with each further failure. */
const FIRST_DELAY_MS = 1000;
/** The longest wait. A streamer who corrects their key waits no longer than this; a guesser gets 1440 tries a day. */
const MAX_DELAY_MS = 60_000;
/** The failures of a key no longer count this long after the last one. */
const MEMORY_MS = 15 * 60_000;
/**
 * Attempts of one key that may be checked at once: the encoders of one household that start together while the database
 * is slow. A volley of guesses gets as many. After the free failures only one is checked at a time.
 */
const MAX_UNDER_WAY = 30;
/** Wait while too many are under way. */
const BUSY_WAIT_MS = 1000;
/** Keys that are kept; beyond them the one with the oldest failure is evicted. About 2 MB. */
const MAX_KEYS = 10_000;

/** An attempt that may be checked now. Call exactly one of the two functions; later calls do nothing. */
export type Attempt = {
	outcome: 'begun';
	/** It was wrong. */
	fail(): void;
	/** It was right, or could not be checked. Earlier failures stay, so that a guesser cannot reset them with one key. */
	end(): void;
};

/** `failed-before`: there were too many wrong attempts; `busy`: too many are being checked. */
type AttemptOutcome = Attempt | { outcome: 'failed-before' | 'busy'; waitMs: number };

type Record = { failureCount: number; underWayCount: number; blockedUntilMs: number; lastFailureAtMs: number };

/** Counts failures by key, such as an address group. */
export class AttemptLimiter {
	readonly #clock: Clock;
	readonly #maxUnderWay: number;
	readonly #records: LRUCache<string, Record>;

	constructor(clock: Clock, options: { maxKeys?: number; maxUnderWay?: number } = {}) {
		this.#clock = clock;
		this.#records = createLruCache(options.maxKeys ?? MAX_KEYS);
		this.#maxUnderWay = options.maxUnderWay ?? MAX_UNDER_WAY;
	}

	/** How many keys are kept. */
	get keyCount(): number {
		return this.#records.size;
	}

	/** Begins an attempt, or returns how long the key has to wait. */
	begin(key: string): AttemptOutcome {
		const nowMs = this.#clock.monotonicMs();
		const record = this.#recall(key, nowMs);
		if (record.blockedUntilMs > nowMs) {
			return { outcome: 'failed-before', waitMs: record.blockedUntilMs - nowMs };
		}
		const maxUnderWay = record.failureCount < FREE_FAILURES ? this.#maxUnderWay : 1;
		if (record.underWayCount >= maxUnderWay) {
			return { outcome: 'busy', waitMs: BUSY_WAIT_MS };
		}
		record.underWayCount++;
		this.#records.set(key, record);
		let isOver = false;
		const finish = (isWrong: boolean): void => {
			if (!isOver) {
				isOver = true;
				this.#finish(key, record, isWrong);
			}
		};
		return { outcome: 'begun', fail: () => finish(true), end: () => finish(false) };
	}

	/** As {@link begin}; throws TOO_MANY_ATTEMPTS after wrong ones, RATE_LIMITED while too many are being checked. */
	beginOrThrow(key: string): Attempt {
		const attempt = this.begin(key);
		if (attempt.outcome === 'begun') {
			return attempt;
		}
		const waitSeconds = Math.ceil(attempt.waitMs / 1000);
		const code = attempt.outcome === 'busy' ? 'RATE_LIMITED' : 'TOO_MANY_ATTEMPTS';
		throw new SpillwayError(code, [waitSeconds], { retryAfterSeconds: waitSeconds });
	}

	#finish(key: string, record: Record, isWrong: boolean): void {
		record.underWayCount--;
		if (isWrong) {
			const nowMs = this.#clock.monotonicMs();
			record.failureCount++;
			record.lastFailureAtMs = nowMs;
			const excess = record.failureCount - FREE_FAILURES;
			if (excess > 0) {
				record.blockedUntilMs = nowMs + Math.min(FIRST_DELAY_MS * 2 ** Math.min(excess - 1, 30), MAX_DELAY_MS);
			}
			this.#records.set(key, record);
		} else if (record.failureCount === 0 && record.underWayCount === 0 && this.#records.peek(key) === record) {
			this.#records.delete(key);
		}
	}

	#recall(key: string, nowMs: number): Record {
		// Reading does not count as use, so a key that keeps asking while it waits is evicted like any other.
		const record = this.#records.peek(key);
		if (record === undefined) {
			return { failureCount: 0, underWayCount: 0, blockedUntilMs: 0, lastFailureAtMs: 0 };
		}
		if (nowMs - record.lastFailureAtMs >= MEMORY_MS) {
			record.failureCount = 0;
		}
		return record;
	}
}
