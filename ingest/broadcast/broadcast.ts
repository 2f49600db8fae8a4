/** One live session of a channel. It outlives its publishers: viewers, timeline and playlists survive take-overs. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import { errorMessage, SpillwayError } from '../../core/errors/errors.ts';
import type { BroadcastId, ChannelId, ChannelName } from '../../core/ids.ts';
import type { Logger } from '../../core/logger.ts';
import type { VideoTrackConfig } from '../../core/media/codecs.ts';
import type { TrackSink } from '../../core/media/track-sink.ts';
import type { TranscoderFactory } from '../../core/media/transcoder.ts';
import { StateMachine } from '../../core/lifecycle/state-machine.ts';
import { retryDelayMs } from '../../core/lifecycle/back-off.ts';
import { Timer } from '../../core/lifecycle/timer.ts';
import { WallClockWatch } from '../../core/lifecycle/wall-clock-watch.ts';
import { TokenBucket } from '../../core/limits/token-bucket.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import type { BroadcastRouter } from '../../sfu/broadcast/broadcast-router.ts';
import { BROADCAST_TRANSITIONS, type BroadcastEvent, type BroadcastState } from './broadcast-state.ts';
import type { BroadcastOutputs, LegEncoderState, PictureEncoder } from '../media-graph/outputs.ts';
import { TIMELINE_START_MS } from '../timing/contribution-timeline.ts';
import { Contribution } from '../contribution/contribution.ts';
import { ladderSetting } from '../media-plan/ladder.ts';
import type { MediaPlan } from '../media-plan/media-planner.ts';
import { reportPublisherEnd, type PublishReport } from './publish-report.ts';
import type { Publisher, PublisherEndReason, TrackProblem } from '../publisher/publisher.ts';
import type { StreamHealth } from '../media-plan/stream-observer.ts';
import type { LadderChoice } from '../../core/protocol/ladder-choice.ts';
import type { EncoderGrants } from '../media-plan/work-budget.ts';

export type BroadcastEndReason = 'unpublished' | 'grace-window-expired' | 'start-failed' | 'server-shutdown';

type BroadcastEvents = {
	stateChanged: [state: BroadcastState, previous: BroadcastState];
	/** Another publisher, or another plan for the stream. */
	planChanged: [plan: MediaPlan];
	publisherEnded: [report: PublishReport];
	/** Once. */
	ended: [reason: BroadcastEndReason];
};

/** Without a unit for this long the broadcast is interrupted. */
const SILENCE_MS = 2000;
/**
 * Without a unit for this long the packager is notified, so that the playlist continues, and later media begins another
 * run. A shorter time loses the pictures of a line that carries nothing for three seconds, although they all arrive
 * afterwards.
 */
const INTERRUPTION_MS = 4000;
/** Rates are measured over 3 s; above its limit for this long, a publisher is closed. */
const OVER_BITRATE_MS = 3000;
/** An accepted publisher that sends nothing is closed. */
const FIRST_MEDIA_TIMEOUT_MS = 20_000;
/** How often silence, the bit rate and the wall clock are checked. */
const WATCH_INTERVAL_MS = 250;
/** For another stage after a worker's death; the next worker starts within a second. */
const STAGE_RETRY = { maxAttempts: Infinity, firstDelayMs: 100, maxDelayMs: 5000, jitterRatio: 0 };
/**
 * Stops encoders with one stream key, each of which reconnects at once, from replacing one another without end. The
 * burst allows a deliberate change to a second encoder and back, twice. Then one each minute bounds both the
 * interruptions by two such encoders and the wait of a streamer. The streamer can also stop the other encoder.
 */
const TAKE_OVER_RATE = { burst: 4, perSecond: 1 / 60 };

type BroadcastDependencies = {
	clock: Clock;
	logger: Logger;
	transcoders: TranscoderFactory;
	/** Creates the broadcast's router and stage; called again after a worker's death. */
	createRouter(): Promise<BroadcastRouter>;
	packager: TrackSink;
	/** Whether a picture may be re-encoded. */
	encoderGrants: EncoderGrants;
	/** Which rungs broadcasts may have whose channel has no setting. */
	ladderChoice: () => LadderChoice;
	/** Limit of one publisher, sound and picture together. */
	maxPublisherBitrateBps: number;
};

