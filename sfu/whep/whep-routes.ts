/** WHEP (draft-ietf-wish-whep): a viewer's offer in, an answer and a session out. */
import { randomBytes } from 'node:crypto';
import type { FastifyPluginAsync } from 'fastify';
import { CloseScope } from '../../core/close-scope.ts';
import type { Clock } from '../../core/clock.ts';
import { SpillwayError } from '../../core/errors.ts';
import type { ViewerId } from '../../core/ids.ts';
import { VIEWER_HEADER } from '../../core/protocol/viewer-header.ts';
import type { Logger } from '../../core/logger.ts';
import type { BroadcastRouter } from '../broadcast-router.ts';
import {
	allowAllOrigins,
	answerOptions,
	refuseMethod,
	registerSdpBody,
	requireSdp,
	sdpBody,
	sessionLocation,
} from '../sdp/sdp-http.ts';
import { parseSdpOffer } from '../sdp/sdp-offer.ts';
import { ViewerTransport } from '../viewer-transport.ts';

/** Sessions of one address that are not connected yet; a school's start of a lesson is below it. */
const MAX_PENDING_PER_ADDRESS = 100;
const PENDING_RETRY_SECONDS = 5;

/** What WHEP asks about a channel. */
export type WhepChannel =
	{ state: 'unknown' | 'offline' | 'starting' } | { state: 'live'; broadcastRouter: BroadcastRouter };

/** Declared here, implemented over the registry. */
export type WhepDependencies = {
	clock: Clock;
	logger: Logger;
	findChannel(name: string): Promise<WhepChannel>;
	/** Stands before every new session; throws what the viewer is to be told. */
	authorizePlayback(channel: string): Promise<void>;
	/** Is told of each new session; `viewerId` is what VIEWER_HEADER said, any text of a stranger. */
	onSession?(session: WhepSession): void;
};

/** A session, as {@link WhepDependencies.onSession} is told of it. */
export type WhepSession = { channel: string; viewerId: string | undefined; transport: ViewerTransport };

/** All WHEP sessions of this process. */
export class WhepSessions {
	readonly #dependencies: WhepDependencies;
	readonly #sessions = new Map<string, { channel: string; transport: ViewerTransport }>();
	/** Sessions of an address that are not connected yet. */
	readonly #pendingByAddress = new Map<string, number>();
	readonly #scope: CloseScope<'server-shutdown'>;

	constructor(dependencies: WhepDependencies) {
		this.#dependencies = dependencies;
		this.#scope = new CloseScope(dependencies.logger);
		this.#scope.onClose(async (reason) => {
			await Promise.all([...this.#sessions.values()].map(({ transport }) => transport.close(reason)));
		});
	}

