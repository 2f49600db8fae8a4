/** Listens for RTMP encoders, one session a connection. What comes of an accepted publisher is for the listener to say. */
import net from 'node:net';
import tls from 'node:tls';
import { withDeadline, type Clock } from '../../core/clock.ts';
import { CloseScope } from '../../core/close-scope.ts';
import type { StreamKey } from '../../core/ids.ts';
import type { Logger } from '../../core/logger.ts';
import { RateLimitedReport } from '../../core/rate-limited-report.ts';
import { TypedEmitter } from '../../core/typed-emitter.ts';
import type { RtmpPublisher } from './rtmp-publisher.ts';
import { RtmpSession } from './rtmp-session.ts';
import type { RtmpSessionLimits } from './rtmp-session-options.ts';
import { SocketConnection } from './socket-connection.ts';

/** Settings of the server. */
export type RtmpServerConfig = RtmpSessionLimits & {
	/** TCP port; 0 takes any free one. */
	port: number;
	/** Address to listen on; all when absent. */
	host?: string;
	/** Further connections are closed at once. Publishers and those on their way to be one count alike. */
	maxConnectionCount: number;
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
	maxMessageBytes: 10 * 1024 * 1024,
	maxBufferedBytes: 16 * 1024 * 1024,
	maxStrangerBytes: 1024 * 1024,
	maxPendingWriteBytes: 64 * 1024,
	refusalDelayMs: 1000,
	lingerMs: 2000,
} as const satisfies RtmpServerConfig;

/** Decides who may publish. */
export interface RtmpAuthorizer<Authorization> {
	/**
	 * Resolves when one of the keys may publish; all are one attempt. Throws SpillwayError: STREAM_KEY_REFUSED, TOO_MANY_ATTEMPTS, DATABASE_UNAVAILABLE or
	 * SERVER_STOPPING. The result is dropped when the encoder left or the time ran out meanwhile.
	 */
	authorize(streamKeys: readonly StreamKey[], remoteAddress: string): Promise<Authorization>;
}

/** Events of {@link RtmpServer}. */
export type RtmpServerEvents<Authorization> = {
	/** A publisher was accepted. Its media comes after the listeners returned; attach to it at once. */
	publisherStarted: [publisher: RtmpPublisher, authorization: Authorization];
};

/** What the server did so far. */
export type RtmpServerStatistics = {
	/** Open now. */
	connectionCount: number;
	/** Closed at once because there were too many. */
	droppedConnectionCount: number;
};

/** The RTMP server. */
export class RtmpServer<Authorization> extends TypedEmitter<RtmpServerEvents<Authorization>> {
	readonly #config: RtmpServerConfig;
	readonly #clock: Clock;
	readonly #logger: Logger;
	readonly #authorizer: RtmpAuthorizer<Authorization>;
	readonly #scope: CloseScope<'server-shutdown'>;
	readonly #sessions = new Set<RtmpSession<Authorization>>();
	readonly #droppedReport: RateLimitedReport;
	#server: net.Server | undefined;

	constructor(
		config: RtmpServerConfig,
		dependencies: { clock: Clock; logger: Logger; authorizer: RtmpAuthorizer<Authorization> },
	) {
		super(dependencies.logger);
		this.#config = config;
		this.#clock = dependencies.clock;
		this.#logger = dependencies.logger;
		this.#authorizer = dependencies.authorizer;
		this.#scope = new CloseScope(dependencies.logger);
		this.#droppedReport = new RateLimitedReport(this.#clock, this.#logger, 'RTMP connection dropped: too many');
	}

	/** A copy of the counters. */
	get statistics(): RtmpServerStatistics {
		return { connectionCount: this.#sessions.size, droppedConnectionCount: this.#droppedReport.total };
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
				{ port: this.#config.port, ...(this.#config.host === undefined ? {} : { host: this.#config.host }) },
				() => {
					server.off('error', reject);
					// Such as running out of file descriptors while accepting: the server goes on.
					server.on('error', (error) => this.#logger.error({ err: error }, 'the RTMP port reported an error'));
					resolve({ port: (server.address() as net.AddressInfo).port });
				},
			);
		});
	}

	/** Stops to listen and ends all connections. Resolves when they are gone. Idempotent. */
	close(reason: 'server-shutdown'): Promise<void> {
		return this.#scope.close(reason);
	}

	/** See {@link close}. */
	async [Symbol.asyncDispose](): Promise<void> {
		await this.close('server-shutdown');
	}

	#createServer(): net.Server {
		const takeSocket = (socket: net.Socket): void => this.#takeSocket(socket);
		if (this.#config.tls === undefined) {
			return net.createServer({ noDelay: true }, takeSocket);
		}
		const { certificate, key } = this.#config.tls;
		const handshakeTimeout = this.#config.handshakeTimeoutMs;
		return tls
			.createServer({ cert: certificate, key, handshakeTimeout, noDelay: true }, takeSocket)
			.on('tlsClientError', (error) =>
				this.#logger.debug({ err: error }, 'an RTMPS connection failed its TLS handshake'),
			);
	}

	#takeSocket(socket: net.Socket): void {
		// Without a listener, an error of a socket ends the process.
		socket.on('error', () => undefined);
		const remoteAddress = socket.remoteAddress;
		if (remoteAddress === undefined || this.#scope.closed) {
			socket.destroy();
			return;
		}
		if (this.#sessions.size >= this.#config.maxConnectionCount) {
			this.#droppedReport.count({ remoteAddress });
			socket.destroy();
			return;
		}
		const session = new RtmpSession<Authorization>({
			connection: new SocketConnection(socket, remoteAddress, this.#clock, this.#config.lingerMs),
			limits: this.#config,
			clock: this.#clock,
			logger: this.#logger,
			authorize: (streamKeys, address) => this.#authorizer.authorize(streamKeys, address),
			onPublisher: (publisher, authorization) => this.emit('publisherStarted', publisher, authorization),
		});
		this.#sessions.add(session);
		socket.on('data', (bytes) => session.receive(bytes));
		socket.on('end', () => session.connectionEnded());
		socket.on('close', () => {
			session.connectionEnded();
			this.#sessions.delete(session);
		});
	}

	async #stopListening(server: net.Server): Promise<void> {
		const stopped = new Promise<void>((resolve) => server.close(() => resolve()));
		await Promise.all([...this.#sessions].map((session) => session.close('server-shutdown')));
		// Sockets are cut after the linger time; this is only for a socket in its TLS handshake.
		await withDeadline(
			this.#clock,
			stopped,
			this.#config.lingerMs + this.#config.handshakeTimeoutMs,
			() => new Error('the RTMP port did not close'),
		);
	}
}
