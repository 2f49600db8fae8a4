/** The bus over Redis 7 or newer, single or a cluster, for installations of several servers. */
import { withDeadline, type Clock } from '../../../core/lifecycle/clock.ts';
import { CloseScope } from '../../../core/lifecycle/close-scope.ts';
import { errorMessage, SpillwayError } from '../../../core/errors/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import { RateLimitedReport } from '../../../core/limits/rate-limited-report.ts';
import {
	assertTtl,
	busUnavailable,
	compareHistoryPositions,
	decodeBusValue,
	encodeBusValue,
	parseHistoryId,
	type BusValue,
	type HistoryPage,
	type MessageBus,
} from './message-bus.ts';
import { createRedisClient, isClusterUrl, type RedisClient } from './redis-connection.ts';
import { RedisTopics } from './redis-topics.ts';

/** Longest wait for the answer to a command. */
const ANSWER_DEADLINE_MS = 1000;
/** Longest wait for the first connection. */
const START_DEADLINE_MS = 5000;
/** Commands that may wait for their answer; more are rejected, so that a Redis that hangs does not fill the memory. */
const MAX_PENDING_COMMANDS = 10_000;
/** How often the connection for messages, which may be silent for hours, is pinged. */
const PING_INTERVAL_MS = 10_000;

// Atomic steps as Lua scripts. Each touches one key, as a cluster requires.

/** KEYS[1] sorted set; ARGV: member, score, ms to live. */
const ADD_TO_SORTED_SET = `
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`;

/** KEYS[1] stream; ARGV: value, greatest length, ms to live. Returns the new id. */
const APPEND_TO_HISTORY = `
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '=', ARGV[2], '*', 'v', ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return id`;

/** KEYS[1] stream; ARGV: first id as for XRANGE, greatest count. Returns the oldest kept entry and the entries. */
const READ_HISTORY = `
return { redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1), redis.call('XRANGE', KEYS[1], ARGV[1], '+', 'COUNT', ARGV[2]) }`;

type RedisBusDependencies = { clock: Clock; logger: Logger };

type RedisBusOptions = {
	/** One address, or several separated by commas for a cluster. */
	url: string;
	/** Prefix of every key and topic. */
	keyPrefix: string;
};

type StreamEntry = [id: string, fields: string[]];

/** Does nothing before start(). */
export class RedisBus implements MessageBus {
	readonly #deps: RedisBusDependencies;
	readonly #keyPrefix: string;
	readonly #isCluster: boolean;
	readonly #commands: RedisClient;
	readonly #subscriber: RedisClient;
	readonly #topics: RedisTopics;
	readonly #scope: CloseScope<'closed'>;
	#pendingCount = 0;

