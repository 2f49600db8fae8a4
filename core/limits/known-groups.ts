/** Address groups that are known for some time, such as those that published lately. Bounded; holds no resources. */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../lifecycle/clock.ts';

/** Remembers groups. */
export class KnownGroups {
	readonly #clock: Clock;
	readonly #memoryMs: number;
	readonly #knownUntilMs: LRUCache<string, number>;

	/** A group is forgotten after `memoryMs`, or when there are more than `maxGroups` younger ones. */
	constructor(clock: Clock, options: { memoryMs: number; maxGroups: number }) {
		this.#clock = clock;
		this.#memoryMs = options.memoryMs;
		this.#knownUntilMs = new LRUCache({ max: options.maxGroups });
	}

	/** How many are remembered. */
	get size(): number {
		return this.#knownUntilMs.size;
	}

	/** It is known from now on. */
	remember(group: string): void {
		this.#knownUntilMs.set(group, this.#clock.monotonicMs() + this.#memoryMs);
	}

	/** Whether it is known now. */
	has(group: string): boolean {
		return (this.#knownUntilMs.peek(group) ?? -Infinity) > this.#clock.monotonicMs();
	}
}
