/** WHEP (draft-ietf-wish-whep): a viewer's offer in, an answer and a session out. */
import { randomBytes } from 'node:crypto';
import type { FastifyPluginAsync, FastifyRequest } from 'fastify';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import type { ViewerId } from '../../core/ids.ts';
import { addressKey, isLoopback, plainAddress, SenderGroups } from '../../core/limits/address-key.ts';
import { PendingPlaces } from '../../core/limits/pending-places.ts';
import { TokenBuckets, type TokenRate } from '../../core/limits/token-bucket.ts';
import { VIEWER_HEADER } from '../../core/protocol/signaling/signaling-constants.ts';
import type { Logger } from '../../core/logger.ts';
import type { BroadcastRouter } from '../broadcast/broadcast-router.ts';
import { registerSdpBody, requireSdp, sdpBody, sdpCors, sessionLocation } from '../sdp/sdp-http.ts';
import { parseSdpOffer, type SdpOffer } from '../sdp/sdp-offer.ts';
import { ViewerTransport } from '../viewer/viewer-transport.ts';

/** Offers of one address group: a school at the start of a lesson stays below it, a runaway program does not. */
const OFFER_RATE: TokenRate = { perSecond: 20, burst: 100 };
/** Address groups whose offers are counted. */
const MAX_OFFERING_GROUPS = 10_000;
/** After a refusal because there is no room. */
const FULL_RETRY_SECONDS = 10;

/** Bounds of sessions. An address group may have a third of the pending ones; another third is for known viewers. */
type WhepLimits = {
	/** Sessions that have not connected yet. */
	maxPending: number;
	/** Connected sessions; may change. */
	maxConnected(): number;
};

export type WhepChannel =
	{ state: 'unknown' | 'offline' | 'starting' } | { state: 'live'; broadcastRouter: BroadcastRouter };

/** Implemented over the registry of broadcasts. */
export type WhepDependencies = {
	clock: Clock;
	logger: Logger;
	findChannel(name: string): Promise<WhepChannel>;
	/** Runs before every new session; throws the viewer's refusal. Returns how many may watch the channel, if not all. */
	authorizePlayback(channel: string): Promise<{ maxViewers?: number } | void>;
	/** Whether a viewer of the channel has this id, untrusted text from VIEWER_HEADER. Without it no viewer is known. */
	isViewer?(viewerId: string, channel: string): boolean;
	/** Called for each session that has connected; before, it is no viewer yet. */
	onConnected?(session: WhepSession): void;
	limits?: WhepLimits;
};

/** The HTTP resource of an offer, with the viewer's media. */
export type WhepSession = { channel: string; viewerId: string | undefined; transport: ViewerTransport };

/** All WHEP sessions of this process. */
export class WhepSessions {
	readonly #deps: WhepDependencies;
	readonly #sessions = new Map<string, WhepSession>();
	/** Sessions that have connected, by channel in lower case. */
	readonly #connected = new Map<string, Set<WhepSession>>();
	#connectedCount = 0;
	readonly #limits: WhepLimits;
	readonly #pending: PendingPlaces;
	readonly #offers: TokenBuckets;
	readonly #senders = new SenderGroups();
	readonly #scope: CloseScope<'server-shutdown'>;

	constructor(deps: WhepDependencies) {
		this.#deps = deps;
		this.#limits = deps.limits ?? { maxPending: 300, maxConnected: () => Infinity };
		const { maxPending } = this.#limits;
		const third = Math.floor(maxPending / 3);
		this.#pending = new PendingPlaces({ capacity: maxPending, reserve: third, share: third });
		this.#offers = new TokenBuckets(deps.clock, OFFER_RATE, MAX_OFFERING_GROUPS);
		this.#scope = new CloseScope(deps.logger);
		this.#scope.onClose(async (reason) => {
			await Promise.all([...this.#sessions.values()].map(({ transport }) => transport.close(reason)));
		});
	}

	/** Viewers that are connected or connecting. */
	get count(): number {
		return this.#sessions.size;
	}

	close(): Promise<void> {
		return this.#scope.close('server-shutdown');
	}

	/** The routes: POST on /whep/{channel}, DELETE on the session. */
	readonly routes: FastifyPluginAsync = async (app) => {
		registerSdpBody(app);
		const ofChannel = { config: { cors: sdpCors('POST, GET') } };
		const ofSession = { config: { cors: sdpCors('DELETE, GET') } };
		app.post<{ Params: { channel: string } }>(
			'/whep/:channel',
			{ ...ofChannel, onRequest: requireSdp },
			async (request, reply) => {
				const { channel } = request.params;
				const offer = parseSdpOffer(sdpBody(request));
				const viewerId = request.headers[VIEWER_HEADER];
				const viewer = { channel, viewerId: typeof viewerId === 'string' ? viewerId : undefined };
				const { transport } = await this.#open(viewer, offer, request);
				return reply
					.code(201)
					.header('location', sessionLocation(request, `/whep/${encodeURIComponent(channel)}/${transport.id}`))
					.type('application/sdp')
					.send(transport.answer);
			},
		);
		app.delete<{ Params: { channel: string; session: string } }>(
			'/whep/:channel/:session',
			ofSession,
			async (request, reply) => {
				const session = this.#sessions.get(request.params.session);
				if (session === undefined || session.channel !== request.params.channel) {
					throw new SpillwayError('SESSION_NOT_FOUND');
				}
				await session.transport.close('deleted');
				return reply.code(200).send();
			},
		);
		app.get('/whep/:channel', ofChannel, async (_request, reply) => reply.code(204).send());
		app.get('/whep/:channel/:session', ofSession, async (_request, reply) => reply.code(204).send());
	};

