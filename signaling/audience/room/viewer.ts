/** One viewer of a channel on this node: what they can, what they were told, what they say that they do. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import type { ViewerId } from '../../../core/ids.ts';
import type { TierDecision, ViewerStatistics } from '../../../core/protocol/signaling/signaling-messages.ts';
import type { JoinMessage, ViewerConnection, ViewerMessage } from '../socket/viewer-session.ts';
import type { TierVerdict, TierViewer, ViewerRole } from '../tiers/tier-input.ts';
import type { DeliveryTier } from '../../../core/protocol/tiers.ts';

/** How long a WebRTC transport may take from the decision to the WHEP request and its first picture. */
const OPENING_MS = 20_000;
/** WebRTC that has played this long is no longer held to be failing. */
const FORGIVEN_AFTER_MS = 60_000;
/** What a player says of WebRTC so long after their SFU worker died is no fault of theirs. */
const WORKER_LOSS_MS = 10_000;
/** A reason or place in the waiting list that changes without the tier is told this often at most. */
const EXPLAIN_INTERVAL_MS = 5000;
/** Statistics older than this say nothing about now; players send them every 5 s. */
const STATISTICS_LIFE_MS = 15_000;

/** What {@link Viewer.decide} did: `switched` is told at once, `explained` is the same tier with other words. */
type VerdictEffect = 'first' | 'switched' | 'explained' | 'none';

/** Holds state; who is told what is the room's business. */
export class Viewer {
	readonly id: ViewerId;
	readonly joinedAtMs: number;
	readonly #clock: Clock;
	/** Undefined while they are away for a moment, and for those who only send beacons. */
	connection: ViewerConnection | undefined;
	/** Of the newest socket; undefined for those who only send beacons. */
	address: string | undefined;
	/** Counted until then without a connection; undefined while there is one. */
	leaseUntilMs: number | undefined;
	role: ViewerRole = 'viewer';
	lastChatAtMs: number | undefined;
	isInChat = false;
	#canWebRtc = false;
	#canHls = true;
	#isPinnedToHls = false;
	#failedAtMs: number | undefined;
	#failureCount = 0;
	#failureCause: TierViewer['failureCause'];
	#workerLostAtMs = -Infinity;
	#decision: TierDecision | undefined;
	#isExplained = true;
	#explainedAtMs = -Infinity;
	#openingUntilMs = -Infinity;
	#playing: { tier: DeliveryTier; sinceMs: number } | undefined;
	#statistics: { value: ViewerStatistics; atMs: number } | undefined;

	constructor(id: ViewerId, clock: Clock) {
		this.id = id;
		this.#clock = clock;
		this.joinedAtMs = clock.nowMs();
	}

	/** What they were told last; undefined for a newcomer. */
	get decision(): TierDecision | undefined {
		return this.#decision;
	}

	/** The tier that they say plays. */
	get playingTier(): DeliveryTier | undefined {
		return this.#playing?.tier;
	}

	/** The newest statistics, unless they are too old. */
	get statistics(): ViewerStatistics | undefined {
		const { value, atMs } = this.#statistics ?? { value: undefined, atMs: 0 };
		return this.#clock.monotonicMs() - atMs <= STATISTICS_LIFE_MS ? value : undefined;
	}

	/** What a join says, the first one or one after a reconnect. */
	take(message: JoinMessage): void {
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

	/** What they say about themselves later. Chat is not among it. */
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

	/** Their last WebRTC transport is closed. */
	transportClosed(): void {
		this.#openingUntilMs = -Infinity;
		if (this.#playing?.tier === 'webrtc') {
			this.#playing = undefined;
		}
	}

	/** Their SFU worker has just died. Their player may have told so before we knew. */
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

	/** As the tier controller wants it: plain data. `hasTransport`: a WebRTC transport of theirs lives here. */
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
			// What is unproven is not held: nothing has come of it.
			holdsWebRtc: !isUnproven && this.holdsWebRtc(hasTransport),
			isUnproven,
		};
	}

	/** Takes the controller's answer. */
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
		this.#told();
		if (verdict.tier === 'webrtc' && this.playingTier !== 'webrtc') {
			this.#openingUntilMs = this.#clock.monotonicMs() + OPENING_MS;
		}
		return previous === undefined ? 'first' : 'switched';
	}

	#explain(): VerdictEffect {
		if (this.#isExplained || this.#clock.monotonicMs() - this.#explainedAtMs < EXPLAIN_INTERVAL_MS) {
			return 'none';
		}
		this.#told();
		return 'explained';
	}

	#told(): void {
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
		this.#failedAtMs = this.#clock.nowMs();
		this.#failureCount++;
		this.#failureCause = cause;
	}
}
