/** The state of one viewer of a channel on this node: abilities, last decision, what their player reports. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import type { ViewerId } from '../../../core/ids.ts';
import { SHOWN_RUNGS, type ShownRung } from '../../../core/protocol/ladder-choice.ts';
import type {
	PictureWish,
	TierDecision,
	ViewerPicture,
	ViewerStatistics,
} from '../../../core/protocol/signaling/signaling-messages.ts';
import type { JoinMessage, ViewerConnection, ViewerMessage } from '../socket/viewer-session.ts';
import { lesserPicture } from '../tiers/held-pictures.ts';
import type { TierVerdict, TierViewer, ViewerRole } from '../tiers/tier-input.ts';
import type { ViewerEventKind } from './viewer-event-log.ts';
import type { DeliveryTier } from '../../../core/protocol/tiers.ts';

/** How long the WHEP request and the first picture may take after the decision. */
const OPENING_MS = 20_000;
/** Failures of WebRTC are cleared once it has played this long. */
const FORGIVEN_AFTER_MS = 60_000;
/** Server and player judge the line, each by its own evidence: two verdicts within this are one. */
const SAME_VERDICT_MS = 10_000;
/** A failure this long before or after the death of the SFU worker does not count against the viewer's network. */
const WORKER_LOSS_MS = 10_000;
/** Why the server itself closes a session, whatever the viewer's network is like. */
const ENDED_BY_SERVER: readonly string[] = ['broadcast-ended', 'worker-died', 'server-shutdown'];
/** A failure this soon after such an end does not count against the viewer's network. */
const AFTER_END_MS = 10_000;
/** Failures that may come of such an end. The others are facts about the browser or the line. */
const MAY_COME_OF_END: readonly string[] = ['blocked', 'connection-lost', 'refused'];
/** A reason or waiting position that changes without the tier is sent at most this often. */
const EXPLAIN_INTERVAL_MS = 5000;
/** Older statistics are outdated; players send them every 5 s. */
const STATISTICS_LIFE_MS = 15_000;
/** Latency of one viewer goes into the event log this often. */
const LATENCY_LOG_INTERVAL_MS = 60_000;

/** What {@link Viewer.decide} did: `switched` is sent at once, `explained` is the same tier with another reason. */
type VerdictEffect = 'first' | 'switched' | 'explained' | 'none';

export class Viewer {
	readonly id: ViewerId;
	readonly joinedAtMs: number;
	readonly #clock: Clock;
	/** Undefined while they reconnect, and for viewers who only send beacons. */
	connection: ViewerConnection | undefined;
	/** Of the newest socket; undefined for viewers who only send beacons. */
	address: string | undefined;
	/** Until when they count without a connection; undefined while there is one. */
	leaseUntilMs: number | undefined;
	role: ViewerRole = 'viewer';
	lastChatAtMs: number | undefined;
	isInChat = false;
	/** Undefined until their player sends one. */
	pictureWish: PictureWish | undefined;
	/** What their newest WebRTC transport sends; undefined without one. */
	picture: ViewerPicture | undefined;
	#canWebRtc = false;
	#canHls = true;
	#isPinnedToHls = false;
	#failedAtMs: number | undefined;
	#failureCount = 0;
	#failureCause: TierViewer['failureCause'];
	#workerLostAtMs = -Infinity;
	#endedByServerAtMs = -Infinity;
	#decision: TierDecision | undefined;
	#isExplained = true;
	#explainedAtMs = -Infinity;
	#openingUntilMs = -Infinity;
	#playing: { tier: DeliveryTier; sinceMs: number } | undefined;
	#statistics: { value: ViewerStatistics; atMs: number } | undefined;
	#latencyLoggedAtMs = -Infinity;

	constructor(id: ViewerId, clock: Clock) {
		this.id = id;
		this.#clock = clock;
		this.joinedAtMs = clock.nowMs();
	}

	/** The last decision; undefined for a newcomer. */
	get decision(): TierDecision | undefined {
		return this.#decision;
	}

	get playingTier(): DeliveryTier | undefined {
		return this.#playing?.tier;
	}