	async #open(
		viewer: Omit<WhepSession, 'transport'>,
		offer: SdpOffer,
		request: Pick<FastifyRequest, 'ip' | 'socket'>,
	): Promise<WhepSession> {
		const { channel, viewerId } = viewer;
		this.#checkRate(request.ip);
		const { maxViewers } = (await this.#deps.authorizePlayback(channel)) ?? {};
		const broadcastRouter = await this.#liveRouter(channel);
		const problem = this.#findNoRoom(channel, maxViewers);
		if (problem !== undefined) {
			throw new SpillwayError('SFU_UNAVAILABLE', [problem], { retryAfterSeconds: FULL_RETRY_SECONDS });
		}
		// An offer costs a transport and two Consumers until it is given up, so untrusted clients may hold only so many.
		const isKnown = viewerId !== undefined && this.#deps.isViewer?.(viewerId, channel) === true;
		const place = this.#pending.take(this.#senders.groupOf(request.ip), isKnown);
		const creation = this.#create(viewer, broadcastRouter, offer, request.socket.localAddress);
		const session = await creation.catch((error: unknown) => {
			place.release();
			throw error;
		});
		const { transport } = session;
		transport.on('closed', () => place.release());
		transport.on('connected', () => {
			place.release();
			// Others may have come while it was connecting.
			if (this.#findNoRoom(channel, maxViewers) === undefined) {
				this.#count(session);
				this.#deps.onConnected?.(session);
			} else {
				void transport.close('no-room');
			}
		});
		place.holdFor(() => void transport.close('displaced'));
		if (transport.closed) {
			throw new SpillwayError('RATE_LIMITED', [1], { retryAfterSeconds: 1 });
		}
		return session;
	}

	#checkRate(address: string): void {
		const waitMs = isLoopback(address) ? 0 : this.#offers.take(addressKey(address));
		if (waitMs > 0) {
			const retryAfterSeconds = Math.ceil(waitMs / 1000);
			throw new SpillwayError('RATE_LIMITED', [retryAfterSeconds], { retryAfterSeconds });
		}
	}

	#findNoRoom(channel: string, maxViewers = Infinity): string | undefined {
		if (this.#connectedCount >= this.#limits.maxConnected()) {
			return 'it is full';
		}
		const viewerCount = this.#connected.get(channel.toLowerCase())?.size ?? 0;
		return viewerCount >= maxViewers ? 'all seats of this channel are taken' : undefined;
	}

	#count(session: WhepSession): void {
		// Addresses may spell it in any case.
		const name = session.channel.toLowerCase();
		const viewers = this.#connected.get(name) ?? new Set<WhepSession>();
		this.#connected.set(name, viewers.add(session));
		this.#connectedCount++;
		session.transport.on('closed', () => {
			this.#connectedCount--;
			viewers.delete(session);
			if (viewers.size === 0 && this.#connected.get(name) === viewers) {
				this.#connected.delete(name);
			}
		});
	}

	async #liveRouter(channel: string): Promise<BroadcastRouter> {
		const found = await this.#deps.findChannel(channel);
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
		viewer: Omit<WhepSession, 'transport'>,
		broadcastRouter: BroadcastRouter,
		offer: SdpOffer,
		localAddress: string | undefined,
	): Promise<WhepSession> {
		if (this.#scope.closed) {
			throw new SpillwayError('SERVER_STOPPING', [], { retryAfterSeconds: 5 });
		}
		const id = randomBytes(16).toString('hex') as ViewerId;
		const { channel, viewerId } = viewer;
		const { broadcastId } = broadcastRouter;
		const logger = this.#deps.logger.child({ channel, broadcastId, whepSessionId: id.slice(0, 8), viewerId });
		const transport = await ViewerTransport.create(
			{ broadcastRouter, clock: this.#deps.clock, logger },
			{ id, offer, preferredAddress: localAddress === undefined ? undefined : plainAddress(localAddress) },
		);
		const session = { ...viewer, transport };
		this.#sessions.set(id, session);
		logger.info({}, 'WHEP session created');
		transport.on('closed', (reason) => {
			this.#sessions.delete(id);
			logger.info({ reason }, 'WHEP session closed');
		});
		return session;
	}
}
