/**
 * Slows down whoever guesses: after some failures a key waits longer and longer. Attempts under way are bounded apart.
 */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../lifecycle/clock.ts';
import { SpillwayError } from '../errors/errors.ts';

/**
 * Failures that cost nothing: people mistype, and an encoder with an old key retries some times before it is noticed.
 */
const FREE_FAILURES = 10;
/** The first wait; it doubles with each further failure. */
const FIRST_DELAY_MS = 1000;
/** The longest wait. A streamer who mends their key waits no longer than this; a guesser gets 1440 tries a day. */
const MAX_DELAY_MS = 60_000;
/** A key is forgotten this long after its last failure. */
const MEMORY_MS = 15 * 60_000;
/**
 * Attempts of one key that may be checked at once: the encoders of one house that start together while the database is
 * slow. A volley of guesses gains as many. Once the free failures are used up only one is checked at a time.
 */
const MAX_UNDER_WAY = 30;
/** When to come again while too many are under way. */
const BUSY_WAIT_MS = 1000;
/** Keys that are remembered; beyond them the one that failed longest ago is forgotten. About 2 MB. */
const MAX_KEYS = 10_000;

/** An attempt that may be checked now. Exactly one of the two is to be called; later calls do nothing. */
export type Attempt = {
	outcome: 'begun';
	/** It was wrong. */
	fail(): void;
	/**
	 * It was right, or could not be checked. Earlier failures stay, so that one good key does not wipe a guesser's slate.
	 */
	end(): void;
};

/** What {@link AttemptLimiter.begin} says. `failed-before`: after wrong ones; `busy`: too many are being checked. */
type AttemptOutcome = Attempt | { outcome: 'failed-before' | 'busy'; waitMs: number };

type Record = { failureCount: number; underWayCount: number; blockedUntilMs: number; lastFailureAtMs: number };

/** Counts failures by key, such as an address group. */
export class AttemptLimiter {
	readonly #clock: Clock;
	readonly #maxUnderWay: number;
	readonly #records: LRUCache<string, Record>;

	constructor(clock: Clock, options: { maxKeys?: number; maxUnderWay?: number } = {}) {
		this.#clock = clock;
		this.#records = new LRUCache({ max: options.maxKeys ?? MAX_KEYS });
		this.#maxUnderWay = options.maxUnderWay ?? MAX_UNDER_WAY;
	}

	/** How many keys are remembered. */
	get keyCount(): number {
		return this.#records.size;
	}

	/** Begins an attempt, or says how long the key has to wait. */
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
		// Looking does not count as use: who waits and asks again is forgotten like anybody.
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