	/** The newest statistics, unless they are too old. */
	get statistics(): ViewerStatistics | undefined {
		const { value, atMs } = this.#statistics ?? { value: undefined, atMs: 0 };
		return this.#clock.monotonicMs() - atMs <= STATISTICS_LIFE_MS ? value : undefined;
	}

	/** It has carried no picture over WebRTC, and not yet one for long since. */
	get hasPoorLine(): boolean {
		return this.#failureCause === 'line-too-poor';
	}

	/** Applies a join: the first one, or one after a reconnect. */
	applyJoin(message: JoinMessage): void {
		this.#canWebRtc = message.canWebRtc;
		this.#canHls = message.canHls;
		this.#isPinnedToHls = message.isPinnedToHls;
		const { playingTier } = message;
		if (playingTier === undefined) {
			this.#playing = undefined;
			this.#decision = undefined;
		} else {
			this.#recordPlaying(playingTier);
		}
	}

	/** Applies a later report of the player. */
	record(message: Extract<ViewerMessage, { type: 'tier-playing' | 'tier-failed' | 'pin' | 'statistics' }>): void {
		switch (message.type) {
			case 'tier-playing':
				this.#recordPlaying(message.tier);
				break;
			case 'tier-failed':
				this.#recordFailure(message.tier, message.cause);
				break;
			case 'pin':
				this.#isPinnedToHls = message.isPinnedToHls;
				break;
			case 'statistics':
				this.#statistics = { value: message, atMs: this.#clock.monotonicMs() };
				break;
		}
	}

	/** What new statistics add to the event log: every stall, and the latency once a minute. Call it before record(). */
	statisticsEvents(statistics: ViewerStatistics): [ViewerEventKind, Record<string, string | number>][] {
		const { tier, stallCount, stalledForMs, latencyMs } = statistics;
		const events: ReturnType<Viewer['statisticsEvents']> = [];
		const newStallCount = stallCount - (this.statistics?.stallCount ?? stallCount);
		if (newStallCount > 0) {
			events.push(['stall', { tier, count: newStallCount, stalledForMs }]);
		}
		const nowMs = this.#clock.monotonicMs();
		if (latencyMs !== undefined && nowMs - this.#latencyLoggedAtMs >= LATENCY_LOG_INTERVAL_MS) {
			this.#latencyLoggedAtMs = nowMs;
			events.push(['latency', { tier, latencyMs }]);
		}
		return events;
	}

	transportClosed(reason: string): void {
		if (ENDED_BY_SERVER.includes(reason)) {
			this.#endedByServerAtMs = this.#clock.nowMs();
		}
		this.#openingUntilMs = -Infinity;
		this.picture = undefined;
		if (this.#playing?.tier === 'webrtc') {
			this.#playing = undefined;
		}
	}

	/** Records that their line carries no picture over WebRTC. False: they have no other tier. */
	lineTooPoor(): boolean {
		// Viewers without a socket cannot be moved.
		if (!this.#canHls || this.connection === undefined) {
			return false;
		}
		this.#recordFailure('webrtc', 'line-too-poor');
		return true;
	}

	/** Their SFU worker has just died. Their player may have reported the failure before we noticed. */
	workerLost(): void {
		this.#workerLostAtMs = this.#clock.nowMs();
		if (this.#failedAtMs !== undefined && this.#workerLostAtMs - this.#failedAtMs < WORKER_LOSS_MS) {
			this.#failedAtMs = undefined;
			this.#failureCount--;
			this.#failureCause = undefined;
		}
	}

	/** True while a WebRTC transport of theirs is open or being opened. */
	holdsWebRtc(hasTransport: boolean): boolean {
		return hasTransport || this.playingTier === 'webrtc' || this.#clock.monotonicMs() < this.#openingUntilMs;
	}

