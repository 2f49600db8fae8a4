/** All broadcasts of this process, by channel. */
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import { createId, type BroadcastId, type ChannelId, type ChannelName } from '../../core/ids.ts';
import type { Logger } from '../../core/logger.ts';
import type { TrackSink } from '../../core/media/track-sink.ts';
import type { TranscoderFactory } from '../../core/media/transcoder.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import type { Sfu } from '../../sfu/create-sfu.ts';
import { Broadcast, type BroadcastEndReason } from './broadcast.ts';
import { admitBroadcast, EncoderBudget, type BroadcastOwner, type WorkLimits } from '../media-plan/work-budget.ts';
import { MAX_REMEMBERED_CHANNELS, PublishRefusals, type PublishRefusal, type PublishReport } from './publish-report.ts';

/** What a stream key allows. */
export type PublishPermission = {
	channelId: ChannelId;
	channelName: ChannelName;
	graceWindowMs: number;
	/** Which of the channel's keys it was, so that revoking it can end its sessions. */
	streamKeyId: string;
	/** Whom the channel belongs to; decides how much work may be taken on. */
	owner: BroadcastOwner;
};

/** Decides who may publish. Implemented over the database; may throw STREAM_KEY_REFUSED, TOO_MANY_ATTEMPTS and such. */
export interface PublishAuthorizer {
	/**
	 * Of several keys (an encoder's address may hold it in several places) the first that is good counts; one attempt.
	 */
	authorize(streamKey: string | readonly string[], remoteAddress: string): Promise<PublishPermission>;
}

/** Events of the registry. */
type BroadcastRegistryEvents = {
	broadcastStarted: [broadcast: Broadcast];
	broadcastEnded: [broadcast: Broadcast, reason: BroadcastEndReason];
};

/** `openPackager` gives a broadcast its way into the LL-HLS tier. */
type BroadcastRegistryDependencies = {
	clock: Clock;
	logger: Logger;
	sfu: Sfu;
	transcoders: TranscoderFactory;
	limits: WorkLimits;
	openPackager(broadcast: { broadcastId: BroadcastId; channelName: ChannelName }): TrackSink;
};

/** An authorized publisher connects within seconds; so many keys are not revoked meanwhile. */
const MAX_REVOKED_KEYS = 1000;

/** Finds and begins broadcasts. */
export class BroadcastRegistry extends TypedEmitter<BroadcastRegistryEvents> {
	readonly #deps: BroadcastRegistryDependencies;
	readonly #byChannel = new Map<ChannelName, Broadcast>();
	readonly #starting = new Map<ChannelName, Promise<Broadcast>>();
	/** Owners of the broadcasts that run or start. */
	readonly #owners = new Map<ChannelName, BroadcastOwner>();
	readonly #encoderBudget: EncoderBudget;
	readonly #refusals: PublishRefusals;
	/** Keys revoked lately, for publishers that were authorized just before. */
	readonly #revokedKeyIds = new LRUCache<string, true>({ max: MAX_REVOKED_KEYS });
	/** How the last publisher of a channel ended. */
	readonly #reports = new LRUCache<ChannelName, PublishReport>({ max: MAX_REMEMBERED_CHANNELS });
	#isClosed = false;

	constructor(deps: BroadcastRegistryDependencies) {
		super(deps.logger);
		this.#deps = deps;
		this.#encoderBudget = new EncoderBudget(deps.limits.maxEncoderPixelsPerSecond);
		this.#refusals = new PublishRefusals(deps.clock);
	}

	/** The running broadcast of a channel, interrupted ones included. */
	find(channelName: string): Broadcast | undefined {
		return this.#byChannel.get(channelName as ChannelName);
	}