	constructor(deps: RedisBusDependencies, { url, keyPrefix }: RedisBusOptions) {
		const { clock, logger } = deps;
		this.#deps = deps;
		this.#keyPrefix = keyPrefix;
		this.#isCluster = isClusterUrl(url);
		this.#scope = new CloseScope(logger);
		this.#commands = createRedisClient(url);
		this.#subscriber = createRedisClient(url);
		const noise = new RateLimitedReport(clock, logger, 'trouble with the bus');
		for (const client of [this.#commands, this.#subscriber]) {
			// Without a listener ioredis prints each failed attempt.
			client.on('error', (error: unknown) => noise.count({ err: errorMessage(error) }));
			this.#scope.onClose(() => client.disconnect());
		}
		this.#topics = new RedisTopics({ client: this.#subscriber, clock, logger, noise }, { isSharded: this.#isCluster });
		this.#scope.onClose(() => this.#topics.clear());
	}

	/** Connects. Throws BUS_UNAVAILABLE when that takes over 5 s; attempts still continue until close(). */
	async start(): Promise<void> {
		this.#scope.every(this.#deps.clock, PING_INTERVAL_MS, () => this.#pingSubscriber());
		const ready = [this.#commands, this.#subscriber].map(
			(client) =>
				new Promise<void>((resolve) => {
					client.once('ready', () => resolve());
					// ioredis retries a failed first attempt.
					client.connect().catch(() => undefined);
				}),
		);
		const closed = new Promise<never>((_, reject) => {
			this.#scope.signal.addEventListener('abort', () => reject(busUnavailable()), { once: true });
		});
		const readyOrClosed = Promise.race([Promise.all(ready), closed]);
		await withDeadline(this.#deps.clock, readyOrClosed, START_DEADLINE_MS, () => busUnavailable());
	}

	async publish(topic: string, message: BusValue): Promise<void> {
		const text = encodeBusValue(message);
		const channel = this.#name('topic', topic);
		await this.#run(() =>
			this.#isCluster ? this.#commands.spublish(channel, text) : this.#commands.publish(channel, text),
		);
	}

	async subscribe(topic: string, listener: (message: BusValue) => void): Promise<() => void> {
		let late: Promise<() => void> | undefined;
		try {
			return await this.#run(() => (late = this.#topics.subscribe(this.#name('topic', topic), listener)));
		} catch (error) {
			// The caller got an error, so the subscription must not start after the deadline.
			late?.then(
				(end) => end(),
				() => undefined,
			);
			throw error;
		}
	}

	onReconnect(listener: () => void): () => void {
		return this.#topics.onReconnect(listener);
	}

	async set(key: string, value: BusValue, ttlMs: number): Promise<void> {
		assertTtl(ttlMs);
		const text = encodeBusValue(value);
		await this.#run(() => this.#commands.set(this.#name('key', key), text, 'PX', Math.ceil(ttlMs)));
	}

	async get(key: string): Promise<BusValue | undefined> {
		const text = await this.#run(() => this.#commands.get(this.#name('key', key)));
		return text === null ? undefined : decodeBusValue(text);
	}

	async delete(key: string): Promise<void> {
		await this.#run(() => this.#commands.del(this.#name('key', key)));
	}

	async addToSortedSet(key: string, member: string, score: number, ttlMs: number): Promise<void> {
		assertTtl(ttlMs);
		const name = this.#name('set', key);
		await this.#run(() => this.#commands.eval(ADD_TO_SORTED_SET, 1, name, member, score, Math.ceil(ttlMs)));
	}

	async removeFromSortedSet(key: string, member: string): Promise<void> {
		await this.#run(() => this.#commands.zrem(this.#name('set', key), member));
	}

	async membersOfSortedSet(key: string, limit: number): Promise<string[]> {
		return this.#run(() => this.#commands.zrange(this.#name('set', key), '0', String(limit - 1)));
	}

	async trimSortedSet(key: string, belowScore: number): Promise<void> {
		await this.#run(() => this.#commands.zremrangebyscore(this.#name('set', key), '-inf', `(${belowScore}`));
	}

	async appendToHistory(key: string, value: BusValue, maxLength: number, ttlMs: number): Promise<string> {
		assertTtl(ttlMs);
		const args = [encodeBusValue(value), maxLength, Math.ceil(ttlMs)];
		return (await this.#run(() =>
			this.#commands.eval(APPEND_TO_HISTORY, 1, this.#name('history', key), ...args),
		)) as string;
	}

	async readHistory(key: string, afterId: string | undefined, limit: number): Promise<HistoryPage> {
		const after = afterId === undefined ? undefined : parseHistoryId(afterId);
		const from = afterId === undefined ? '-' : `(${afterId}`;
		const [[oldest], entries] = (await this.#run(() =>
			this.#commands.eval(READ_HISTORY, 1, this.#name('history', key), from, limit),
		)) as [StreamEntry[], StreamEntry[]];
		const isComplete =
			after === undefined || (oldest !== undefined && compareHistoryPositions(parseHistoryId(oldest[0]), after) <= 0);
		return { entries: entries.map(([id, fields]) => ({ id, value: decodeBusValue(fields[1]!) })), isComplete };
	}

	async checkHealth(): Promise<void> {
		await this.#run(() => this.#commands.ping());
		if (this.#subscriber.status !== 'ready') {
			throw busUnavailable();
		}
	}

	close(): Promise<void> {
		return this.#scope.close('closed');
	}

	[Symbol.asyncDispose](): Promise<void> {
		return this.close();
	}

	#name(kind: 'topic' | 'key' | 'set' | 'history', name: string): string {
		return `${this.#keyPrefix}:${kind}:${name}`;
	}

	// The commands themselves are valid, so every error means that the bus is unavailable.
	async #run<T>(send: () => Promise<T>): Promise<T> {
		if (this.#scope.closed) {
			throw new SpillwayError('SERVER_STOPPING');
		}
		if (this.#pendingCount >= MAX_PENDING_COMMANDS) {
			throw busUnavailable();
		}
		this.#pendingCount++;
		const answer = send().finally(() => this.#pendingCount--);
		try {
			return await withDeadline(this.#deps.clock, answer, ANSWER_DEADLINE_MS, () => busUnavailable());
		} catch (error) {
			throw this.#scope.closed ? new SpillwayError('SERVER_STOPPING') : busUnavailable(error);
		}
	}

	// Without an answer the socket timeout of the connection ends it, and the client reconnects.
	#pingSubscriber(): void {
		if (!this.#isCluster && this.#subscriber.status === 'ready') {
			this.#subscriber.ping().catch(() => undefined);
		}
	}
}
