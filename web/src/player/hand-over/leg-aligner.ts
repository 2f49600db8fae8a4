/** Brings two legs to the same content during a change of tiers, and the new one back to live after it. */
import type { Clock } from '../../../../core/lifecycle/clock.ts';
import { aheadMs } from '../measure/alignment.ts';
import { DelaySlide, SLIDE_INTERVAL_MS, startDelayMs } from './delay-slide.ts';
import type { SwapKind } from './hand-over-state.ts';
import type { Playback } from '../playback/playback.ts';

/** How much further the second leg is than the first; undefined while not known. */
export type LegDistance = { pictureAheadMs: number | undefined; soundAheadMs: number | undefined };

/** Further apart than this, LL-HLS is on its way to the front. */
const FAR_MS = 2000;
/** The sound reaches live when it will; then the picture may go, too. */
const RELAX_DEADLINE_MS = 60_000;

/** How much further the second one is than the first. `standsStill`: the first one shows nothing new, its last picture counts. */
export function compareLegs(
	{ first, second, kind, standsStill }: { first: Playback; second: Playback; kind: SwapKind; standsStill: boolean },
	nowMs: number,
): LegDistance {
	const position = second.shownMoments.positionMs(nowMs);
	if (kind === 'emergency' || kind === 'resume') {
		// But for an emergency that only the server knows of: then nothing is compared.
		const isMoving = !standsStill && first.shownMoments.positionMs(nowMs) !== undefined;
		const last = isMoving ? undefined : first.shownMoments.latest;
		return {
			pictureAheadMs: aheadMs(second.shownMoments.latest?.captureTimeMs, last?.captureTimeMs),
			soundAheadMs: undefined,
		};
	}
	const webrtc = first.tier === 'webrtc' ? first : second;
	const sound = webrtc.delay?.playedSound();
	const soundPosition = sound === undefined ? undefined : sound.captureTimeMs + nowMs - sound.playedAtMs;
	const firstPosition = first.shownMoments.positionMs(nowMs);
	return {
		pictureAheadMs: aheadMs(position, firstPosition),
		// LL-HLS has its sound on the picture's clock.
		soundAheadMs: webrtc === first ? aheadMs(position, soundPosition) : aheadMs(soundPosition, firstPosition),
	};
}

/** One per player. */
export class LegAligner {
	readonly #clock: Clock;
	/** Of the WebRTC leg, shown or pending. */
	#slide = new DelaySlide(0);
	#lastSlideMs = -Infinity;

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** Another WebRTC leg begins: at live, or as late as what is watched. Returns its delay. */
	begin(watched: Playback | undefined): number {
		const delayMs = watched === undefined ? 0 : startDelayMs(watched.statistics().latencyMs);
		this.#slide = new DelaySlide(delayMs);
		return delayMs;
	}

	/** True when the WebRTC leg is at live. */
	get isRelaxed(): boolean {
		return this.#slide.isRelaxed;
	}

	/** Moves one of the legs a little, when it is time. */
	align(first: Playback, second: Playback, distance: LegDistance): void {
		const nowMs = this.#clock.monotonicMs();
		const isHidden = second.tier === 'webrtc';
		const { pictureAheadMs, soundAheadMs } = distance;
		// A jump shows in the moments only when those from before it are gone.
		if (nowMs - this.#lastSlideMs < (isHidden ? 4 : 1) * SLIDE_INTERVAL_MS || pictureAheadMs === undefined) {
			return;
		}
		// What is watched was just sent to the front, and is not there yet: sound led after it would take seconds to come back.
		if (Math.abs(pictureAheadMs) > FAR_MS) {
			return;
		}
		this.#lastSlideMs = nowMs;
		const sign = isHidden ? 1 : -1;
		const slideInput = {
			pictureAheadMs: sign * pictureAheadMs,
			soundAheadMs: soundAheadMs === undefined ? undefined : sign * soundAheadMs,
		};
		const target = isHidden
			? this.#slide.jump(slideInput)
			: this.#slide.lead({ ...slideInput, latencyMs: nowMs - first.shownMoments.positionMs(nowMs)! });
		(isHidden ? second : first).delay?.setTarget(target);
		if (!isHidden) {
			// A leg that cannot come nearer to live, for the network's sake, is met where it is.
			second.timeShift?.waitFor(pictureAheadMs);
		}
	}

	/** Lets a leg that was swapped in go back to live, step by step. `forMs`: since the swap. True when it is there. */
	relax(playback: Playback | undefined, forMs: number): boolean {
		const nowMs = this.#clock.monotonicMs();
		if (playback?.delay === undefined || this.#slide.isRelaxed || forMs > RELAX_DEADLINE_MS) {
			playback?.delay?.setTarget({ pictureMs: 0, soundMs: 0 });
			this.#slide = new DelaySlide(0);
			return true;
		}
		if (nowMs - this.#lastSlideMs >= SLIDE_INTERVAL_MS) {
			this.#lastSlideMs = nowMs;
			const sound = playback.delay.playedSound();
			const soundPosition = sound === undefined ? undefined : sound.captureTimeMs + nowMs - sound.playedAtMs;
			const ahead = aheadMs(playback.shownMoments.positionMs(nowMs), soundPosition);
			playback.delay.setTarget(this.#slide.relax(ahead));
		}
		return false;
	}
}
