/** The bus of a single server, in memory. It is as asynchronous as Redis and serialises as well, so it hides no bug. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { CloseScope } from '../../../core/lifecycle/close-scope.ts';
import { SpillwayError } from '../../../core/errors/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import {
	assertTtl,
	compareHistoryPositions,
	decodeBusValue,
	encodeBusValue,
	formatHistoryId,
	parseHistoryId,
	type BusValue,
	type HistoryPage,
	type HistoryPosition,
	type MessageBus,
} from './message-bus.ts';

/** How often expired entries are deleted; until then they are only hidden. */
const SWEEP_INTERVAL_MS = 10_000;

type Expiring = { expiresAtMs: number };
type Entry = Expiring & { text: string };
type SortedSet = Expiring & { scores: Map<string, number> };
type History = Expiring & { entries: Array<{ position: HistoryPosition; text: string }> };
type Subscriber = { listener: (message: BusValue) => void; isActive: boolean };

export class InProcessBus implements MessageBus {
	readonly #deps: { clock: Clock; logger: Logger };
	readonly #scope: CloseScope<'closed'>;
	readonly #subscribers = new Map<string, Set<Subscriber>>();
	readonly #keys = new Map<string, Entry>();
	readonly #sortedSets = new Map<string, SortedSet>();
	readonly #histories = new Map<string, History>();
	#deliveries: Array<() => void> = [];