	/** All running broadcasts. */
	get broadcasts(): readonly Broadcast[] {
		return [...this.#byChannel.values()];
	}

	/** Pixels of re-encoded picture a second that have been granted. */
	get encoderPixelsPerSecond(): number {
		return this.#encoderBudget.usedPixelsPerSecond;
	}

	/** Why an encoder of this channel was turned away last, when that was lately: for the streamer. */
	lastRefusal(channelName: ChannelName): PublishRefusal | undefined {
		return this.#refusals.last(channelName);
	}

	/** How the last publisher of a channel ended, since the server's start. */
	lastReport(channelName: string): PublishReport | undefined {
		return this.#reports.peek(channelName as ChannelName);
	}

	/**
	 * To be asked as early as the protocol can refuse. Throws TAKE_OVERS_TOO_FREQUENT when the channel's broadcast does
	 * not take another publisher now, LIMIT_REACHED and BROADCASTS_FULL when there is no room for another broadcast.
	 */
	checkAdmission(permission: PublishPermission): void {
		const { channelName, owner } = permission;
		const running = this.#byChannel.get(channelName);
		this.#refusals.watch(channelName, () => {
			if (running !== undefined && running.state !== 'ended') {
				running.checkTakeOver();
			} else if (!this.#starting.has(channelName)) {
				admitBroadcast(this.#deps.limits, [...this.#owners.values()], owner);
			}
		});
	}

	/**
	 * The channel's broadcast for a new publisher, begun if there is none. Rejects with SFU_UNAVAILABLE, SERVER_STOPPING,
	 * what checkAdmission() throws, and STREAM_KEY_REFUSED for a key that was revoked since it was authorized.
	 */
	async open(permission: PublishPermission): Promise<Broadcast> {
		if (this.#revokedKeyIds.has(permission.streamKeyId)) {
			throw new SpillwayError('STREAM_KEY_REFUSED');
		}
		if (this.#isClosed) {
			throw new SpillwayError('SERVER_STOPPING', [], { retryAfterSeconds: 5 });
		}
		this.checkAdmission(permission);
		const running = this.#byChannel.get(permission.channelName);
		if (running !== undefined && running.state !== 'ended') {
			return running;
		}
		let starting = this.#starting.get(permission.channelName);
		if (starting === undefined) {
			this.#owners.set(permission.channelName, permission.owner);
			starting = this.#start(permission).finally(() => this.#starting.delete(permission.channelName));
			this.#starting.set(permission.channelName, starting);
		}
		return starting;
	}

	/** Ends the sessions of a revoked stream key at once, and refuses those that are on their way. */
	revokeStreamKey(streamKeyId: string): void {
		this.#revokedKeyIds.set(streamKeyId, true);
		for (const broadcast of this.#byChannel.values()) {
			broadcast.revokeStreamKey(streamKeyId);
		}
	}

	/** Ends all broadcasts. */
	async close(): Promise<void> {
		this.#isClosed = true;
		await Promise.allSettled(this.#starting.values());
		await Promise.all(this.broadcasts.map((broadcast) => broadcast.close('server-shutdown')));
	}

	async #start(permission: PublishPermission): Promise<Broadcast> {
		const { clock, sfu, transcoders, limits, openPackager } = this.#deps;
		const id = createId<BroadcastId>(clock.nowMs());
		const { channelId, channelName, graceWindowMs } = permission;
		const logger = this.#deps.logger.child({ broadcastId: id, channel: channelName });
		const broadcast = new Broadcast(
			{
				clock,
				logger,
				transcoders,
				createRouter: () => sfu.createBroadcastRouter(id),
				packager: openPackager({ broadcastId: id, channelName }),
				encoderGrants: this.#encoderBudget.grantsFor(permission.owner),
				maxPublisherBitrateBps: limits.maxPublisherBitrateBps,
			},
			{ id, channelId, channelName, graceWindowMs },
		);
		broadcast.on('publisherEnded', (report) => this.#reports.set(channelName, report));
		try {
			await broadcast.start();
		} catch (error) {
			this.#owners.delete(channelName);
			await broadcast.close('start-failed');
			throw error;
		}
		for (const streamKeyId of this.#revokedKeyIds.keys()) {
			broadcast.revokeStreamKey(streamKeyId);
		}
		this.#byChannel.set(channelName, broadcast);
		broadcast.on('ended', (reason) => {
			if (this.#byChannel.get(channelName) === broadcast) {
				this.#byChannel.delete(channelName);
				// The next one may have begun already.
				if (!this.#starting.has(channelName)) {
					this.#owners.delete(channelName);
				}
			}
			this.emit('broadcastEnded', broadcast, reason);
		});
		this.emit('broadcastStarted', broadcast);
		return broadcast;
	}
}
