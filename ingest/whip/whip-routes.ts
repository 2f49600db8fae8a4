/** WHIP (RFC 9725): a publisher's offer and stream key in, an answer and a session out. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import { createId, type PublisherId } from '../../core/ids.ts';
import { addressKey, plainAddress } from '../../core/limits/address-key.ts';
import { PendingPlaces, type PendingPlace } from '../../core/limits/pending-places.ts';
import type { Logger } from '../../core/logger.ts';
import { StateMachine } from '../../core/lifecycle/state-machine.ts';
import { PublisherTransport } from '../../sfu/publisher/publisher-transport.ts';
import { registerSdpBody, requireSdp, sdpBody, sdpCors, sessionLocation } from '../../sfu/sdp/sdp-http.ts';
import { parseSdpOffer } from '../../sfu/sdp/sdp-offer.ts';
import { negotiateWhip, type NegotiatedPublisher } from '../../sfu/sdp/whip-negotiation.ts';
import type { Broadcast } from '../broadcast/broadcast.ts';
import type { BroadcastRegistry, PublishAuthorizer } from '../broadcast/broadcast-registry.ts';
import { findWhipKeys, type WhipKeys } from './whip-key.ts';
import { WhipPublisher } from './whip-publisher.ts';
import { WHIP_SESSION_TRANSITIONS, type WhipSessionEvent, type WhipSessionState } from './whip-session-state.ts';

type WhipDependencies = {
	clock: Clock;
	logger: Logger;
	authorizer: PublishAuthorizer;
	registry: BroadcastRegistry;
};

type WhipSession = {
	publisher: WhipPublisher;
	/** Of the keys that came with the offer. */
	keyHashes: readonly Buffer[];
	/** The client sends the key with each request. */
	hasKeyInHeader: boolean;
	machine: StateMachine<WhipSessionState, WhipSessionEvent>;
};

/** A publisher that has not connected by then never does: OBS connects within 0.4 s, browsers within a few seconds. */
const CONNECT_TIMEOUT_MS = 15_000;
/** A session's id in hexadecimal is the only secret of a client that has no key in its header. */
const SESSION_ID_BYTES = 16;
const SESSION_ID = new RegExp(`^[0-9a-f]{${2 * SESSION_ID_BYTES}}$`);
const SESSION_CORS = sdpCors('DELETE, GET');
/** Sessions with good keys that have not connected yet; beyond the limit the oldest is closed. */
const PENDING_LIMITS = { capacity: 1000, reserve: 0 };
/** An encoder that starts again leaves one or two behind. */
const MAX_PENDING_PER_KEY = 3;
/** The encoders of one production. */
const MAX_PENDING_PER_ADDRESS = 50;

/** All WHIP sessions of this process. */
export class WhipSessions {
	readonly #deps: WhipDependencies;
	readonly #sessions = new Map<string, WhipSession>();
	readonly #pendingByKey = new PendingPlaces({ ...PENDING_LIMITS, share: MAX_PENDING_PER_KEY });
	readonly #pendingByAddress = new PendingPlaces({ ...PENDING_LIMITS, share: MAX_PENDING_PER_ADDRESS });
	readonly #scope: CloseScope<'server-shutdown'>;

	constructor(deps: WhipDependencies) {
		this.#deps = deps;
		this.#scope = new CloseScope(deps.logger);
		this.#scope.onClose(async (reason) => {
			await Promise.all([...this.#sessions.values()].map(({ publisher }) => publisher.close(reason)));
		});
	}

	/** How many publishers are connected or connecting. */
	get count(): number {
		return this.#sessions.size;
	}

	close(): Promise<void> {
		return this.#scope.close('server-shutdown');
	}

