/** Creates the connections of a Redis bus, to one server or to a cluster, with bounded queues and deadlines. */
import { Cluster, Redis, type RedisOptions } from 'ioredis';

/** Both kinds accept the same commands. */
export type RedisClient = Redis | Cluster;

const CONNECT_DEADLINE_MS = 2000;
/** A connection on which a command got no byte back for this long is dead. */
const SILENCE_DEADLINE_MS = 5000;
/** Longest pause between two attempts to reconnect. Redis restarts within seconds, and an attempt is cheap. */
const MAX_RETRY_DELAY_MS = 1000;

const RETRY_STRATEGY = (attempt: number): number => Math.min(attempt * 100, MAX_RETRY_DELAY_MS);

const CONNECTION_OPTIONS = {
	connectTimeout: CONNECT_DEADLINE_MS,
	socketTimeout: SILENCE_DEADLINE_MS,
	keepAlive: 5000,
	// A command fails at once while the connection is down, so that no queue grows and no caller waits. None is sent
	// twice, because a lease or an append must not happen twice.
	maxRetriesPerRequest: 0,
	autoResendUnfulfilledCommands: false,
	// RedisTopics resubscribes, so that it notices when messages flow again, and handles failures.
	autoResubscribe: false,
} as const satisfies RedisOptions;

/** A cluster's URL has several addresses separated by commas. */
export function isClusterUrl(url: string): boolean {
	return url.includes(',');
}

/**
 * Creates a client without connecting. `url` is `redis://user:password@host:port/number` or, for a cluster, several of
 * them separated by commas. One address and a comma suffice, because the client discovers the other nodes.
 */
export function createRedisClient(url: string): RedisClient {
	if (!isClusterUrl(url)) {
		return new Redis(url, {
			...CONNECTION_OPTIONS,
			lazyConnect: true,
			enableOfflineQueue: false,
			retryStrategy: RETRY_STRATEGY,
		});
	}
	const nodes = url
		.split(',')
		.map((part) => part.trim())
		.filter((part) => part !== '')
		.map((part) => new URL(part));
	const [first] = nodes;
	return new Cluster(
		nodes.map((node) => ({ host: node.hostname, port: Number(node.port || 6379) })),
		{
			lazyConnect: true,
			enableOfflineQueue: false,
			shardedSubscribers: true,
			clusterRetryStrategy: RETRY_STRATEGY,
			// No clusterNodeRetryStrategy: with it ioredis 6.0.0 does not notice that the last node is gone, and hangs.
			slotsRefreshTimeout: CONNECT_DEADLINE_MS,
			redisOptions: {
				...CONNECTION_OPTIONS,
				// In a cluster only the client knows which node has which topic after a move.
				autoResubscribe: true,
				...(first!.password === '' ? {} : { password: decodeURIComponent(first!.password) }),
				...(first!.username === '' ? {} : { username: decodeURIComponent(first!.username) }),
				...(first!.protocol === 'rediss:' ? { tls: {} } : {}),
			},
		},
	);
}
