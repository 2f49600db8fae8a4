/** The address of the signaling socket: who may open one, and how many. */
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

/** When trying again makes sense after all places were taken. */
const FULL_RETRY_SECONDS = 5;

/** Tells who a request comes from. */
export interface RequestAuthenticator {
	/** From a cookie or `Authorization: Bearer`; undefined for nobody. May throw DATABASE_UNAVAILABLE. */
	authenticate(request: FastifyRequest): Promise<User | undefined>;
}

/** What the sockets need. */
type SignalingSocketsOptions = {
	clock: Clock;
	logger: Logger;
	/** Shared with other kinds of sockets. */
	admission: SocketAdmission;
	rooms: SignalingRooms;
	authenticator: RequestAuthenticator;
	/** Origins whose pages may open sockets, besides our own. */
	allowedOrigins: readonly string[];
};

/**
 * Makes the server take WebSockets, with bounds. Once per server, before any route with a socket. Frames are not
 * compressed: that costs some 300 kB for each socket.
 */
export async function registerWebSockets(app: FastifyInstance): Promise<void> {
	await app.register(websocket, {
		options: { maxPayload: MAX_SIGNALING_MESSAGE_BYTES, perMessageDeflate: false },
		// A frame that breaks RFC 6455 or is too large: ws has sent its close code already.
		errorHandler: (_error, socket) => socket.terminate(),
	});
}

/** All signaling sockets of this process. */
export class SignalingSockets {
	readonly #options: SignalingSocketsOptions;
	readonly #origins: OriginCheck;
	readonly #sockets = new Set<SignalingSocket>();
	readonly #closedByReason = new Map<SignalingCloseReason | 'viewer', number>();
	readonly #users = new WeakMap<FastifyRequest, User | undefined>();
	#droppedCount = 0;
	#isClosed = false;

	constructor(options: SignalingSocketsOptions) {
		this.#options = options;
		this.#origins = new OriginCheck(options.allowedOrigins);
	}

	/** Open sockets, joined or not. */
	get count(): number {
		return this.#sockets.size;
	}

	/** How many sockets were closed for which reason since the start; for metrics. */
	get closedByReason(): ReadonlyMap<SignalingCloseReason | 'viewer', number> {
		return this.#closedByReason;
	}

	/** Messages that slow viewers did not get. */
	get droppedCount(): number {
		let droppedCount = this.#droppedCount;
		for (const socket of this.#sockets) {
			droppedCount += socket.droppedCount;
		}
		return droppedCount;
	}

	/** Ends the sockets of a log-in that has ended; who watches there comes again as a guest. */
	endSocketsOf(sessionId: string): void {
		for (const socket of [...this.#sockets]) {
			if (socket.user?.sessionId === sessionId) {
				socket.close('signedOut');
			}
		}
	}

	/** The log-ins that open sockets hang on. */
	get sessionIds(): Set<string> {
		return new Set([...this.#sockets].flatMap(({ user }) => user?.sessionId ?? []));
	}

	/** Tells everybody to come again, elsewhere or later, and takes nobody in any more. */
	close(): void {
		this.#isClosed = true;
		for (const socket of [...this.#sockets]) {
			socket.close('serverStopping');
		}
	}

	/** The route. {@link registerWebSockets} comes first. */
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
				const address = plainAddress(request.ip);
				const user = this.#users.get(request);
				const owner = { address, isKnown: user !== undefined };
				const release = this.#isClosed ? undefined : this.#options.admission.admit(owner, () => accepted.close('busy'));
				if (release === undefined) {
					// Between the check and here others may have come.
					socket.close(SIGNALING_CLOSE_CODES.busy.code, 'busy');
					return;
				}
				const accepted: SignalingSocket = new SignalingSocket({
					raw: socket,
					rooms: this.#options.rooms,
					remoteAddress: address,
					user,
					clock: this.#options.clock,
					logger: this.#options.logger,
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

	// Before the upgrade, so that strangers cost no socket.
	async #check(request: FastifyRequest): Promise<void> {
		if (this.#isClosed) {
			throw new SpillwayError('SERVER_STOPPING', [], { retryAfterSeconds: FULL_RETRY_SECONDS });
		}
		const isOpaque = request.headers.origin === OPAQUE_ORIGIN;
		if (!isOpaque && !this.#origins.isAllowed(request.headers.origin, request.host)) {
			throw new SpillwayError('ORIGIN_REFUSED');
		}
		// Whoever embeds a page without an origin gets no more than any program does: cookies are not looked at.
		const user = isOpaque ? undefined : await this.#authenticate(request);
		if (!this.#options.admission.hasRoom({ address: request.ip, isKnown: user !== undefined })) {
			throw new SpillwayError('SOCKETS_FULL', [], { retryAfterSeconds: FULL_RETRY_SECONDS });
		}
		this.#users.set(request, user);
	}

	// Who is signed in matters less than that everybody can watch: without the database all are guests.
	async #authenticate(request: FastifyRequest): Promise<User | undefined> {
		try {
			return await this.#options.authenticator.authenticate(request);
		} catch (error) {
			if (error instanceof SpillwayError && error.httpStatus >= 500) {
				this.#options.logger.warn({ code: error.code }, 'a viewer is taken for a guest: accounts cannot be read');
				return undefined;
			}
			throw error;
		}
	}
}
