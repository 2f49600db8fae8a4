/** One node's view of a shared bus that tests can cut off, or whose answers and messages they can drop. */
import { busUnavailable, type BusValue, type HistoryPage } from '../../platform/bus/message-bus.ts';
import type { RoomBus } from '../room/room-log.ts';

export class FaultyBus implements RoomBus {
	/** Failed calls included. */
	callCount = 0;
	/** The next append succeeds, but its answer is lost. */
	losesNextAnswer = false;
	/** Drops the messages of topics. */
	isDeaf = false;
	#bus: RoomBus;
	readonly #subscriptions = new Set<{ topic: string; listener: (message: BusValue) => void; end: () => void }>();
	readonly #reconnectListeners = new Set<() => void>();
	#isLost = false;

	constructor(bus: RoomBus) {
		this.#bus = bus;
	}

	/** Makes every call fail, and drops all messages. */
	lose(): void {
		this.#isLost = true;
	}

	/** Replaces the bus by one without its memory. Subscriptions move, as in the Redis bus. */
	async replace(bus: RoomBus): Promise<void> {
		this.#bus = bus;
		for (const subscription of this.#subscriptions) {
			subscription.end = await bus.subscribe(subscription.topic, subscription.listener);
		}
	}

	/** Reconnects, and notifies the listeners. */
	restore(): void {
		this.#isLost = false;
		this.#reconnectListeners.forEach((listener) => listener());
	}

	async publish(topic: string, message: BusValue): Promise<void> {
		this.#assertThere();
		await this.#bus.publish(topic, message);
	}

	async subscribe(topic: string, listener: (message: BusValue) => void): Promise<() => void> {
		this.#assertThere();
		const guarded = (message: BusValue): void => (this.#isLost || this.isDeaf ? undefined : listener(message));
		const subscription = { topic, listener: guarded, end: await this.#bus.subscribe(topic, guarded) };
		this.#subscriptions.add(subscription);
		return () => {
			this.#subscriptions.delete(subscription);
			subscription.end();
		};
	}

	onReconnect(listener: () => void): () => void {
		this.#reconnectListeners.add(listener);
		return () => this.#reconnectListeners.delete(listener);
	}

	async appendToHistory(key: string, value: BusValue, maxLength: number, ttlMs: number): Promise<string> {
		this.#assertThere();
		const id = await this.#bus.appendToHistory(key, value, maxLength, ttlMs);
		if (this.losesNextAnswer) {
			this.losesNextAnswer = false;
			throw busUnavailable();
		}
		return id;
	}

	async readHistory(key: string, afterId: string | undefined, limit: number): Promise<HistoryPage> {
		this.#assertThere();
		return this.#bus.readHistory(key, afterId, limit);
	}

	#assertThere(): void {
		this.callCount++;
		if (this.#isLost) {
			throw busUnavailable();
		}
	}
}
