/**
 * One node's view of a shared bus that tests can cut off, as a lost connection does, also with answers lost on the way.
 */
import { busUnavailable, type BusValue, type HistoryPage } from '../../platform/bus/message-bus.ts';
import type { RoomBus } from '../room/room-log.ts';

/** Passes everything on while it is whole. */
export class FaultyBus implements RoomBus {
	/** How many histories were appended to and read. */
	callCount = 0;
	/** The next append is done, but its answer is lost. */
	losesNextAnswer = false;
	/** Messages of topics do not arrive. */
	isDeaf = false;
	#bus: RoomBus;
	readonly #subscriptions = new Set<{ topic: string; listener: (message: BusValue) => void; end: () => void }>();
	readonly #reconnectListeners = new Set<() => void>();
	#isLost = false;

	constructor(bus: RoomBus) {
		this.#bus = bus;
	}

	/** Every call fails, no message arrives. */
	lose(): void {
		this.#isLost = true;
	}

	/** Another bus in its place, without the memory of the first. Subscriptions move, as those of the Redis bus do. */
	async replace(bus: RoomBus): Promise<void> {
		this.#bus = bus;
		for (const subscription of this.#subscriptions) {
			subscription.end = await bus.subscribe(subscription.topic, subscription.listener);
		}
	}

	/** As before, and tells so. */
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