	constructor(deps: { clock: Clock; logger: Logger }) {
		this.#deps = deps;
		this.#scope = new CloseScope(deps.logger);
		this.#scope.every(deps.clock, SWEEP_INTERVAL_MS, () => this.#sweep());
		this.#scope.onClose(() => {
			for (const map of [this.#subscribers, this.#keys, this.#sortedSets, this.#histories]) {
				map.clear();
			}
			this.#deliveries = [];
		});
	}

	async publish(topic: string, message: BusValue): Promise<void> {
		await this.#takeTurn();
		const text = encodeBusValue(message);
		for (const subscriber of this.#subscribers.get(topic) ?? []) {
			this.#deliverLater(() => this.#deliver(topic, subscriber, text));
		}
	}

	async subscribe(topic: string, listener: (message: BusValue) => void): Promise<() => void> {
		await this.#takeTurn();
		const subscriber: Subscriber = { listener, isActive: true };
		const subscribers = this.#subscribers.get(topic) ?? new Set();
		this.#subscribers.set(topic, subscribers.add(subscriber));
		return () => {
			subscriber.isActive = false;
			subscribers.delete(subscriber);
			if (subscribers.size === 0 && this.#subscribers.get(topic) === subscribers) {
				this.#subscribers.delete(topic);
			}
		};
	}

	onReconnect(_listener: () => void): () => void {
		// A bus inside the process is never lost.
		return () => undefined;
	}

	async set(key: string, value: BusValue, ttlMs: number): Promise<void> {
		assertTtl(ttlMs);
		const text = encodeBusValue(value);
		await this.#takeTurn();
		this.#keys.set(key, { text, expiresAtMs: this.#expiry(ttlMs) });
	}

	async get(key: string): Promise<BusValue | undefined> {
		await this.#takeTurn();
		const entry = this.#live(this.#keys, key);
		return entry === undefined ? undefined : decodeBusValue(entry.text);
	}

	async delete(key: string): Promise<void> {
		await this.#takeTurn();
		this.#keys.delete(key);
	}

	async addToSortedSet(key: string, member: string, score: number, ttlMs: number): Promise<void> {
		assertTtl(ttlMs);
		await this.#takeTurn();
		const set = this.#live(this.#sortedSets, key) ?? { scores: new Map<string, number>(), expiresAtMs: 0 };
		set.scores.set(member, score);
		set.expiresAtMs = this.#expiry(ttlMs);
		this.#sortedSets.set(key, set);
	}

	async removeFromSortedSet(key: string, member: string): Promise<void> {
		await this.#takeTurn();
		this.#live(this.#sortedSets, key)?.scores.delete(member);
	}

	async membersOfSortedSet(key: string, limit: number): Promise<string[]> {
		await this.#takeTurn();
		const scores = this.#live(this.#sortedSets, key)?.scores ?? new Map<string, number>();
		return [...scores]
			.sort(([one, score], [other, otherScore]) => {
				return score - otherScore || Buffer.compare(Buffer.from(one), Buffer.from(other));
			})
			.slice(0, limit)
			.map(([member]) => member);
	}

	async trimSortedSet(key: string, belowScore: number): Promise<void> {
		await this.#takeTurn();
		const scores = this.#live(this.#sortedSets, key)?.scores ?? new Map<string, number>();
		for (const [member, score] of scores) {
			if (score < belowScore) {
				scores.delete(member);
			}
		}
	}

	async appendToHistory(key: string, value: BusValue, maxLength: number, ttlMs: number): Promise<string> {
		assertTtl(ttlMs);
		const text = encodeBusValue(value);
		await this.#takeTurn();
		const history = this.#live(this.#histories, key) ?? { entries: [], expiresAtMs: 0 };
		const position = this.#nextPosition(history.entries.at(-1)?.position);
		history.entries.push({ position, text });
		history.entries.splice(0, Math.max(0, history.entries.length - maxLength));
		history.expiresAtMs = this.#expiry(ttlMs);
		this.#histories.set(key, history);
		return formatHistoryId(position);
	}

	async readHistory(key: string, afterId: string | undefined, limit: number): Promise<HistoryPage> {
		const after = afterId === undefined ? undefined : parseHistoryId(afterId);
		await this.#takeTurn();
		const kept = this.#live(this.#histories, key)?.entries ?? [];
		const entries = kept
			.filter(({ position }) => after === undefined || compareHistoryPositions(position, after) > 0)
			.slice(0, limit)
			.map(({ position, text }) => ({ id: formatHistoryId(position), value: decodeBusValue(text) }));
		const oldest = kept[0]?.position;
		const isComplete = after === undefined || (oldest !== undefined && compareHistoryPositions(oldest, after) <= 0);
		return { entries, isComplete };
	}

	async checkHealth(): Promise<void> {
		await this.#takeTurn();
	}

	close(): Promise<void> {
		return this.#scope.close('closed');
	}

	[Symbol.asyncDispose](): Promise<void> {
		return this.close();
	}

	// Every call yields once, as a round trip does.
	async #takeTurn(): Promise<void> {
		await Promise.resolve();
		if (this.#scope.closed) {
			throw new SpillwayError('SERVER_STOPPING');
		}
	}

	// One macrotask for all waiting messages: a burst neither starves sockets nor changes the order.
	#deliverLater(delivery: () => void): void {
		this.#deliveries.push(delivery);
		if (this.#deliveries.length === 1) {
			setImmediate(() => {
				const deliveries = this.#deliveries;
				this.#deliveries = [];
				deliveries.forEach((deliver) => deliver());
			});
		}
	}

	#deliver(topic: string, subscriber: Subscriber, text: string): void {
		if (subscriber.isActive && !this.#scope.closed) {
			try {
				subscriber.listener(decodeBusValue(text));
			} catch (error) {
				this.#deps.logger.error({ err: error, topic }, 'a bus subscriber failed');
			}
		}
	}

	#nextPosition(last: HistoryPosition | undefined): HistoryPosition {
		const ms = Math.floor(this.#deps.clock.nowMs());
		// Ids rise even when the wall clock is set back.
		return last !== undefined && ms <= last.ms ? { ms: last.ms, sequence: last.sequence + 1 } : { ms, sequence: 0 };
	}

	#expiry(ttlMs: number): number {
		return this.#deps.clock.monotonicMs() + ttlMs;
	}

	#live<T extends Expiring>(map: Map<string, T>, key: string): T | undefined {
		const value = map.get(key);
		if (value !== undefined && value.expiresAtMs <= this.#deps.clock.monotonicMs()) {
			map.delete(key);
			return undefined;
		}
		return value;
	}

	#sweep(): void {
		for (const map of [this.#keys, this.#sortedSets, this.#histories] as Array<Map<string, Expiring>>) {
			for (const key of map.keys()) {
				this.#live(map, key);
			}
		}
	}
}
