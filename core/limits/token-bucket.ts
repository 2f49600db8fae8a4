/** Token buckets: a steady rate with bursts, for one owner or for many senders. */
import type { LRUCache } from 'lru-cache';
import type { Clock } from '../lifecycle/clock.ts';
import { createLruCache } from './lru-cache.ts';

/** `burst`: tokens of a full bucket. */
export type TokenRate = { perSecond: number; burst: number };

export class TokenBucket {
	readonly #clock: Clock;
	readonly #rate: TokenRate;
	#tokens: number;
	#filledAtMs: number;

	/** Starts full. */
	constructor(clock: Clock, rate: TokenRate) {
		this.#clock = clock;
		this.#rate = rate;
		this.#tokens = rate.burst;
		this.#filledAtMs = clock.monotonicMs();
	}

	/** Takes one; false when there is none. */
	take(): boolean {
		this.#fill();
		if (this.#tokens < 1) {
			return false;
		}
		this.#tokens--;
		return true;
	}

	/** Milliseconds until there is one; 0 when there is. */
	get waitMs(): number {
		this.#fill();
		return this.#tokens >= 1 ? 0 : Math.ceil(((1 - this.#tokens) / this.#rate.perSecond) * 1000);
	}

	#fill(): void {
		const nowMs = this.#clock.monotonicMs();
		const gained = ((nowMs - this.#filledAtMs) * this.#rate.perSecond) / 1000;
		this.#tokens = Math.min(this.#rate.burst, this.#tokens + gained);
		this.#filledAtMs = nowMs;
	}
}

/** A bucket for each key, such as an address group; beyond `maxKeys` the one that was used longest ago is evicted. */
export class TokenBuckets {
	readonly #clock: Clock;
	readonly #rate: TokenRate;
	readonly #buckets: LRUCache<string, TokenBucket>;

	constructor(clock: Clock, rate: TokenRate, maxKeys: number) {
		this.#clock = clock;
		this.#rate = rate;
		this.#buckets = createLruCache(maxKeys);
	}

	/** Takes a token of the key. Returns 0, or the milliseconds until there is one. */
	take(key: string): number {
		let bucket = this.#buckets.get(key);
		if (bucket === undefined) {
			bucket = new TokenBucket(this.#clock, this.#rate);
			this.#buckets.set(key, bucket);
		}
		return bucket.take() ? 0 : bucket.waitMs;
	}
}
