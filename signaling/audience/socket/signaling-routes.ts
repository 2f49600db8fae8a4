/** The route of signaling sockets: decides who may open one, and how many. */
import type {} from '@fastify/swagger';
import websocket from '@fastify/websocket';
import type { FastifyInstance, FastifyPluginAsync, FastifyRequest } from 'fastify';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../../core/errors/errors.ts';
import { plainAddress } from '../../../core/limits/address-key.ts';
import type { Logger } from '../../../core/logger.ts';
import {
	MAX_SIGNALING_MESSAGE_BYTES,
	SIGNALING_CLOSE_CODES,
	SIGNALING_PATH,
	type SignalingCloseReason,
} from '../../../core/protocol/signaling/signaling-constants.ts';
import type { User } from '../../accounts/user.ts';
import { OPAQUE_ORIGIN, OriginCheck } from '../../platform/sockets/origin-check.ts';
import { SignalingSocket } from './signaling-socket.ts';
import type { SocketAdmission } from '../../platform/sockets/socket-admission.ts';
import type { SignalingRooms } from './viewer-session.ts';

/** Retry-After when all places are taken. */
const FULL_RETRY_SECONDS = 5;

/** Identifies the user of a request. */
export interface RequestAuthenticator {
	/** From a cookie or `Authorization: Bearer`; undefined for a guest. May throw DATABASE_UNAVAILABLE. */
	authenticate(request: FastifyRequest): Promise<User | undefined>;
}

type SignalingSocketsDependencies = {
	clock: Clock;
	logger: Logger;
	/** Shared with other kinds of sockets. */
	admission: SocketAdmission;
	rooms: SignalingRooms;
	authenticator: RequestAuthenticator;
	/** Origins whose pages may open sockets, besides the server's own. */
	allowedOrigins: readonly string[];
};

/**
 * Enables WebSockets with bounds. Call it once per server, before any route with a socket. Frames are not compressed:
 * compression costs some 300 kB for each socket.
 */
export async function registerWebSockets(app: FastifyInstance): Promise<void> {
	await app.register(websocket, {
		options: { maxPayload: MAX_SIGNALING_MESSAGE_BYTES, perMessageDeflate: false },
		// A frame that breaks RFC 6455 or is too large: ws has already sent its close code.
		errorHandler: (_error, socket) => socket.terminate(),
	});
}

export class SignalingSockets {
	readonly #deps: SignalingSocketsDependencies;
	readonly #origins: OriginCheck;
	readonly #sockets = new Set<SignalingSocket>();
	readonly #closedByReason = new Map<SignalingCloseReason | 'viewer', number>();
	readonly #users = new WeakMap<FastifyRequest, User | undefined>();
	#droppedCount = 0;
	#isClosed = false;

	constructor(deps: SignalingSocketsDependencies) {
		this.#deps = deps;
		this.#origins = new OriginCheck(deps.allowedOrigins);
	}

	/** Open sockets, joined or not. */
	get count(): number {
		return this.#sockets.size;
	}

	/** Sockets closed since the start, by reason; for metrics. */
	get closedByReason(): ReadonlyMap<SignalingCloseReason | 'viewer', number> {
		return this.#closedByReason;
	}

	/** Messages that slow viewers did not get. */
	get droppedCount(): number {
		return [...this.#sockets].reduce((sum, socket) => sum + socket.droppedCount, this.#droppedCount);
	}

	/** Closes the sockets of a log-in that has ended; their viewers reconnect as guests. */
	endSocketsOf(sessionId: string): void {
		for (const socket of [...this.#sockets]) {
			if (socket.user?.sessionId === sessionId) {
				socket.close('signedOut');
			}
		}
	}

	/** The log-ins that open sockets belong to. */
	get sessionIds(): Set<string> {
		return new Set([...this.#sockets].flatMap(({ user }) => user?.sessionId ?? []));
	}

	/** Closes all sockets as `serverStopping` and rejects new ones. */
	close(): void {
		this.#isClosed = true;
		for (const socket of [...this.#sockets]) {
			socket.close('serverStopping');
		}
	}

	/** {@link registerWebSockets} must have run before. */
	readonly routes: FastifyPluginAsync = async (app) => {
		app.route({
			method: 'GET',
			url: SIGNALING_PATH,
			schema: { hide: true },
			preValidation: (request) => this.#check(request),
			handler: async () => {
				throw new SpillwayError('REQUEST_INVALID', ['this address takes WebSocket connections only']);
			},
			wsHandler: (socket, request) => {
				const { admission, rooms, clock, logger } = this.#deps;
				const remoteAddress = plainAddress(request.ip);
				const user = this.#users.get(request);
				const owner = { address: remoteAddress, isKnown: user !== undefined };
				const release = this.#isClosed ? undefined : admission.admit(owner, () => accepted.close('busy'));
				if (release === undefined) {
					// Other sockets may have opened since the check.
					socket.close(SIGNALING_CLOSE_CODES.busy.code, 'busy');
					return;
				}
				const accepted: SignalingSocket = new SignalingSocket({
					raw: socket,
					rooms,
					remoteAddress,
					user,
					clock,
					logger,
					onClosed: (reason) => {
						release();
						this.#droppedCount += accepted.droppedCount;
						this.#sockets.delete(accepted);
						this.#closedByReason.set(reason, (this.#closedByReason.get(reason) ?? 0) + 1);
					},
				});
				this.#sockets.add(accepted);
			},
		});
	};

	// Runs before the upgrade, so that rejected clients cost no socket.
	async #check(request: FastifyRequest): Promise<void> {
		if (this.#isClosed) {
			throw new SpillwayError('SERVER_STOPPING', [], { retryAfterSeconds: FULL_RETRY_SECONDS });
		}
		const isOpaque = request.headers.origin === OPAQUE_ORIGIN;
		if (!isOpaque && !this.#origins.isAllowed(request.headers.origin, request.host)) {
			throw new SpillwayError('ORIGIN_REFUSED');
		}
		// A page without an origin may be embedded by any site, so its cookies are ignored.
		const user = isOpaque ? undefined : await this.#authenticate(request);
		if (!this.#deps.admission.hasRoom({ address: request.ip, isKnown: user !== undefined })) {
			throw new SpillwayError('SOCKETS_FULL', [], { retryAfterSeconds: FULL_RETRY_SECONDS });
		}
		this.#users.set(request, user);
	}

	// Watching matters more than being signed in: without the database all viewers are guests.
	async #authenticate(request: FastifyRequest): Promise<User | undefined> {
		try {
			return await this.#deps.authenticator.authenticate(request);
		} catch (error) {
			if (error instanceof SpillwayError && error.httpStatus >= 500) {
				this.#deps.logger.warn({ code: error.code }, 'a viewer is treated as a guest: accounts cannot be read');
				return undefined;
			}
			throw error;
		}
	}
}