export class Broadcast extends TypedEmitter<BroadcastEvents> {
	readonly id: BroadcastId;
	readonly channelId: ChannelId;
	readonly channelName: ChannelName;
	/** Which rungs the channel may have; undefined: the server's setting. A change applies at once. */
	ladderChoice: LadderChoice | undefined;
	readonly #deps: BroadcastDependencies;
	readonly #wallClock: WallClockWatch;
	#startedAtMs: number;
	#graceWindowMs: number;
	readonly #scope: CloseScope<BroadcastEndReason>;
	readonly #machine: StateMachine<BroadcastState, BroadcastEvent>;
	readonly #outputs: BroadcastOutputs;
	readonly #takeOvers: TokenBucket;
	#router: BroadcastRouter | undefined;
	#current: Contribution | undefined;
	#pending: Contribution | undefined;
	/** Contributions whose encoders have not ended yet. */
	readonly #closing = new Set<Promise<void>>();
	#runCount = 0;
	#reachedMs = TIMELINE_START_MS;
	#lastMediaAtMs: number;
	readonly #graceTimer: Timer;
	/** Monotonic; meaningful while the grace timer is armed. */
	#graceBeganAtMs = 0;
	/** The stream key of each current or pending contribution. */
	readonly #keyOf = new WeakMap<Contribution, string>();
	readonly #revokedKeyIds = new Set<string>();
	#overBitrateSinceMs: number | undefined;
	#hasBeenLive = false;
	#isPackagerInterrupted = false;
	/** Accepted publishers that are still connecting. */
	#reservationCount = 0;
	/** Reason of the end unless one of them attaches. */
	#deferredEnd: BroadcastEndReason | undefined;