	/** The routes: POST on /whip, DELETE on the session. */
	readonly routes: FastifyPluginAsync = async (app) => {
		registerSdpBody(app);
		const ofEndpoint = { config: { cors: sdpCors('POST, GET') } };
		const ofSession = { config: { cors: SESSION_CORS } };
		app.post('/whip', { ...ofEndpoint, onRequest: requireSdp }, async (request, reply) =>
			this.#publish(keysOf(request), request, reply),
		);
		// For encoders with a field for the address only, and for users who append the channel's name to the address.
		const below = { config: { cors: sdpCors('POST, DELETE, GET') }, onRequest: requireSdp };
		app.post<{ Params: { '*': string } }>('/whip/*', below, async (request, reply) => {
			const pathParts = request.params['*'].split('/').filter((part) => part !== '');
			// A POST with a key to an ended session must not create a new one.
			const isOfSession = pathParts.length === 1 && SESSION_ID.test(pathParts[0]!);
			if (isOfSession && (this.#sessions.has(pathParts[0]!) || keysOf(request).candidates.length > 0)) {
				reply.header('allow', SESSION_CORS.allow);
				throw new SpillwayError('METHOD_NOT_ALLOWED', ['POST']);
			}
			return this.#publish(keysOf(request, pathParts), request, reply);
		});
		app.delete<{ Params: { session: string } }>('/whip/:session', ofSession, async (request, reply) => {
			const session = this.#sessions.get(request.params.session);
			this.#checkOwner(session, keysOf(request));
			if (session === undefined) {
				throw new SpillwayError('SESSION_NOT_FOUND');
			}
			session.machine.handle('deleted');
			await session.publisher.close('unpublished');
			// OBS treats any status but 200 as a failure and repeats the request.
			return reply.code(200).send();
		});
		// RFC 9725 §4.2: GET on both addresses is answered 2xx without content.
		app.get('/whip', ofEndpoint, async (_request, reply) => reply.code(204).send());
		app.get('/whip/:session', ofSession, async (_request, reply) => reply.code(204).send());
	};

	async #publish(keys: WhipKeys, request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
		const body = sdpBody(request);
		if (keys.candidates.length === 0) {
			throw new SpillwayError('STREAM_KEY_MISSING');
		}
		const { authorizer, registry } = this.#deps;
		const permission = await authorizer.authorize(keys.candidates, request.ip);
		// Before a broadcast begins: an offer that cannot be accepted changes nothing for viewers.
		const negotiated = negotiateWhip(parseSdpOffer(body));
		const broadcast = await registry.open(permission);
		// The previous publisher may end while this one is connecting: the broadcast waits for it.
		const release = broadcast.reserve();
		const pending = this.#reservePlace(permission.streamKeyId, request.ip, release);
		const place = { broadcast, pending, streamKeyId: permission.streamKeyId };
		const { id, answer } = await this.#create(negotiated, keys, place, request).catch((error) => {
			pending.release();
			throw error;
		});
		// OBS needs exactly 201; FFmpeg needs a Content-Length, which a string has.
		return reply
			.code(201)
			.header('location', sessionLocation(request, `/whip/${id}`))
			.type('application/sdp')
			.send(answer);
	}

	// The session's address alone is not enough (RFC 9725 §4.5): it may have leaked with a log. A client that had its key
	// in the endpoint's address is exempt, because it cannot send the key here.
	#checkOwner(session: WhipSession | undefined, { candidates }: WhipKeys): void {
		if (candidates.length === 0) {
			if (session === undefined || session.hasKeyInHeader) {
				throw new SpillwayError('STREAM_KEY_MISSING');
			}
			return;
		}
		const hashes = candidates.map(hashKey);
		if (session !== undefined && !session.keyHashes.some((own) => hashes.some((hash) => timingSafeEqual(own, hash)))) {
			throw new SpillwayError('STREAM_KEY_REFUSED');
		}
	}

	async #create(
		negotiated: NegotiatedPublisher,
		keys: WhipKeys,
		place: { broadcast: Broadcast; pending: PendingPlace; streamKeyId: string },
		request: FastifyRequest,
	): Promise<{ id: string; answer: string }> {
		const { broadcast, pending } = place;
		const { router } = broadcast;
		if (router === undefined || this.#scope.closed) {
			throw new SpillwayError('SFU_UNAVAILABLE', ['it is being started again'], { retryAfterSeconds: 1 });
		}
		const { clock } = this.#deps;
		const id = randomBytes(SESSION_ID_BYTES).toString('hex');
		const publisherId = createId<PublisherId>(clock.nowMs());
		const { channelName: channel, id: broadcastId } = broadcast;
		const logger = this.#deps.logger.child({ channel, broadcastId, publisherId });
		const { localAddress } = request.socket;
		const preferredAddress = localAddress === undefined ? undefined : plainAddress(localAddress);
		const transport = await PublisherTransport.create(
			{ broadcastRouter: router, clock, logger },
			{ negotiated, preferredAddress },
		);
		const publisher = new WhipPublisher(
			{ clock, logger, transport },
			{
				id: publisherId,
				remoteAddress: plainAddress(request.ip),
				encoderName: request.headers['user-agent']?.slice(0, 120),
			},
		);
		const machine = new StateMachine<WhipSessionState, WhipSessionEvent>({
			table: WHIP_SESSION_TRANSITIONS,
			initial: 'answered',
			logger,
		});
		this.#sessions.set(id, {
			publisher,
			keyHashes: keys.candidates.map(hashKey),
			hasKeyInHeader: keys.isInHeader,
			machine,
		});
		const timeOut = (): void => {
			if (machine.state !== 'closed') {
				machine.handle('timed-out');
				void publisher.close('timed-out');
			}
		};
		const cancelTimeout = clock.setTimeout(timeOut, CONNECT_TIMEOUT_MS);
		transport.on(
			'connected',
			() => {
				cancelTimeout();
				if (machine.handle('dtls-connected')) {
					broadcast.attach(publisher, place.streamKeyId);
					publisher.release();
					pending.release();
				}
			},
			{ once: true },
		);
		publisher.on('closed', (reason) => {
			cancelTimeout();
			pending.release();
			this.#sessions.delete(id);
			if (machine.state !== 'closed') {
				machine.handle('publisher-ended');
			}
			logger.info({ reason }, 'WHIP session closed');
		});
		// Called for each of its two places.
		pending.holdFor(timeOut);
		if (machine.state === 'closed') {
			// Other sessions with the key were created meanwhile.
			throw new SpillwayError('RATE_LIMITED', [1], { retryAfterSeconds: 1 });
		}
		return { id, answer: transport.answer };
	}

	// `release` is called when the session is pending no longer, or when there is no place.
	#reservePlace(streamKeyId: string, address: string, release: () => void): PendingPlace {
		const places: PendingPlace[] = [];
		const releaseAll = (): void => {
			release();
			places.forEach((place) => place.release());
		};
		try {
			places.push(this.#pendingByKey.take(streamKeyId, true), this.#pendingByAddress.take(addressKey(address), true));
		} catch (error) {
			releaseAll();
			throw error;
		}
		return { holdFor: (end) => places.forEach((place) => place.holdFor(end)), release: releaseAll };
	}
}

function keysOf(request: FastifyRequest, pathParts?: readonly string[]): WhipKeys {
	return findWhipKeys({
		authorization: request.headers.authorization,
		query: request.query,
		...(pathParts === undefined ? {} : { pathParts }),
	});
}

function hashKey(streamKey: string): Buffer {
	return createHash('sha256').update(streamKey).digest();
}
