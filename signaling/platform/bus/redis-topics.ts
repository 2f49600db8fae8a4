/** The subscriptions of a Redis bus, renewed after a lost connection. */
import type { Cluster, Redis } from 'ioredis';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { errorMessage } from '../../../core/errors/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import type { RateLimitedReport } from '../../../core/limits/rate-limited-report.ts';
import type { RedisClient } from './redis-connection.ts';
import { decodeBusValue, type BusValue } from './message-bus.ts';

type Listener = (message: BusValue) => void;
type Topic = { listeners: Set<Listener>; isSubscribed: Promise<void> };

/** Pause before the next attempt when a subscription fails on an open connection, as while a cluster settles. */
const RESUBSCRIBE_DELAY_MS = 300;

type RedisTopicsDependencies = {
	/** Opened and closed by the caller. */
	client: RedisClient;
	clock: Clock;
	logger: Logger;
	/** Counts failures. */
	noise: RateLimitedReport;
};

/** `isSharded`: on a cluster, so that each node gets the messages of its own channels only. */
type RedisTopicsOptions = { isSharded: boolean };

export class RedisTopics {
	readonly #deps: RedisTopicsDependencies;
	readonly #options: RedisTopicsOptions;
	readonly #topics = new Map<string, Topic>();
	readonly #reconnectListeners = new Set<() => void>();
	#wasReady = false;

	constructor(deps: RedisTopicsDependencies, options: RedisTopicsOptions) {
		this.#deps = deps;
		this.#options = options;
		const { client } = deps;
		const onMessage = (channel: string, text: string): void => this.#deliver(channel, text);
		// The two kinds of client differ in the types of their events only.
		(client as Redis).on(options.isSharded ? ('smessage' as 'message') : 'message', onMessage);
		client.on('ready', () => this.#onReady());
	}

	/** Calls the listener when messages flow again after a loss. */
	onReconnect(listener: () => void): () => void {
		this.#reconnectListeners.add(listener);
		return () => this.#reconnectListeners.delete(listener);
	}

	/** Resolves when messages flow, to the function that ends the subscription; rejects with ioredis's error. */
	async subscribe(channel: string, listener: Listener): Promise<() => void> {
		let topic = this.#topics.get(channel);
		if (topic === undefined) {
			topic = { listeners: new Set(), isSubscribed: this.#send('subscribe', channel) };
			this.#topics.set(channel, topic);
		}
		// A separate entry for each call, even with the same function.
		const entry: Listener = (message) => listener(message);
		topic.listeners.add(entry);
		const end = (): void => this.#remove(channel, topic, entry);
		try {
			await topic.isSubscribed;
		} catch (error) {
			end();
			throw error;
		}
		return end;
	}

	clear(): void {
		this.#topics.clear();
		this.#reconnectListeners.clear();
	}

	#remove(channel: string, topic: Topic, entry: Listener): void {
		topic.listeners.delete(entry);
		if (topic.listeners.size === 0 && this.#topics.get(channel) === topic) {
			this.#topics.delete(channel);
			// This fails while the connection is down; only topics with listeners are resubscribed.
			this.#send('unsubscribe', channel).catch(() => undefined);
		}
	}

	async #send(verb: 'subscribe' | 'unsubscribe', channel: string): Promise<void> {
		const client = this.#deps.client as Cluster;
		const { isSharded } = this.#options;
		if (verb === 'subscribe') {
			await (isSharded ? client.ssubscribe(channel) : client.subscribe(channel));
		} else {
			await (isSharded ? client.sunsubscribe(channel) : client.unsubscribe(channel));
		}
	}

	#onReady(): void {
		if (this.#wasReady) {
			void this.#resubscribe();
		}
		this.#wasReady = true;
	}

	async #resubscribe(): Promise<void> {
		const subscriptions = [...this.#topics].map(([channel, topic]) => {
			topic.isSubscribed = this.#send('subscribe', channel);
			return topic.isSubscribed;
		});
		try {
			await Promise.all(subscriptions);
			this.#deps.logger.info({ topicCount: subscriptions.length }, 'the bus is back');
			this.#reconnectListeners.forEach((listener) => this.#call(listener));
		} catch (error) {
			this.#deps.noise.count({ err: errorMessage(error) });
			// After another loss the next "ready" event resubscribes.
			if (this.#deps.client.status === 'ready') {
				this.#deps.clock.setTimeout(() => void this.#resubscribe(), RESUBSCRIBE_DELAY_MS);
			}
		}
	}

	#deliver(channel: string, text: string): void {
		let message: BusValue;
		try {
			message = decodeBusValue(text);
		} catch {
			this.#deps.noise.count({ channel, err: 'a message is not JSON' });
			return;
		}
		for (const listener of [...(this.#topics.get(channel)?.listeners ?? [])]) {
			this.#call(() => listener(message));
		}
	}

	#call(action: () => void): void {
		try {
			action();
		} catch (error) {
			this.#deps.logger.error({ err: error }, 'a bus subscriber failed');
		}
	}
}
