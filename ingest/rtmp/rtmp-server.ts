/**
 * Listens for RTMP encoders, one session a connection. What comes of an accepted publisher is for the listener to say.
 */
import net from 'node:net';
import tls from 'node:tls';
import { withDeadline, type Clock } from '../../core/lifecycle/clock.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import type { StreamKey } from '../../core/ids.ts';
import { addressKey, plainAddress } from '../../core/limits/address-key.ts';
import { LISTEN_BACKLOG } from '../../core/limits/listen-backlog.ts';
import { SharePool } from '../../core/limits/share-pool.ts';
import type { Logger } from '../../core/logger.ts';
import { RateLimitedReport } from '../../core/limits/rate-limited-report.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import { receiveProxyHeader } from './proxied-socket.ts';
import type { RtmpPublisher } from './rtmp-publisher.ts';
import { RtmpSession } from './rtmp-session.ts';
import type { RtmpSessionLimits } from './rtmp-session-limits.ts';
import { SocketConnection } from './socket-connection.ts';

/** Settings of the server. */
export type RtmpServerConfig = RtmpSessionLimits & {
	/** TCP port; 0 takes any free one. */
	port: number;
	/** Address to listen on; all when absent. */
	host?: string;
	/** Publishers and those on their way to be one. When all places are taken, one who has not shown a key gives way. */
	maxConnectionCount: number;
	/** Of these, places for address groups that published lately, and for publishers. */
	reservedConnectionCount: number;
	/** Connections of one address group that have not shown a key. */
	maxStrangersPerAddress: number;
	/** Whose connections begin with a PROXY header, which says for whom they come; nobody's when absent. */
	isProxy?: (remoteAddress: string) => boolean;
	/** How long the header may take. */
	proxyHeaderTimeoutMs: number;
	/** How long a connection that we ended may take to go before it is cut. */
	lingerMs: number;
	/** Makes it an RTMPS server, with the same limits. */
	tls?: { certificate: string; key: string };
};

/** What stands when nothing else is configured, the port apart. */
export const DEFAULT_RTMP_SERVER_CONFIG = {
	port: 1935,
	/** Ten round trips of half a second and some patience. */
	handshakeTimeoutMs: 5000,
	/** Encoders publish in less than a second; the database may be slow. */
	publishTimeoutMs: 10_000,
	/** A shorter one would end an encoder on a bad mobile link that recovers; the grace window begins after it. */
	idleTimeoutMs: 10_000,
	maxConnectionCount: 1000,
	reservedConnectionCount: 200,
	/** A production with many encoders, or all streamers of a proxy without the PROXY protocol, that start at once. */
	maxStrangersPerAddress: 100,
	/** Proxies send it with the first packet; one may be lost on the way. */
	proxyHeaderTimeoutMs: 2000,
	maxMessageBytes: 10 * 1024 * 1024,
	maxBufferedBytes: 16 * 1024 * 1024,
	/** All that encoders send before their key is checked is some commands and metadata; 800 strangers hold 50 MiB. */
	maxStrangerBytes: 64 * 1024,
	maxPendingWriteBytes: 64 * 1024,
	refusalDelayMs: 1000,
	lingerMs: 2000,
} as const satisfies RtmpServerConfig;

/** Decides who may publish. */
export interface RtmpAuthorizer<Authorization> {
	/**
	 * Resolves when one of the keys may publish; all are one attempt. Throws SpillwayError: STREAM_KEY_REFUSED,
	 * TOO_MANY_ATTEMPTS, DATABASE_UNAVAILABLE or SERVER_STOPPING. The result is dropped when the encoder left or the time
	 * ran out meanwhile.
	 */
	authorize(streamKeys: readonly StreamKey[], remoteAddress: string): Promise<Authorization>;
	/** Whether somebody published from there lately: some places are kept for them. */
	isKnownAddress(remoteAddress: string): boolean;
}

/** Events of {@link RtmpServer}. */
type RtmpServerEvents<Authorization> = {
	/** A publisher was accepted. Its media comes after the listeners returned; attach to it at once. */
	publisherStarted: [publisher: RtmpPublisher, authorization: Authorization];
};

