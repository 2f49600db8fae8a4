/** Listens for RTMP encoders, with one session for each connection. */
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

export type RtmpServerConfig = RtmpSessionLimits & {
	/** TCP port; 0 takes any free one. */
	port: number;
	/** Address to listen on; all when absent. */
	host?: string;
	/** All connections. When all places are taken, the oldest one without an accepted key is closed. */
	maxConnectionCount: number;
	/** Of these, places for publishers and for address groups of recent publishers. */
	reservedConnectionCount: number;
	/** Connections of one address group without an accepted key. */
	maxUnauthenticatedPerAddress: number;
	/** True for addresses whose connections begin with a PROXY header, which names the client; none when absent. */
	isProxy?: (remoteAddress: string) => boolean;
	/** How long the header may take. */
	proxyHeaderTimeoutMs: number;
	/** How long a connection that the server ended may linger before it is cut. */
	lingerMs: number;
	/** Makes it an RTMPS server, with the same limits. */
	tls?: { certificate: string; key: string };
};

export const DEFAULT_RTMP_SERVER_CONFIG = {
	port: 1935,
	/** Ten round trips of half a second. */
	handshakeTimeoutMs: 5000,
	/** Encoders publish in less than a second; the database may be slow. */
	publishTimeoutMs: 10_000,
	/** A shorter one ends an encoder on a bad mobile link that recovers; the grace window begins after it. */
	idleTimeoutMs: 10_000,
	maxConnectionCount: 1000,
	reservedConnectionCount: 200,
	/** A production with many encoders, or all streamers of a proxy without the PROXY protocol, that start together. */
	maxUnauthenticatedPerAddress: 100,
	/** Proxies send it with the first packet, which may be lost once. */
	proxyHeaderTimeoutMs: 2000,
	maxMessageBytes: 10 * 1024 * 1024,
	maxBufferedBytes: 16 * 1024 * 1024,
	/** Encoders send only some commands and metadata before their key is checked; 800 of them hold 50 MiB. */
	maxUnauthenticatedBytes: 64 * 1024,
	maxPendingWriteBytes: 64 * 1024,
	refusalDelayMs: 1000,
	lingerMs: 2000,
} as const satisfies RtmpServerConfig;

/** Decides who may publish. */
export interface RtmpAuthorizer<Authorization> {
	/**
	 * Resolves when one of the keys may publish; all are one attempt. Rejects with SpillwayError: STREAM_KEY_REFUSED,
	 * TOO_MANY_ATTEMPTS, DATABASE_UNAVAILABLE or SERVER_STOPPING. The result is dropped when the encoder has left or the
	 * time is over.
	 */
	authorize(streamKeys: readonly StreamKey[], remoteAddress: string): Promise<Authorization>;
	/** True for the address of a recent publisher: some places are reserved for those. */
	isKnownAddress(remoteAddress: string): boolean;
}

/** Events of {@link RtmpServer}. */
type RtmpServerEvents<Authorization> = {
	/** A publisher was accepted. Attach listeners to it at once: its media follows when this event's listeners return. */
	publisherStarted: [publisher: RtmpPublisher, authorization: Authorization];
};

type RtmpServerStatistics = {
	/** Open now. */
	connectionCount: number;
	/** Closed because there were too many, or because their PROXY header was wrong. */
	droppedConnectionCount: number;
};

