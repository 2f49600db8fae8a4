/** Signaling behind real HTTP on a free port, for tests: without media, with {@link NoChat}. */
import fastify, { type FastifyInstance } from 'fastify';
import type { AddressInfo } from 'node:net';
import WebSocket, { type ClientOptions } from 'ws';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import type { Logger } from '../../../core/logger.ts';
import { answerOtherMethods } from '../../../core/protocol/api/address-methods.ts';
import type { ClientMessage, ServerMessage } from '../../../core/protocol/signaling/signaling-messages.ts';
import { SIGNALING_PATH } from '../../../core/protocol/signaling/signaling-constants.ts';
import type { MessageBus } from '../../platform/bus/message-bus.ts';
import { Announcements } from '../../platform/cluster/announcements.ts';
import { createNodeIdentity } from '../../platform/cluster/node-identity.ts';
import type { Channel } from '../../channels/channel-store.ts';
import type { Database } from '../../platform/database/database.ts';
import { createFrameworkErrorHandler, registerErrorHandler } from '../../platform/http/error-handler.ts';
import { requestLimits } from '../../platform/http/request-limits.ts';
import { registerWebSockets } from '../socket/signaling-routes.ts';
import type { JoinMessage } from '../socket/viewer-session.ts';
import { SocketAdmission, type SocketLimits } from '../../platform/sockets/socket-admission.ts';
import { createAudience, type Audience, type AudienceDependencies } from '../create-audience.ts';
import { describeTestChannel, joinMessage, testChannel } from './audience-bench.ts';
import { NoChat } from './no-chat.ts';

export type SignalingServer = {
	readonly app: FastifyInstance;
	readonly signaling: Audience;
	readonly chat: NoChat;
	readonly url: string;
	close(): Promise<void>;
	[Symbol.asyncDispose](): Promise<void>;
};

export type SignalingServerOptions = {
	clock: Clock;
	logger: Logger;
	bus: MessageBus;
	database?: Database;
	channel?: Channel;
	connectionTimeoutMs?: number;
} & Partial<SocketLimits> &
	Partial<Pick<AudienceDependencies, 'allowedOrigins' | 'authenticator'>>;

const NO_DATABASE = { query: async () => [], runScript: async () => undefined } as unknown as Database;

/** Starts a server with the channel `demo`. */
export async function startSignalingServer(options: SignalingServerOptions): Promise<SignalingServer> {
	const { clock, logger, bus } = options;
	const limits = requestLimits(() => clock.nowMs(), ['loopback']);
	const app = fastify({
		...limits,
		connectionTimeout: options.connectionTimeoutMs ?? limits.connectionTimeout,
		frameworkErrors: createFrameworkErrorHandler(logger),
		forceCloseConnections: true,
	});
	registerErrorHandler(app, logger);
	await registerWebSockets(app);
	const chat = new NoChat();
	const channel = options.channel ?? testChannel('demo');
	const node = createNodeIdentity();
	const signaling = createAudience({
		clock,
		logger,
		bus,
		...node,
		announcements: new Announcements({ ...node, bus, clock, logger }),
		database: options.database ?? NO_DATABASE,
		serverSecret: new Uint8Array(32),
		channels: { findByName: async (name) => (name === channel.name ? channel : undefined) },
		chat,
		authenticator: options.authenticator ?? { authenticate: async () => undefined },
		sfu: {
			budget: () => ({ maxConsumers: 200, maxBitrateBps: 1e9, maxWorkerCpu: 1 }),
			load: () => ({ workerCpu: 0 }),
		},
		describe: describeTestChannel,
		costOf: () => ({ consumersPerViewer: 2, bitrateBps: 1e6, soundBps: 1e5 }),
		admission: new SocketAdmission({
			maxSockets: options.maxSockets ?? 100,
			maxSocketsPerAddress: options.maxSocketsPerAddress ?? 100,
		}),
		allowedOrigins: options.allowedOrigins ?? [],
	});
	await app.register(answerOtherMethods(signaling.routes));
	await app.listen({ host: '127.0.0.1', port: 0 });
	const close = async (): Promise<void> => {
		await signaling.close();
		await app.close();
	};
	return {
		app,
		signaling,
		chat,
		url: `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`,
		close,
		[Symbol.asyncDispose]: close,
	};
}

/** A viewer's end of a real socket; keeps the messages. */
export class SocketClient {
	readonly socket: WebSocket;
	readonly received: ServerMessage[] = [];
	/** Resolves to the close code. */
	readonly closed: Promise<number>;
	readonly #waiting = new Set<() => void>();

	constructor(url: string, options: ClientOptions = {}) {
		this.socket = new WebSocket(url.replace(/^http/, 'ws') + SIGNALING_PATH, options);
		this.socket.on('message', (bytes: Buffer) => {
			this.received.push(JSON.parse(bytes.toString()) as ServerMessage);
			this.#waiting.forEach((check) => check());
		});
		this.socket.on('error', () => undefined);
		this.closed = new Promise((resolve) => this.socket.on('close', resolve));
	}

	/** Resolves when the socket is open; rejects with the HTTP status otherwise. */
	async opened(): Promise<this> {
		if (this.socket.readyState !== WebSocket.OPEN) {
			await new Promise<void>((resolve, reject) => {
				this.socket.once('open', resolve);
				this.socket.once('unexpected-response', (_request, response) => {
					reject(new Error(`HTTP ${response.statusCode}`));
					response.destroy();
				});
			});
		}
		return this;
	}

	send(message: ClientMessage | string): void {
		this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
	}

	/** Resolves when the join is answered. */
	async join(changes: Partial<JoinMessage> = {}): Promise<this> {
		await this.opened();
		this.send(joinMessage(changes));
		await this.next('joined');
		return this;
	}

	/** The first message of a type; waits for it. */
	next<Type extends ServerMessage['type']>(type: Type): Promise<Extract<ServerMessage, { type: Type }>> {
		return new Promise((resolve, reject) => {
			const check = (): void => {
				const found = this.received.find((message) => message.type === type);
				if (found !== undefined) {
					this.#waiting.delete(check);
					resolve(found as Extract<ServerMessage, { type: Type }>);
				}
			};
			this.#waiting.add(check);
			check();
			void this.closed.then((code) => reject(new Error(`closed with ${code} before "${type}" came`)));
		});
	}
}