/** What the server did so far. */
type RtmpServerStatistics = {
	/** Open now. */
	connectionCount: number;
	/** Closed because there were too many, or because their PROXY header was wrong. */
	droppedConnectionCount: number;
};

/** Most memory that strangers may hold together; each may hold less than usual when the operator allows very many. */
const MAX_BYTES_OF_ALL_STRANGERS = 64 * 1024 * 1024;
/** Less would not hold the commands of an encoder. */
const MIN_STRANGER_BYTES = 4096;

type RtmpServerDependencies<Authorization> = {
	clock: Clock;
	logger: Logger;
	authorizer: RtmpAuthorizer<Authorization>;
};

export class RtmpServer<Authorization> extends TypedEmitter<RtmpServerEvents<Authorization>> {
	readonly #deps: RtmpServerDependencies<Authorization>;
	readonly #config: RtmpServerConfig;
	readonly #scope: CloseScope<'server-shutdown'>;
	readonly #sessions = new Set<RtmpSession<Authorization>>();
	/** Connections that have said for whom they come. */
	readonly #places: SharePool<net.Socket>;
	/** Connections of proxies that have not said yet for whom they come; oldest first. */
	readonly #unannounced = new Set<net.Socket>();
	readonly #limits: RtmpSessionLimits;
	readonly #droppedReport: RateLimitedReport;
	readonly #headerReport: RateLimitedReport;
	#server: net.Server | undefined;

	constructor(config: RtmpServerConfig, deps: RtmpServerDependencies<Authorization>) {
		const { clock, logger } = deps;
		super(logger);
		this.#deps = deps;
		this.#config = config;
		this.#scope = new CloseScope(logger);
		const [capacity, reserve] = [config.maxConnectionCount, config.reservedConnectionCount];
		this.#places = new SharePool({ capacity, reserve, share: config.maxStrangersPerAddress }, 'displace-oldest');
		const strangerBytes = Math.floor(MAX_BYTES_OF_ALL_STRANGERS / Math.max(1, capacity - reserve));
		const maxStrangerBytes = Math.max(MIN_STRANGER_BYTES, Math.min(config.maxStrangerBytes, strangerBytes));
		this.#limits = { ...config, maxStrangerBytes };
		this.#droppedReport = new RateLimitedReport(clock, logger, 'RTMP connection dropped: too many');
		this.#headerReport = new RateLimitedReport(clock, logger, 'RTMP connection of a proxy dropped');
	}

	/** A copy of the counters. */
	get statistics(): RtmpServerStatistics {
		return {
			connectionCount: this.#sessions.size,
			droppedConnectionCount: this.#droppedReport.total + this.#headerReport.total,
		};
	}

	/** Starts to listen. Rejects with the system's error, such as EADDRINUSE. Call once. */
	listen(): Promise<{ port: number }> {
		if (this.#server !== undefined || this.#scope.closed) {
			throw new TypeError('RtmpServer.listen() was called twice or after close().');
		}
		const server = this.#createServer();
		this.#server = server;
		this.#scope.onClose(() => this.#stopListening(server));
		return new Promise((resolve, reject) => {
			server.once('error', reject);
			server.listen(
				{
					port: this.#config.port,
					backlog: LISTEN_BACKLOG,
					...(this.#config.host === undefined ? {} : { host: this.#config.host }),
				},
				() => {
					server.off('error', reject);
					// Such as running out of file descriptors while accepting: the server goes on.
					server.on('error', (error) => this.#deps.logger.error({ err: error }, 'the RTMP port reported an error'));
					resolve({ port: (server.address() as net.AddressInfo).port });
				},
			);
		});
	}

	/** Stops to listen and ends all connections. Resolves when they are gone. Idempotent. */
	close(reason: 'server-shutdown'): Promise<void> {
		return this.#scope.close(reason);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close('server-shutdown');
	}

	#createServer(): net.Server {
		if (this.#config.tls !== undefined && this.#config.isProxy !== undefined) {
			throw new TypeError('RtmpServer cannot read PROXY headers before TLS.');
		}
		const takeSocket = (socket: net.Socket): void => this.#takeSocket(socket);
		if (this.#config.tls === undefined) {
			return net.createServer({ noDelay: true }, takeSocket);
		}
		const { certificate, key } = this.#config.tls;
		const handshakeTimeout = this.#config.handshakeTimeoutMs;
		return tls
			.createServer({ cert: certificate, key, handshakeTimeout, noDelay: true }, takeSocket)
			.on('tlsClientError', (error) =>
				this.#deps.logger.debug({ err: error }, 'an RTMPS connection failed its TLS handshake'),
			);
	}

	#takeSocket(socket: net.Socket): void {
		// Without a listener, an error of a socket ends the process.
		socket.on('error', () => undefined);
		const { remoteAddress } = socket;
		if (remoteAddress === undefined || this.#scope.closed) {
			socket.destroy();
		} else if (this.#config.isProxy?.(remoteAddress) === true) {
			void this.#takeProxied(socket, remoteAddress);
		} else {
			this.#begin(socket, remoteAddress, undefined);
		}
	}

