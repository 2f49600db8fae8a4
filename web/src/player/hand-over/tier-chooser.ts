/**
 * Decides which tier the player is to play in: as the server says while there is a signaling socket, else as the viewer
 * wishes and the network allows. Speaks to the {@link HandOver} and never to a playback.
 */
import type { Clock } from '../../../../core/lifecycle/clock.ts';
import { Timer } from '../../../../core/lifecycle/timer.ts';
import type { TierDecision } from '../../../../core/protocol/signaling/signaling-messages.ts';
import type { SignalingClient } from '../signaling/signaling-client.ts';
import type { HandOver } from './hand-over.ts';
import type { DeliveryTier } from '../../../../core/protocol/tiers.ts';

/** The join answer names the tier; a picture is not kept waiting for it longer than this. */
const JOIN_PATIENCE_MS = 700;
/** Without a server that says when, a failed WebRTC is tried again after this, and then ever more seldom. */
const FIRST_RETRY_MS = 30_000;
const MAX_RETRY_MS = 600_000;

/** The parts that are used; a test passes fakes. @internal for tests */
export type TierChooserOptions = {
	clock: Clock;
	handOver: Pick<HandOver, 'choose' | 'goLive' | 'dropPicture' | 'on' | 'shown' | 'isBehindLive'>;
	signaling: Pick<SignalingClient, 'on' | 'pin' | 'tierPlays' | 'tierFailed' | 'state'>;
	/** The viewer's, from the address of the page. */
	initialTier: DeliveryTier;
};

/** One per player. */
export class TierChooser {
	readonly #options: TierChooserOptions;
	readonly #unsubscribe: Array<() => void> = [];
	#wantedTier: DeliveryTier;
	#decision: TierDecision | undefined;
	#hasBegun = false;
	readonly #patience: Timer;
	readonly #retry: Timer;
	#retryAfterMs = FIRST_RETRY_MS;

	constructor(options: TierChooserOptions) {
		this.#options = options;
		this.#patience = new Timer(options.clock, () => this.#begin());
		this.#retry = new Timer(options.clock, () => {
			if (this.#wantedTier === 'webrtc' && !this.#isLed) {
				options.handOver.choose('webrtc', 'tried again');
			}
		});
		this.#wantedTier = options.initialTier;
	}

	/** Begins to play as soon as the server has said in which tier, or does not say. */
	start(): void {
		const { handOver, signaling } = this.#options;
		this.#unsubscribe.push(
			signaling.on('decided', (decision) => this.#apply(decision)),
			signaling.on('stateChanged', (state) => {
				if (state === 'waiting' || state === 'refused') {
					this.#begin();
				}
			}),
			handOver.on('swapped', (tier) => signaling.tierPlays(tier)),
			handOver.on('mayChange', () => this.#choose('back to live')),
			handOver.on('tierFailed', (tier, cause) => {
				const wasTold = signaling.tierFailed(tier, cause);
				if (cause === 'line-too-poor' && !wasTold) {
					handOver.dropPicture();
				}
				if (tier === 'webrtc' && !this.#isLed && cause !== 'unsupported') {
					this.#retryLater();
				}
			}),
		);
		this.#patience.arm(JOIN_PATIENCE_MS);
	}

	/** The viewer's own choice. LL-HLS is granted at once; WebRTC when the server has room. */
	choose(tier: DeliveryTier): void {
		this.#wantedTier = tier;
		this.#retry.disarm();
		const wasTold = this.#options.signaling.pin(tier === 'll-hls');
		this.#hasBegun = true;
		if (tier === 'webrtc' && this.#options.handOver.isBehindLive) {
			this.#options.handOver.goLive();
		}
		if (tier === 'll-hls' || !wasTold || this.#decision?.tier === 'webrtc') {
			this.#options.handOver.choose(tier, 'chosen');
		}
	}

	/** Back to the front, and to the tier that the viewer is to be in. */
	goLive(): void {
		this.#options.handOver.goLive();
	}

	/** Ends for good. */
	close(): void {
		this.#unsubscribe.forEach((remove) => remove());
		this.#patience.disarm();
		this.#retry.disarm();
	}

	#choose(reason: string): void {
		const { handOver } = this.#options;
		if (handOver.shown !== undefined) {
			handOver.choose(this.#isLed ? this.#decision!.tier : this.#wantedTier, reason);
		}
	}

	/** The server leads. */
	get #isLed(): boolean {
		return this.#options.signaling.state === 'joined' && this.#decision !== undefined;
	}

	#apply(decision: TierDecision): void {
		const { handOver, signaling } = this.#options;
		this.#decision = decision;
		this.#retry.disarm();
		if (!this.#hasBegun) {
			this.#begin();
			return;
		}
		if (handOver.isBehindLive && decision.tier === 'webrtc') {
			// They watch what is past; the tier changes when they come back to the front.
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
			this.#options.handOver.choose(tier, this.#decision?.reason ?? 'start');
			this.#options.signaling.tierPlays(tier);
		}
	}

	#retryLater(): void {
		this.#retry.arm(this.#retryAfterMs);
		this.#retryAfterMs = Math.min(MAX_RETRY_MS, this.#retryAfterMs * 2);
	}
}