	/** Viewers of one channel, connected or connecting. Addresses may name it in any case. */
	countOf(channel: string): number {
		const name = channel.toLowerCase();
		return [...this.#sessions.values()].filter((session) => session.channel.toLowerCase() === name).length;
	}

	/** How many viewers are connected or connecting. */
	get count(): number {
		return this.#sessions.size;
	}

	close(): Promise<void> {
		return this.#scope.close('server-shutdown');
	}

	/** The routes: POST and OPTIONS on /whep/{channel}, DELETE on the session. */
	readonly routes: FastifyPluginAsync = async (app) => {
		registerSdpBody(app);
		allowAllOrigins(app);
		app.post<{ Params: { channel: string } }>('/whep/:channel', { onRequest: requireSdp }, async (request, reply) => {
			const { channel } = request.params;
			const offer = parseSdpOffer(sdpBody(request));
			await this.#dependencies.authorizePlayback(channel);
			const broadcastRouter = await this.#liveRouter(channel);
			const endPending = this.#beginPending(request.ip);
			const session = await this.#create(channel, broadcastRouter, offer, request.socket.localAddress).catch(
				(error: unknown) => {
					endPending();
					throw error;
				},
			);
			session.on('connected', endPending);
			session.on('closed', endPending);
			const viewerId = request.headers[VIEWER_HEADER];
			this.#dependencies.onSession?.({
				channel,
				viewerId: typeof viewerId === 'string' ? viewerId : undefined,
				transport: session,
			});
			return reply
				.code(201)
				.header('location', sessionLocation(request, `/whep/${encodeURIComponent(channel)}/${session.id}`))
				.type('application/sdp')
				.send(session.answer);
		});
		app.delete<{ Params: { channel: string; session: string } }>('/whep/:channel/:session', async (request, reply) => {
			const session = this.#sessions.get(request.params.session);
			if (session === undefined || session.channel !== request.params.channel) {
				throw new SpillwayError('SESSION_NOT_FOUND');
			}
			await session.transport.close('deleted');
			return reply.code(200).send();
		});
		app.options('/whep/:channel', async (request, reply) => answerOptions(request, reply, 'POST, GET', true));
		app.options('/whep/:channel/:session', async (request, reply) =>
			answerOptions(request, reply, 'DELETE, GET', false),
		);
		app.get('/whep/:channel', async (_request, reply) => reply.code(204).send());
		app.get('/whep/:channel/:session', async (_request, reply) => reply.code(204).send());
		app.route({
			method: ['PUT', 'PATCH', 'DELETE'],
			url: '/whep/:channel',
			handler: (request, reply) => refuseMethod(request, reply, 'POST, GET'),
		});
		app.route({
			method: ['PUT', 'PATCH', 'POST'],
			url: '/whep/:channel/:session',
			handler: (request, reply) => refuseMethod(request, reply, 'DELETE, GET'),
		});
	};

	// An offer costs a transport and two Consumers until it is given up; strangers may hold only so many. Returns what gives one back, once.
	#beginPending(address: string): () => void {
		const count = this.#pendingByAddress.get(address) ?? 0;
		if (count >= MAX_PENDING_PER_ADDRESS) {
			throw new SpillwayError('RATE_LIMITED', [PENDING_RETRY_SECONDS], {
				retryAfterSeconds: PENDING_RETRY_SECONDS,
			});
		}
		this.#pendingByAddress.set(address, count + 1);
		let isOver = false;
		return () => {
			if (!isOver) {
				isOver = true;
				const left = this.#pendingByAddress.get(address)! - 1;
				if (left === 0) {
					this.#pendingByAddress.delete(address);
				} else {
					this.#pendingByAddress.set(address, left);
				}
			}
		};
	}

	async #liveRouter(channel: string): Promise<BroadcastRouter> {
		const found = await this.#dependencies.findChannel(channel);
		switch (found.state) {
			case 'unknown':
				throw new SpillwayError('CHANNEL_NOT_FOUND', [channel.slice(0, 40)]);
			case 'offline':
				throw new SpillwayError('CHANNEL_OFFLINE', [channel]);
			case 'starting':
				// draft-ietf-wish-whep §4.2: a 409 with Retry-After when nothing is published yet.
				throw new SpillwayError('NOTHING_PUBLISHED', [channel], { retryAfterSeconds: 1 });
			case 'live':
				return found.broadcastRouter;
		}
	}

	async #create(
		channel: string,
		broadcastRouter: BroadcastRouter,
		offer: ReturnType<typeof parseSdpOffer>,
		localAddress: string | undefined,
	): Promise<ViewerTransport> {
		if (this.#scope.closed) {
			throw new SpillwayError('SERVER_STOPPING', [], { retryAfterSeconds: 5 });
		}
		const id = randomBytes(16).toString('hex') as ViewerId;
		const logger = this.#dependencies.logger.child({
			channel,
			broadcastId: broadcastRouter.broadcastId,
			viewerId: id.slice(0, 8),
		});
		const session = await ViewerTransport.create(
			id,
			broadcastRouter,
			offer,
			{ preferredAddress: localAddress?.replace(/^::ffff:/, '') },
			{ clock: this.#dependencies.clock, logger },
		);
		this.#sessions.set(id, { channel, transport: session });
		logger.info({}, 'WHEP session created');
		session.on('closed', (reason) => {
			this.#sessions.delete(id);
			logger.info({ reason }, 'WHEP session closed');
		});
		return session;
	}
}
