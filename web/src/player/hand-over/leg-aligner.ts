/** Moves two legs to the same content during a hand-over, and the new one back to live after it. Pure. */
import { aheadMs } from '../measure/alignment.ts';
import { DelaySlide, SLIDE_INTERVAL_MS, startDelayMs } from './delay-slide.ts';
import type { LegReading, StageAction } from './hand-over-types.ts';
import type { SwapKind } from './hand-over-state.ts';

/** How far the second leg is ahead of the first; undefined while unknown. */
type LegDistance = { pictureAheadMs: number | undefined; soundAheadMs: number | undefined };

type LegPair = { nowMs: number; first: LegReading; second: LegReading };

/** Further apart than this, LL-HLS is on its way to the live edge. */
const FAR_MS = 2000;
/** After this the picture returns to live too, even when the sound has not. */
const RELAX_DEADLINE_MS = 60_000;

/** How far the second leg is ahead. `standsStill`: the first one shows nothing new, and its last picture counts. */
export function compareLegs({ first, second }: LegPair, kind: SwapKind, standsStill: boolean): LegDistance {
	if (kind === 'emergency') {
		// A first leg that still moves is in an emergency that only the server detects: then nothing is compared.
		const isMoving = !standsStill && first.positionMs !== undefined;
		return {
			pictureAheadMs: aheadMs(second.latestMs, isMoving ? undefined : first.latestMs),
			soundAheadMs: undefined,
		};
	}
	const [firstMs, secondMs] = [first.positionMs, second.positionMs];
	return {
		pictureAheadMs: aheadMs(secondMs, firstMs),
		// In LL-HLS the sound has the position of the picture.
		soundAheadMs: first.tier === 'webrtc' ? aheadMs(secondMs, first.soundMs) : aheadMs(second.soundMs, firstMs),
	};
}

export class LegAligner {
	/** Of the WebRTC leg, shown or pending. */
	#slide = new DelaySlide(0);
	#lastSlideMs = -Infinity;

	/** Another WebRTC leg starts: at live, or as late as the watched leg. Returns its delay. */
	begin(watched: LegReading | undefined): number {
		const delayMs = watched === undefined ? 0 : startDelayMs(watched.latencyMs);
		this.#slide = new DelaySlide(delayMs);
		return delayMs;
	}

	get isRelaxed(): boolean {
		return this.#slide.isRelaxed;
	}

	align({ nowMs, first, second }: LegPair, { pictureAheadMs, soundAheadMs }: LegDistance): StageAction[] {
		const isHidden = second.tier === 'webrtc';
		// A jump shows in the moments only when those from before it are gone.
		if (nowMs - this.#lastSlideMs < (isHidden ? 4 : 1) * SLIDE_INTERVAL_MS || pictureAheadMs === undefined) {
			return [];
		}
		// The watched leg jumps to the live edge and is not there yet: moving the sound now takes seconds to undo.
		if (Math.abs(pictureAheadMs) > FAR_MS) {
			return [];
		}
		const moved = isHidden ? second : first;
		if (moved.delay?.isSoundAlone === true && !moved.isSteady) {
			return [];
		}
		this.#lastSlideMs = nowMs;
		const leg = isHidden ? 'pending' : 'shown';
		if (moved.delay?.isSoundAlone === true) {
			const aheadMs = isHidden ? pictureAheadMs : -pictureAheadMs;
			const target = this.#slide.creep({ aheadMs, latencyMs: nowMs - moved.positionMs!, nowMs });
			const slide = { do: 'slide', leg, target } as const;
			return isHidden ? [slide] : [slide, { do: 'align-with', aheadMs: pictureAheadMs }];
		}
		if (isHidden) {
			return [{ do: 'slide', leg, target: this.#slide.jump({ pictureAheadMs, soundAheadMs }) }];
		}
		const target = this.#slide.lead({
			pictureAheadMs: -pictureAheadMs,
			soundAheadMs: soundAheadMs === undefined ? undefined : -soundAheadMs,
			latencyMs: nowMs - first.positionMs!,
		});
		// Where the network keeps the shown leg from coming nearer to live, the second one aligns with it.
		return [
			{ do: 'slide', leg, target },
			{ do: 'align-with', aheadMs: pictureAheadMs },
		];
	}

	/** Moves a leg that was swapped in back to live, step by step. `forMs`: since the swap. */
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
