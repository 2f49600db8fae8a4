/** Brings two legs to the same content during a change of tiers, and the new one back to live after it. Pure. */
import { aheadMs } from '../measure/alignment.ts';
import { DelaySlide, SLIDE_INTERVAL_MS, startDelayMs } from './delay-slide.ts';
import type { LegReading, StageAction } from './hand-over-types.ts';
import type { SwapKind } from './hand-over-state.ts';

/** How much further the second leg is than the first; undefined while not known. */
type LegDistance = { pictureAheadMs: number | undefined; soundAheadMs: number | undefined };

/** Two legs at one moment. */
type LegPair = { nowMs: number; first: LegReading; second: LegReading };

/** Further apart than this, LL-HLS is on its way to the front. */
const FAR_MS = 2000;
/** The sound reaches live when it will; then the picture may go, too. */
const RELAX_DEADLINE_MS = 60_000;

/**
 * How much further the second one is than the first. `standsStill`: the first one shows nothing new, its last picture
 * counts.
 */
export function compareLegs({ first, second }: LegPair, kind: SwapKind, standsStill: boolean): LegDistance {
	if (kind === 'emergency' || kind === 'resume') {
		// But for an emergency that only the server knows of: then nothing is compared.
		const isMoving = !standsStill && first.positionMs !== undefined;
		return {
			pictureAheadMs: aheadMs(second.latestMs, isMoving ? undefined : first.latestMs),
			soundAheadMs: undefined,
		};
	}
	const [firstMs, secondMs] = [first.positionMs, second.positionMs];
	return {
		pictureAheadMs: aheadMs(secondMs, firstMs),
		// LL-HLS has its sound on the picture's clock.
		soundAheadMs: first.tier === 'webrtc' ? aheadMs(secondMs, first.soundMs) : aheadMs(second.soundMs, firstMs),
	};
}

/** One per player. */
export class LegAligner {
	/** Of the WebRTC leg, shown or pending. */
	#slide = new DelaySlide(0);
	#lastSlideMs = -Infinity;

	/** Another WebRTC leg begins: at live, or as late as what is watched. Returns its delay. */
	begin(watched: LegReading | undefined): number {
		const delayMs = watched === undefined ? 0 : startDelayMs(watched.latencyMs);
		this.#slide = new DelaySlide(delayMs);
		return delayMs;
	}

	/** True when the WebRTC leg is at live. */
	get isRelaxed(): boolean {
		return this.#slide.isRelaxed;
	}

	/** Moves one of the legs a little, when it is time. */
	align({ nowMs, first, second }: LegPair, { pictureAheadMs, soundAheadMs }: LegDistance): StageAction[] {
		const isHidden = second.tier === 'webrtc';
		// A jump shows in the moments only when those from before it are gone.
		if (nowMs - this.#lastSlideMs < (isHidden ? 4 : 1) * SLIDE_INTERVAL_MS || pictureAheadMs === undefined) {
			return [];
		}
		// What is watched was just sent to the front, and is not there yet: sound led after it would take seconds to
		// come back.
		if (Math.abs(pictureAheadMs) > FAR_MS) {
			return [];
		}
		this.#lastSlideMs = nowMs;
		if (isHidden) {
			return [{ do: 'slide', leg: 'pending', target: this.#slide.jump({ pictureAheadMs, soundAheadMs }) }];
		}
		const target = this.#slide.lead({
			pictureAheadMs: -pictureAheadMs,
			soundAheadMs: soundAheadMs === undefined ? undefined : -soundAheadMs,
			latencyMs: nowMs - first.positionMs!,
		});
		// A leg that cannot come nearer to live, for the network's sake, is met where it is.
		return [
			{ do: 'slide', leg: 'shown', target },
			{ do: 'wait-for', aheadMs: pictureAheadMs },
		];
	}

	/** Lets a leg that was swapped in go back to live, step by step. `forMs`: since the swap. */
	relax(leg: LegReading | undefined, nowMs: number, forMs: number): { isDone: boolean; actions: StageAction[] } {
		if (leg?.delay === undefined || this.#slide.isRelaxed || forMs > RELAX_DEADLINE_MS) {
			this.#slide = new DelaySlide(0);
			return { isDone: true, actions: [{ do: 'slide', leg: 'shown', target: { pictureMs: 0, soundMs: 0 } }] };
		}
		if (nowMs - this.#lastSlideMs < SLIDE_INTERVAL_MS) {
			return { isDone: false, actions: [] };
		}
		this.#lastSlideMs = nowMs;
		const target = this.#slide.relax(aheadMs(leg.positionMs, leg.soundMs));
		return { isDone: false, actions: [{ do: 'slide', leg: 'shown', target }] };
	}
}
