/**
 * Chooses the player's tier: the server's decision while there is a signaling socket, otherwise what the viewer wants
 * and the network allows.
 */
import type { Clock } from '../../../../core/lifecycle/clock.ts';
import { Timer } from '../../../../core/lifecycle/timer.ts';
import type { TierDecision } from '../../../../core/protocol/signaling/signaling-messages.ts';
import type { SignalingClient } from '../signaling/signaling-client.ts';
import type { HandOver } from './hand-over.ts';
import type { DeliveryTier } from '../../../../core/protocol/tiers.ts';

/** The join answer names the tier; the picture waits for it no longer than this. */
const JOIN_PATIENCE_MS = 700;
/** Without a server's decision, a failed WebRTC is tried again after this, and then at doubling intervals. */
const FIRST_RETRY_MS = 30_000;
const MAX_RETRY_MS = 600_000;
/** A viewer who goes to live has no seat until the server decides, and waits for that no longer than this. */
const SEAT_PATIENCE_MS = 600;

/** A test passes fakes. @internal for tests */
export type TierChooserDeps = {
	clock: Clock;
	handOver: Pick<HandOver, 'choose' | 'goLive' | 'dropPicture' | 'on' | 'shown' | 'isBehindLive' | 'isAway'>;
	signaling: Pick<SignalingClient, 'on' | 'pin' | 'tierPlays' | 'tierFailed' | 'state'>;
};

export class TierChooser {
	readonly #deps: TierChooserDeps;
	readonly #unsubscribe: Array<() => void> = [];
	#wantedTier: DeliveryTier;
	#decision: TierDecision | undefined;
	#hasBegun = false;
	readonly #patience: Timer;
	readonly #retry: Timer;
	#retryAfterMs = FIRST_RETRY_MS;
	readonly #seatPatience: Timer;
	#isPinned: boolean;

	/** `initialTier`: the viewer's, from the address of the page. */
	constructor(deps: TierChooserDeps, { initialTier }: { initialTier: DeliveryTier }) {
		this.#deps = deps;
		this.#patience = new Timer(deps.clock, () => this.#begin());
		this.#retry = new Timer(deps.clock, () => {
			if (this.#wantedTier === 'webrtc' && !this.#isLed) {
				deps.handOver.choose('webrtc', 'tried again');
			}
		});
		this.#seatPatience = new Timer(deps.clock, () => this.#goLiveNow());
		this.#wantedTier = initialTier;
		this.#isPinned = initialTier === 'll-hls';
	}

	/** Starts to play as soon as the server has decided on the tier, or after a short wait. */
	start(): void {
		const { handOver, signaling } = this.#deps;
		this.#unsubscribe.push(
			signaling.on('decided', (decision) => this.#apply(decision)),
			signaling.on('stateChanged', (state) => {
				if (state === 'waiting' || state === 'refused') {
					this.#begin();
				}
			}),
			handOver.on('swapped', (tier) => signaling.tierPlays(tier)),
			handOver.on('changed', () => this.#pin()),
			handOver.on('mayChange', () => this.#choose('back to live')),
			handOver.on('rewindOver', () => this.goLive()),
			handOver.on('tierFailed', (tier, cause) => {
				const wasSent = signaling.tierFailed(tier, cause);
				if (cause === 'line-too-poor' && !wasSent) {
					handOver.dropPicture();
				}
				if (tier === 'webrtc' && !this.#isLed && cause !== 'unsupported') {
					this.#retryLater();
				}
			}),
		);
		this.#patience.arm(JOIN_PATIENCE_MS);
	}

	/** The viewer's choice. LL-HLS is applied at once; WebRTC when the server has a free seat. */
	choose(tier: DeliveryTier): void {
		this.#wantedTier = tier;
		this.#retry.disarm();
		this.#hasBegun = true;
		if (tier === 'webrtc' && this.#deps.handOver.isBehindLive) {
			this.goLive();
			return;
		}
		const wasSent = this.#pin(true);
		if (tier === 'll-hls' || !wasSent || this.#decision?.tier === 'webrtc') {
			this.#deps.handOver.choose(tier, 'chosen');
		}
	}

	/** Returns to live, in the tier that the server has a place for. */
	goLive(): void {
		const { handOver } = this.#deps;
		this.#seatPatience.arm(SEAT_PATIENCE_MS);
		const isAway = handOver.isAway;
		this.#pin();
		if (!isAway || this.#isPinned || !this.#isLed) {
			this.#goLiveNow();
		}
	}

	close(): void {
		this.#unsubscribe.forEach((remove) => remove());
		this.#patience.disarm();
		this.#retry.disarm();
		this.#seatPatience.disarm();
	}

	#goLiveNow(): void {
		this.#seatPatience.disarm();
		this.#deps.handOver.goLive(this.#isLed ? this.#decision!.tier : this.#wantedTier);
	}

	/**
	 * A viewer behind live holds no seat: they are pinned to LL-HLS for so long. Sent when it changes, or always.
	 * True: the server knows.
	 */
	#pin(isAlways = false): boolean {
		const isAway = this.#deps.handOver.isAway && !this.#seatPatience.isArmed;
		const isPinned = this.#wantedTier === 'll-hls' || isAway;
		if (isPinned === this.#isPinned && !isAlways) {
			return true;
		}
		this.#isPinned = isPinned;
		return this.#deps.signaling.pin(isPinned);
	}

	#choose(reason: string): void {
		const { handOver } = this.#deps;
		if (handOver.shown !== undefined) {
			handOver.choose(this.#isLed ? this.#decision!.tier : this.#wantedTier, reason);
		}
	}

	get #isLed(): boolean {
		return this.#deps.signaling.state === 'joined' && this.#decision !== undefined;
	}

	#apply(decision: TierDecision): void {
		const { handOver, signaling } = this.#deps;
		this.#decision = decision;
		this.#retry.disarm();
		if (!this.#hasBegun) {
			this.#begin();
			return;
		}
		if (this.#seatPatience.isArmed) {
			this.#goLiveNow();
			return;
		}
		if (handOver.isBehindLive && !handOver.isAway) {
			// They are on their way to live.
			handOver.goLive(decision.tier);
			return;
		}
		if (handOver.isBehindLive && decision.tier === 'webrtc') {
			// The viewer watches behind the live edge; the tier changes when they return to it.
			return;
		}
		if (handOver.shown?.tier === decision.tier) {
			handOver.choose(decision.tier);
			signaling.tierPlays(decision.tier);
		} else {
			handOver.choose(decision.tier, decision.reason, decision.isEmergency);
		}
	}

	#begin(): void {
		this.#patience.disarm();
		if (!this.#hasBegun) {
			this.#hasBegun = true;
			const tier = this.#decision?.tier ?? this.#wantedTier;
			this.#deps.handOver.choose(tier, this.#decision?.reason ?? 'start');
			this.#deps.signaling.tierPlays(tier);
		}
	}

	#retryLater(): void {
		this.#retry.arm(this.#retryAfterMs);
		this.#retryAfterMs = Math.min(MAX_RETRY_MS, this.#retryAfterMs * 2);
	}
}
