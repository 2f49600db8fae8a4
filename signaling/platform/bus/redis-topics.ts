/** Subscriptions of a Redis bus: who listens to which topic, also across a lost connection. */
import type { Cluster, Redis } from 'ioredis';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { errorMessage } from '../../../core/errors/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import type { RateLimitedReport } from '../../../core/limits/rate-limited-report.ts';
import type { RedisClient } from './redis-connection.ts';
import { decodeBusValue, type BusValue } from './message-bus.ts';

type Listener = (message: BusValue) => void;
type Topic = { listeners: Set<Listener>; isSubscribed: Promise<void> };

/**
 * Pause before the next attempt when the connection stands but a subscription was refused, as while a cluster settles.
 */
const RESUBSCRIBE_DELAY_MS = 300;

type RedisTopicsDependencies = {
	isSharded: boolean;
	clock: Clock;
	logger: Logger;
	/** Counts what cannot be delivered. */
	noise: RateLimitedReport;
};

/**
 * Owns the connection for messages that come in. On a cluster it uses sharded channels, so that each node sees its own
 * only.
 */
export class RedisTopics {
	readonly #client: RedisClient;
	readonly #deps: RedisTopicsDependencies;
	readonly #topics = new Map<string, Topic>();
	readonly #reconnectListeners = new Set<() => void>();
	#wasReady = false;

	/** The connection is opened and closed by the caller. */
	constructor(client: RedisClient, deps: RedisTopicsDependencies) {
		this.#client = client;
		this.#deps = deps;
		const onMessage = (channel: string, text: string): void => this.#deliver(channel, text);
		// The two kinds of client are one for every command, but not for their event types.
		(client as Redis).on(deps.isSharded ? ('smessage' as 'message') : 'message', onMessage);
		client.on('ready', () => this.#onReady());
	}

	/** Calls back when messages flow again after a loss. */
	onReconnect(listener: () => void): () => void {
		this.#reconnectListeners.add(listener);
		return () => this.#reconnectListeners.delete(listener);
	}

	/** Resolves with the function that ends it when messages flow; rejects with ioredis's error. */
	async subscribe(channel: string, listener: Listener): Promise<() => void> {
		let topic = this.#topics.get(channel);
		if (topic === undefined) {
			topic = { listeners: new Set(), isSubscribed: this.#send('subscribe', channel) };
			this.#topics.set(channel, topic);
		}
		// One entry for each call, also when the same function is given twice.
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

	/** Forgets everybody. */
	clear(): void {
		this.#topics.clear();
		this.#reconnectListeners.clear();
	}

	#remove(channel: string, topic: Topic, entry: Listener): void {
		topic.listeners.delete(entry);
		if (topic.listeners.size === 0 && this.#topics.get(channel) === topic) {
			this.#topics.delete(channel);
			// When the connection is down there is nothing to end: only topics that are wanted are subscribed again.
			this.#send('unsubscribe', channel).catch(() => undefined);
		}
	}

	async #send(verb: 'subscribe' | 'unsubscribe', channel: string): Promise<void> {
		const client = this.#client as Cluster;
		if (verb === 'subscribe') {
			await (this.#deps.isSharded ? client.ssubscribe(channel) : client.subscribe(channel));
		} else {
			await (this.#deps.isSharded ? client.sunsubscribe(channel) : client.unsubscribe(channel));
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
			// When the connection was lost again, its next "ready" brings us here.
			if (this.#client.status === 'ready') {
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