	constructor(
		deps: BroadcastDependencies,
		identity: {
			id: BroadcastId;
			channelId: ChannelId;
			channelName: ChannelName;
			graceWindowMs: number;
			ladderChoice?: LadderChoice | undefined;
		},
	) {
		const { clock, logger } = deps;
		super(logger);
		this.#deps = deps;
		this.id = identity.id;
		this.channelId = identity.channelId;
		this.channelName = identity.channelName;
		this.#graceWindowMs = identity.graceWindowMs;
		this.ladderChoice = identity.ladderChoice;
		this.#wallClock = new WallClockWatch(clock);
		this.#startedAtMs = clock.nowMs();
		this.#lastMediaAtMs = clock.monotonicMs();
		this.#takeOvers = new TokenBucket(clock, TAKE_OVER_RATE);
		this.#graceTimer = new Timer(clock, () => this.#endUnlessReserved('grace-window-expired'));
		this.#scope = new CloseScope(logger);
		this.#machine = new StateMachine({
			table: BROADCAST_TRANSITIONS,
			initial: 'starting',
			logger,
			onChange: (next, previous) => this.emit('stateChanged', next, previous),
		});
		this.#outputs = {
			stage: () => this.#router?.stage,
			beginStageRun: () => {
				this.#router?.stage.video.layers.beginRun();
				this.#router?.stage.audio.beginRun();
			},
			packager: deps.packager,
			nextRun: () => this.#runCount++,
			reached: (timelineMs) => {
				// One frame further, so that the next publisher's media is later than all previous media.
				this.#reachedMs = Math.max(this.#reachedMs, timelineMs + 1000 / 30);
			},
		};
		this.#scope.every(clock, WATCH_INTERVAL_MS, () => this.#watch());
		this.#scope.onClose((reason) => this.#tearDown(reason));
	}

	/** Creates the router and stage; rejects when the SFU cannot. */
	async start(): Promise<void> {
		await this.#openRouter();
	}

	/** Epoch milliseconds, by the current setting of the wall clock. */
	get startedAt(): number {
		return this.#startedAtMs;
	}

	get state(): BroadcastState {
		return this.#machine.state;
	}

	/** The router of WebRTC viewers and WHIP publishers; undefined while a dead worker is being replaced. */
	get router(): BroadcastRouter | undefined {
		return this.#router;
	}

	/** The publisher on air. */
	get publisher(): Publisher | undefined {
		return this.#current?.publisher;
	}

	get plan(): MediaPlan | undefined {
		return this.#current?.plan;
	}

	get encoderStates(): readonly LegEncoderState[] {
		return this.#current?.encoderStates ?? [];
	}

	/** Undefined while no picture is encoded. */
	get pictureEncoder(): PictureEncoder | undefined {
		return this.#current?.pictureEncoder;
	}

	get health(): StreamHealth | undefined {
		return this.#current?.observer.health;
	}

	/** Parts of the publisher's stream that are left out or should be changed. */
	get problems(): readonly TrackProblem[] {
		return this.#current?.problemWatch.problems ?? [];
	}

	/** The source picture, once known. */
	get source(): VideoTrackConfig | undefined {
		return this.#current?.observer.video;
	}

	/**
	 * Throws TAKE_OVERS_TOO_FREQUENT when the publisher on air sends and recent take-overs were too many. Call it as soon
	 * as the protocol can refuse. A silent publisher may always be replaced: its connection is probably dead, and the
	 * encoder reconnects.
	 */
	checkTakeOver(): void {
		const { waitMs } = this.#takeOvers;
		if (waitMs > 0 && this.#hasSendingPublisher()) {
			const retryAfterSeconds = Math.ceil(waitMs / 1000);
			this.#deps.logger.warn({ retryAfterSeconds }, 'a publisher was refused: too many take-overs');
			throw new SpillwayError('TAKE_OVERS_TOO_FREQUENT', [retryAfterSeconds], { retryAfterSeconds });
		}
	}

	/**
	 * A publisher was accepted and connects over this broadcast's router: until the returned function is called, the
	 * broadcast does not end for lack of one. The caller has a deadline, and calls it in every case, after attach().
	 */
	reserve(): () => void {
		this.#reservationCount++;
		let isReleased = false;
		return () => {
			if (isReleased) {
				return;
			}
			isReleased = true;
			this.#reservationCount--;
			// The first publisher never attached, such as a WHIP session that is deleted before it connects.
			const isUnused = !this.#hasBeenLive && this.#current === undefined && this.#pending === undefined;
			const reason = this.#deferredEnd ?? (isUnused ? 'start-failed' : undefined);
			if (reason !== undefined) {
				this.#endUnlessReserved(reason);
			}
		};
	}

	/**
	 * Puts a publisher on air at once, or, when another is on air, at its own first key frame, so that viewers see no
	 * break. `streamKeyId`: its key, whose revocation ends it.
	 */
	attach(publisher: Publisher, streamKeyId?: string): void {
		if (streamKeyId !== undefined && this.#revokedKeyIds.has(streamKeyId)) {
			// Revoked while the publisher was connecting.
			void publisher.close('key-revoked');
			return;
		}
		// Several may have passed checkTakeOver() before the first of them was attached.
		const isRefused = this.#hasSendingPublisher() && !this.#takeOvers.take();
		if (this.#scope.closed || isRefused) {
			this.#deps.logger.info({ publisherId: publisher.id, isRefused }, 'publisher closed at once');
			void publisher.close('replaced');
			return;
		}
		this.#deferredEnd = undefined;
		void this.#pending?.close('replaced');
		const { clock, logger, transcoders, encoderGrants } = this.#deps;
		const contribution = new Contribution(
			{
				clock,
				logger: logger.child({ publisherId: publisher.id, protocol: publisher.protocol }),
				transcoders,
				outputs: this.#outputs,
				broadcastEpochMs: this.#startedAtMs,
				notBeforeMs: () => this.#reachedMs,
				waitsForGop: !this.#hasBeenLive,
				encoderGrants,
				ladderSetting: () => ladderSetting(this.ladderChoice, this.#deps.ladderChoice()),
			},
			publisher,
		);
		if (streamKeyId !== undefined) {
			this.#keyOf.set(contribution, streamKeyId);
		}
		this.#pending = contribution;
		contribution.on('closed', (reason) => this.#onContributionClosed(contribution, reason));
		contribution.on('media', () => this.#onMedia());
		contribution.on('planned', (plan) => this.emit('planChanged', plan));
		if (this.#current === undefined) {
			this.#putOnAir(contribution);
		} else {
			contribution.on('ready', () => this.#putOnAir(contribution), { once: true });
		}
	}

	/** Closes the publishers with this stream key, current and future ones, with reason `key-revoked`. */
	revokeStreamKey(streamKeyId: string): void {
		this.#revokedKeyIds.add(streamKeyId);
		for (const contribution of [this.#pending, this.#current]) {
			if (contribution !== undefined && this.#keyOf.get(contribution) === streamKeyId) {
				void contribution.close('key-revoked');
			}
		}
	}

	/** Sets the wait for a lost publisher; a wait that runs is counted from the loss. */
	setGraceWindow(graceWindowMs: number): void {
		this.#graceWindowMs = graceWindowMs;
		if (this.#graceTimer.isArmed) {
			this.#waitForReturn(this.#graceBeganAtMs);
		}
	}

	/** Ends playlists and disconnects viewers. */
	close(reason: BroadcastEndReason): Promise<void> {
		if (!this.#scope.closed) {
			this.#machine.handle(END_EVENTS[reason]);
		}
		return this.#scope.close(reason);
	}

	#hasSendingPublisher(): boolean {
		const newestMs = Math.max(this.#current?.lastMediaAtMs ?? -Infinity, this.#pending?.lastMediaAtMs ?? -Infinity);
		return this.#deps.clock.monotonicMs() - newestMs <= SILENCE_MS;
	}

	#putOnAir(contribution: Contribution): void {
		if (this.#pending !== contribution) {
			return;
		}
		const previous = this.#current;
		this.#pending = undefined;
		this.#current = contribution;
		this.#lastMediaAtMs = this.#deps.clock.monotonicMs();
		this.#graceTimer.disarm();
		const { id: publisherId } = contribution.publisher;
		this.#deps.logger.info({ publisherId, takesOver: previous !== undefined }, 'publisher on air');
		void previous?.close('replaced');
		contribution.goOnAir();
	}

	#onMedia(): void {
		this.#lastMediaAtMs = this.#deps.clock.monotonicMs();
		this.#isPackagerInterrupted = false;
		if (this.#machine.state !== 'live' && !this.#scope.closed) {
			this.#hasBeenLive = true;
			this.#machine.handle('media-began');
		}
	}

	#onContributionClosed(contribution: Contribution, reason: PublisherEndReason): void {
		const closing = contribution.close(reason).finally(() => this.#closing.delete(closing));
		this.#closing.add(closing);
		if (this.#pending === contribution) {
			this.#pending = undefined;
		}
		const { videoUnitCount, audioUnitCount } = contribution.observer.health;
		const hasPlayed = videoUnitCount + audioUnitCount > 0;
		const { problems } = contribution.problemWatch;
		const end = { reason, hasPlayed, atEpochMs: this.#deps.clock.nowMs(), problems };
		this.emit('publisherEnded', reportPublisherEnd(contribution.publisher, end));
		if (this.#current !== contribution || this.#scope.closed) {
			return;
		}
		this.#current = undefined;
		this.#deps.logger.info({ publisherId: contribution.publisher.id, reason }, 'publisher gone');
		if (this.#pending !== undefined) {
			this.#putOnAir(this.#pending);
			return;
		}
		if (reason === 'unpublished' || reason === 'key-revoked' || !this.#hasBeenLive) {
			this.#endUnlessReserved(this.#hasBeenLive ? 'unpublished' : 'start-failed');
			return;
		}
		this.#interrupt();
		this.#waitForReturn(this.#deps.clock.monotonicMs());
	}

	#waitForReturn(beganAtMs: number): void {
		this.#graceBeganAtMs = beganAtMs;
		this.#graceTimer.arm(Math.max(0, beganAtMs + this.#graceWindowMs - this.#deps.clock.monotonicMs()));
	}

	#endUnlessReserved(reason: BroadcastEndReason): void {
		if (this.#reservationCount > 0) {
			this.#deferredEnd = reason;
			this.#interrupt();
		} else {
			void this.close(reason);
		}
	}

	#interrupt(): void {
		if (this.#machine.state === 'live') {
			this.#machine.handle('media-stopped');
		}
		if (this.#machine.state === 'interrupted' && !this.#isPackagerInterrupted) {
			this.#isPackagerInterrupted = true;
			this.#current?.interrupt();
			this.#deps.packager.interrupt();
		}
	}

	#watch(): void {
		this.#followWallClock();
		const silentMs = this.#deps.clock.monotonicMs() - this.#lastMediaAtMs;
		const usualMs = this.#current?.usualSilenceMs ?? 0;
		if (silentMs > Math.max(SILENCE_MS, usualMs) && this.#machine.state === 'live') {
			this.#machine.handle('media-stopped');
		}
		if (silentMs > Math.max(INTERRUPTION_MS, usualMs)) {
			this.#interrupt();
		}
		if (!this.#hasBeenLive && silentMs > FIRST_MEDIA_TIMEOUT_MS) {
			void this.#current?.close('timed-out');
			if (this.#current === undefined) {
				this.#endUnlessReserved('start-failed');
			}
		}
		this.#watchBitrate();
		const pending = this.#pending;
		if (pending !== undefined && this.#deps.clock.monotonicMs() - pending.lastMediaAtMs > FIRST_MEDIA_TIMEOUT_MS) {
			void pending.close('timed-out');
		}
	}

	#followWallClock(): void {
		const stepMs = this.#wallClock.takeStepMs();
		if (stepMs !== 0) {
			const { logger } = this.#deps;
			logger.warn({ stepMs: Math.round(stepMs) }, "the machine's clock was set; dates of the broadcast follow it");
			this.#startedAtMs += stepMs;
			this.#current?.wallClockStepped(stepMs);
			this.#pending?.wallClockStepped(stepMs);
		}
	}

	#watchBitrate(): void {
		const contribution = this.#current;
		const { videoBitrateBps = 0, audioBitrateBps = 0 } = contribution?.observer.health ?? {};
		const nowMs = this.#deps.clock.monotonicMs();
		if (contribution === undefined || videoBitrateBps + audioBitrateBps <= this.#deps.maxPublisherBitrateBps) {
			this.#overBitrateSinceMs = undefined;
			return;
		}
		this.#overBitrateSinceMs ??= nowMs;
		if (nowMs - this.#overBitrateSinceMs >= OVER_BITRATE_MS) {
			this.#overBitrateSinceMs = undefined;
			const bitrateBps = Math.round(videoBitrateBps + audioBitrateBps);
			const { id: publisherId } = contribution.publisher;
			this.#deps.logger.warn({ publisherId, bitrateBps }, 'a publisher sends too much and is closed');
			void contribution.close('bitrate-too-high');
		}
	}

	async #openRouter(): Promise<void> {
		const router = await this.#deps.createRouter();
		if (this.#scope.closed) {
			await router.close('broadcast-ended');
			return;
		}
		this.#router = router;
		router.stage.on('keyFrameRequested', () => this.#current?.publisher.requestKeyFrame());
		router.on('closed', (reason) => {
			if (this.#router === router) {
				this.#router = undefined;
			}
			if (reason === 'worker-died' && !this.#scope.closed) {
				this.#reopenRouter(1);
			}
		});
		this.#current?.restartStage();
	}

	#reopenRouter(attempt: number): void {
		this.#scope.after(this.#deps.clock, retryDelayMs(STAGE_RETRY, attempt, 0)!, () => {
			this.#openRouter().catch((error: unknown) => {
				this.#deps.logger.warn({ reason: errorMessage(error) }, 'the stage cannot be made again yet');
				this.#reopenRouter(attempt + 1);
			});
		});
	}

	async #tearDown(reason: BroadcastEndReason): Promise<void> {
		this.#graceTimer.disarm();
		const publisherReason = reason === 'server-shutdown' ? 'server-shutdown' : 'unpublished';
		await Promise.all([this.#current?.close(publisherReason), this.#pending?.close(publisherReason), ...this.#closing]);
		this.#deps.packager.end();
		await this.#router?.close(reason === 'server-shutdown' ? 'server-shutdown' : 'broadcast-ended');
		this.emit('ended', reason);
	}
}

const END_EVENTS = {
	unpublished: 'unpublished',
	'grace-window-expired': 'grace-window-expired',
	'start-failed': 'start-failed',
	'server-shutdown': 'server-stopped',
} as const satisfies Record<BroadcastEndReason, BroadcastEvent>;
