/** Address groups that are known for some time, such as those that published lately. Bounded. */
import type { LRUCache } from 'lru-cache';
import type { Clock } from '../lifecycle/clock.ts';
import { createLruCache } from './lru-cache.ts';

export class KnownGroups {
	readonly #clock: Clock;
	readonly #memoryMs: number;
	readonly #knownUntilMs: LRUCache<string, number>;

	/** A group is evicted after `memoryMs`, or when `maxGroups` younger ones exist. */
	constructor(clock: Clock, options: { memoryMs: number; maxGroups: number }) {
		this.#clock = clock;
		this.#memoryMs = options.memoryMs;
		this.#knownUntilMs = createLruCache(options.maxGroups);
	}

	remember(group: string): void {
		this.#knownUntilMs.set(group, this.#clock.monotonicMs() + this.#memoryMs);
	}

	has(group: string): boolean {
		return (this.#knownUntilMs.peek(group) ?? -Infinity) > this.#clock.monotonicMs();
	}
}