	// As many may wait as there are places; who has waited longest goes.
	async #takeProxied(socket: net.Socket, proxyAddress: string): Promise<void> {
		this.#unannounced.add(socket);
		if (this.#unannounced.size > this.#config.maxConnectionCount) {
			this.#unannounced.values().next().value!.destroy();
		}
		const announcement = await receiveProxyHeader(socket, this.#deps.clock, this.#config.proxyHeaderTimeoutMs);
		this.#unannounced.delete(socket);
		if ('why' in announcement || this.#scope.closed || socket.destroyed) {
			if ('why' in announcement) {
				this.#headerReport.count({ proxyAddress, reason: announcement.why });
			}
			socket.destroy();
			return;
		}
		this.#begin(socket, announcement.address ?? proxyAddress, announcement.rest);
	}

	#begin(socket: net.Socket, senderAddress: string, firstBytes: Uint8Array | undefined): void {
		const remoteAddress = plainAddress(senderAddress);
		const isKnown = this.#deps.authorizer.isKnownAddress(remoteAddress);
		const admission = this.#places.admit(socket, addressKey(remoteAddress), isKnown);
		if (!admission.isAdmitted) {
			this.#droppedReport.count({ remoteAddress, reason: admission.reason });
			socket.destroy();
			return;
		}
		if (admission.displaced !== undefined) {
			this.#droppedReport.count({ remoteAddress: admission.displaced.remoteAddress, reason: 'displaced' });
			admission.displaced.destroy();
		}
		const { clock, logger } = this.#deps;
		const session = new RtmpSession<Authorization>(
			{
				clock,
				logger,
				connection: new SocketConnection({ clock, socket }, { remoteAddress, lingerMs: this.#config.lingerMs }),
				authorize: (streamKeys, address) => this.#authorizePaused(socket, streamKeys, address),
				onPublisher: (publisher, authorization) => {
					this.#places.confirm(socket);
					this.emit('publisherStarted', publisher, authorization);
				},
			},
			this.#limits,
		);
		this.#sessions.add(session);
		socket.on('data', (bytes) => session.receive(bytes));
		socket.on('end', () => session.connectionEnded());
		socket.on('close', () => {
			session.connectionEnded();
			this.#places.release(socket);
			this.#sessions.delete(session);
		});
		if (firstBytes !== undefined) {
			session.receive(firstBytes);
			socket.resume();
		}
	}

	// Some encoders send their stream without waiting for our answer. It waits in the kernel's buffers and with the
	// encoder, not in ours. After a refusal the connection reads on when it ends.
	async #authorizePaused(
		socket: net.Socket,
		streamKeys: readonly StreamKey[],
		remoteAddress: string,
	): Promise<Authorization> {
		socket.pause();
		const authorization = await this.#deps.authorizer.authorize(streamKeys, remoteAddress);
		socket.resume();
		return authorization;
	}

	async #stopListening(server: net.Server): Promise<void> {
		const stopped = new Promise<void>((resolve) => server.close(() => resolve()));
		this.#unannounced.forEach((socket) => socket.destroy());
		await Promise.all([...this.#sessions].map((session) => session.close('server-shutdown')));
		// Sockets are cut after the linger time; this is only for a socket in its TLS handshake.
		await withDeadline(
			this.#deps.clock,
			stopped,
			this.#config.lingerMs + this.#config.handshakeTimeoutMs,
			() => new Error('the RTMP port did not close'),
		);
	}
}