/** Memory of all connections without an accepted key. With very many of them each may hold less than usual. */
const MAX_TOTAL_UNAUTHENTICATED_BYTES = 64 * 1024 * 1024;
/** Enough for the commands of an encoder. */
const MIN_UNAUTHENTICATED_BYTES = 4096;

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
	/** Connections whose client address is known. */
	readonly #places: SharePool<net.Socket>;
	/** Connections of proxies without a PROXY header so far; oldest first. */
	readonly #unannounced = new Set<net.Socket>();
	readonly #limits: RtmpSessionLimits;
	readonly #droppedReport: RateLimitedReport;
	readonly #headerReport: RateLimitedReport;
	#server: net.Server | undefined;

	constructor(deps: RtmpServerDependencies<Authorization>, config: RtmpServerConfig) {
		const { clock, logger } = deps;
		super(logger);
		this.#deps = deps;
		this.#config = config;
		this.#scope = new CloseScope(logger);
		const [capacity, reserve] = [config.maxConnectionCount, config.reservedConnectionCount];
		this.#places = new SharePool({ capacity, reserve, share: config.maxUnauthenticatedPerAddress }, 'displace-oldest');
		const shareBytes = Math.floor(MAX_TOTAL_UNAUTHENTICATED_BYTES / Math.max(1, capacity - reserve));
		const maxBytes = Math.max(MIN_UNAUTHENTICATED_BYTES, Math.min(config.maxUnauthenticatedBytes, shareBytes));
		this.#limits = { ...config, maxUnauthenticatedBytes: maxBytes };
		this.#droppedReport = new RateLimitedReport(clock, logger, 'RTMP connection dropped: too many');
		this.#headerReport = new RateLimitedReport(clock, logger, 'RTMP connection of a proxy dropped');
	}

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
		const { port, host } = this.#config;
		const server = this.#createServer();
		this.#server = server;
		this.#scope.onClose(() => this.#stopListening(server));
		return new Promise((resolve, reject) => {
			server.once('error', reject);
			server.listen({ port, backlog: LISTEN_BACKLOG, ...(host === undefined ? {} : { host }) }, () => {
				server.off('error', reject);
				// The server survives an error such as running out of file descriptors while accepting.
				server.on('error', (error) => this.#deps.logger.error({ err: error }, 'the RTMP port reported an error'));
				resolve({ port: (server.address() as net.AddressInfo).port });
			});
		});
	}

	/** Stops listening and ends all connections. Resolves when they are gone. Idempotent. */
	close(reason: 'server-shutdown'): Promise<void> {
		return this.#scope.close(reason);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.close('server-shutdown');
	}

	#createServer(): net.Server {
		const { isProxy, tls: keyPair, handshakeTimeoutMs: handshakeTimeout } = this.#config;
		const onSocket = (socket: net.Socket): void => this.#onSocket(socket);
		if (keyPair === undefined) {
			return net.createServer({ noDelay: true }, onSocket);
		}
		if (isProxy !== undefined) {
			throw new TypeError('RtmpServer cannot read PROXY headers before TLS.');
		}
		const { certificate, key } = keyPair;
		return tls
			.createServer({ cert: certificate, key, handshakeTimeout, noDelay: true }, onSocket)
			.on('tlsClientError', (error) =>
				this.#deps.logger.debug({ err: error }, 'an RTMPS connection failed its TLS handshake'),
			);
	}

	#onSocket(socket: net.Socket): void {
		// Without a listener, an error of a socket ends the process.
		socket.on('error', () => undefined);
		const { remoteAddress } = socket;
		if (remoteAddress === undefined || this.#scope.closed) {
			socket.destroy();
		} else if (this.#config.isProxy?.(remoteAddress) === true) {
			void this.#onProxySocket(socket, remoteAddress);
		} else {
			this.#begin(socket, remoteAddress, undefined);
		}
	}

	// As many may wait as there are places; beyond that the oldest one is closed.
	async #onProxySocket(socket: net.Socket, proxyAddress: string): Promise<void> {
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

	// Some encoders send their stream without waiting for our answer. Paused, it waits in the kernel's buffers and in the
	// encoder, and uses none of our memory. After a refusal the socket is read again when the connection ends.
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
		// Sockets are cut after the linger time; the rest of the deadline is for a socket in its TLS handshake.
		const deadlineMs = this.#config.lingerMs + this.#config.handshakeTimeoutMs;
		await withDeadline(this.#deps.clock, stopped, deadlineMs, () => new Error('the RTMP port did not close'));
	}
}