	/** The viewer as the tier controller's input. `hasTransport`: this node has a WebRTC transport of theirs. */
	forController(hasTransport: boolean, isUnproven: boolean): Omit<TierViewer, 'decided'> {
		const playing = this.#playing;
		if (playing?.tier === 'webrtc' && this.#clock.monotonicMs() - playing.sinceMs > FORGIVEN_AFTER_MS) {
			this.#failedAtMs = undefined;
			this.#failureCount = 0;
			this.#failureCause = undefined;
		}
		return {
			id: this.id,
			joinedAtMs: this.joinedAtMs,
			role: this.role,
			lastChatAtMs: this.lastChatAtMs,
			canWebRtc: this.#canWebRtc,
			canHls: this.#canHls,
			isPinnedToHls: this.#isPinnedToHls,
			webRtcFailedAtMs: this.#failedAtMs,
			failureCount: this.#failureCount,
			failureCause: this.#failureCause,
			isLineShort: this.statistics?.isLineShort === true,
			// An unproven claim holds no place.
			holdsWebRtc: !isUnproven && this.holdsWebRtc(hasTransport),
			isUnproven,
			bestPicture: lesserPicture(this.pictureWish?.rung ?? 'source', this.#bestByThemselves),
		};
	}

	/** The best picture that their line and their screen allow, one step up included: they may take it at any time. */
	get #bestByThemselves(): ShownRung {
		const { shown = null, limitedBy, rungs = [] } = this.picture ?? {};
		if (shown !== null && limitedBy === 'screen') {
			return shown;
		}
		if (shown !== null && limitedBy === 'line') {
			const better = SHOWN_RUNGS.slice(0, SHOWN_RUNGS.indexOf(shown));
			return better.findLast((name) => rungs.some(({ rung }) => rung === name)) ?? 'source';
		}
		return 'source';
	}

	/** Applies the controller's verdict. */
	decide(verdict: TierVerdict): VerdictEffect {
		const previous = this.#decision;
		const isSame = previous?.tier === verdict.tier;
		if (isSame && previous.reason === verdict.reason && previous.waitingPosition === verdict.waitingPosition) {
			return this.#explain();
		}
		this.#decision = {
			decisionId: isSame ? previous.decisionId : (previous?.decisionId ?? 0) + 1,
			tier: verdict.tier,
			reason: verdict.reason,
			isEmergency: verdict.isEmergency,
			...(verdict.waitingPosition === undefined ? {} : { waitingPosition: verdict.waitingPosition }),
		};
		if (isSame) {
			this.#isExplained = false;
			return this.#explain();
		}
		this.#markExplained();
		if (verdict.tier === 'webrtc' && this.playingTier !== 'webrtc') {
			this.#openingUntilMs = this.#clock.monotonicMs() + OPENING_MS;
		}
		return previous === undefined ? 'first' : 'switched';
	}

	#explain(): VerdictEffect {
		if (this.#isExplained || this.#clock.monotonicMs() - this.#explainedAtMs < EXPLAIN_INTERVAL_MS) {
			return 'none';
		}
		this.#markExplained();
		return 'explained';
	}

	#markExplained(): void {
		this.#isExplained = true;
		this.#explainedAtMs = this.#clock.monotonicMs();
	}

	#recordPlaying(tier: DeliveryTier): void {
		if (tier === 'll-hls') {
			this.#openingUntilMs = -Infinity;
		}
		if (this.#playing?.tier !== tier) {
			this.#playing = { tier, sinceMs: this.#clock.monotonicMs() };
		}
	}

	#recordFailure(tier: DeliveryTier, cause: NonNullable<TierViewer['failureCause']>): void {
		if (this.#playing?.tier === tier) {
			this.#playing = undefined;
		}
		if (tier === 'll-hls') {
			this.#canHls &&= cause !== 'unsupported';
			return;
		}
		this.#openingUntilMs = -Infinity;
		if (this.#clock.nowMs() - this.#workerLostAtMs < WORKER_LOSS_MS) {
			return;
		}
		const isSecondVerdict =
			cause === 'line-too-poor' &&
			this.#failureCause === cause &&
			this.#clock.nowMs() - (this.#failedAtMs ?? -Infinity) < SAME_VERDICT_MS;
		if (isSecondVerdict) {
			return;
		}
		this.#failedAtMs = this.#clock.nowMs();
		const hasEndedLately = this.#failedAtMs - this.#endedByServerAtMs < AFTER_END_MS;
		if (hasEndedLately && MAY_COME_OF_END.includes(cause)) {
			this.#failureCause = 'session-ended';
			return;
		}
		this.#failureCount++;
		this.#failureCause = cause;
	}
}
