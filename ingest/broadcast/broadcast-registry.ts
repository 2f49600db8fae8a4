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
import type { LadderChoice } from '../../core/protocol/ladder-choice.ts';
import { admitBroadcast, EncoderBudget, type BroadcastOwner, type WorkLimits } from '../media-plan/work-budget.ts';
import { MAX_REMEMBERED_CHANNELS, PublishRefusals, type PublishRefusal, type PublishReport } from './publish-report.ts';

/** What a stream key allows. */
export type PublishPermission = {
	channelId: ChannelId;
	channelName: ChannelName;
	graceWindowMs: number;
	/** The channel's setting of its rungs; absent: the server's. */
	ladderChoice?: LadderChoice | undefined;
	/** The channel's key in use: revoking it ends its sessions. */
	streamKeyId: string;
	/** The owner of the channel, whose limits apply. */
	owner: BroadcastOwner;
};

/** Decides who may publish, by the database. Rejects with STREAM_KEY_REFUSED, TOO_MANY_ATTEMPTS and similar. */
export interface PublishAuthorizer {
	/** Several keys are the candidates of one address: the first good one counts, and all are one attempt. */
	authorize(streamKey: string | readonly string[], remoteAddress: string): Promise<PublishPermission>;
}

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
	/** Which rungs broadcasts get whose channel has no setting. */
	ladderChoice: LadderChoice;
	openPackager(broadcast: { broadcastId: BroadcastId; channelName: ChannelName }): TrackSink;
};

/** An authorized publisher connects within seconds; fewer keys are revoked in that time. */
const MAX_REVOKED_KEYS = 1000;

export class BroadcastRegistry extends TypedEmitter<BroadcastRegistryEvents> {
	readonly #deps: BroadcastRegistryDependencies;
	readonly #byChannel = new Map<ChannelName, Broadcast>();
	readonly #starting = new Map<ChannelName, Promise<Broadcast>>();
	/** Owners of the broadcasts that run or start. */
	readonly #owners = new Map<ChannelName, BroadcastOwner>();
	readonly #encoderBudget: EncoderBudget;
	readonly #refusals: PublishRefusals;
	/** Recently revoked keys, for publishers that were authorized just before. */
	readonly #revokedKeyIds = new LRUCache<string, true>({ max: MAX_REVOKED_KEYS });
	/** How the last publisher of a channel ended. */
	readonly #reports = new LRUCache<ChannelName, PublishReport>({ max: MAX_REMEMBERED_CHANNELS });
	#isClosed = false;

	constructor(deps: BroadcastRegistryDependencies) {
		super(deps.logger);
		this.#deps = deps;
		this.#encoderBudget = new EncoderBudget(deps.limits.maxEncoderPixelsPerSecond, deps.limits.encoderCoreCount);
		this.#refusals = new PublishRefusals(deps);
	}

	/** The running broadcast of a channel, interrupted ones included. */
	find(channelName: string): Broadcast | undefined {
		return this.#byChannel.get(channelName as ChannelName);
	}

	get broadcasts(): readonly Broadcast[] {
		return [...this.#byChannel.values()];
	}

	/** Granted pixels of re-encoded picture a second. */
	get encoderPixelsPerSecond(): number {
		return this.#encoderBudget.usedPixelsPerSecond;
	}

	/** Granted pixels of rungs a second. */
	get ladderPixelsPerSecond(): number {
		return this.#encoderBudget.ladderPixelsPerSecond;
	}

	/** Rungs that were dropped because an encoder fell behind, since the server's start. */
	get droppedRungCount(): number {
		return this.#encoderBudget.droppedRungCount;
	}

	/** The recent refusal of an encoder of this channel, for the streamer. */
	lastRefusal(channelName: ChannelName): PublishRefusal | undefined {
		return this.#refusals.last(channelName);
	}

	/** How the last publisher of a channel ended, since the server's start. */
	lastReport(channelName: string): PublishReport | undefined {
		return this.#reports.peek(channelName as ChannelName);
	}

	/**
	 * Call it as early as the protocol can refuse. Throws TAKE_OVERS_TOO_FREQUENT when the channel's broadcast accepts no
	 * other publisher now, LIMIT_REACHED and BROADCASTS_FULL when there is no room for another broadcast.
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
	 * Returns the channel's broadcast for a new publisher, started if there is none. Rejects with SFU_UNAVAILABLE,
	 * SERVER_STOPPING, the errors of checkAdmission(), and STREAM_KEY_REFUSED for a key revoked since its authorization.
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

	/** Ends the sessions of a revoked stream key at once, and refuses those that still connect. */
	revokeStreamKey(streamKeyId: string): void {
		this.#revokedKeyIds.set(streamKeyId, true);
		for (const broadcast of this.#byChannel.values()) {
			broadcast.revokeStreamKey(streamKeyId);
		}
	}

	async close(): Promise<void> {
		this.#isClosed = true;
		await Promise.allSettled(this.#starting.values());
		await Promise.all(this.broadcasts.map((broadcast) => broadcast.close('server-shutdown')));
	}

	async #start(permission: PublishPermission): Promise<Broadcast> {
		const { clock, sfu, transcoders, limits, openPackager } = this.#deps;
		const id = createId<BroadcastId>(clock.nowMs());
		const { channelId, channelName, graceWindowMs, ladderChoice } = permission;
		const logger = this.#deps.logger.child({ broadcastId: id, channel: channelName });
		const broadcast = new Broadcast(
			{
				clock,
				logger,
				transcoders,
				createRouter: () => sfu.createBroadcastRouter(id),
				packager: openPackager({ broadcastId: id, channelName }),
				encoderGrants: this.#encoderBudget.grantsFor(permission.owner),
				ladderChoice: () => this.#deps.ladderChoice,
				maxPublisherBitrateBps: limits.maxPublisherBitrateBps,
			},
			{ id, channelId, channelName, graceWindowMs, ladderChoice },
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
				// The next one may have started already.
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
