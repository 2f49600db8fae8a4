/**
 * Slides a WebRTC playback away from live, or back to it, by its receivers' `jitterBufferTarget`: pure decisions.
 * Measured in Chromium 156 (docs/decisions.md): a new target moves the picture at once, with a freeze or a jump of the
 * same length. The sound is stretched by only 35–50 ms a second. So the sound gets its final target at once, and the
 * picture follows in steps too small to see. The browser's lip sync pulls the sound after the picture only while they
 * differ, so on the way to live the picture moves slightly ahead.
 */

import type { DelayTarget } from '../playback/playback.ts';

/** What the slide sees at one step. `…AheadMs`: how much nearer to live it plays than its aim. */
type SlideInput = {
	pictureAheadMs: number;
	soundAheadMs: number | undefined;
};

type LeadInput = SlideInput & {
	/** Of the picture, on any steady clock. */
	latencyMs: number;
};

/** The maximum of `jitterBufferTarget` (W3C webrtc-extensions: 4000 ms). */
const MAX_TARGET_MS = 4000;
/** Step of the picture, every {@link SLIDE_INTERVAL_MS}: 7.5 % slower or faster, half a frame at 30 a second. */
const PICTURE_STEP_MS = 15;
/** ITU-R BT.1359-1: sound is noticed from 45 ms early, and from 125 ms late. */
const SOUND_EARLY_MS = 40;
const SOUND_LATE_MS = 110;
/** A smaller correction is not worth a freeze of the hidden picture. */
const JUMP_FROM_MS = 20;

/** The sound alone has settled when it moved by less than this for so long: it slides by at least 35 ms a second. */
const SETTLED_WITHIN_MS = 15;
const SETTLED_FOR_MS = 1000;

/** Chromium shows a frame some 40 ms after its jitter buffer releases it, capture and network included. */
const WEBRTC_OWN_LATENCY_MS = 40;
/** Of LL-HLS at the live edge, where it is not measured. */
const USUAL_HLS_LATENCY_MS = 700;

/**
 * How long to hold back a new WebRTC leg so that it plays in step with LL-HLS of this latency. A latency over the
 * maximum is of a viewer who paused or stalled, and who returns to the live edge now.
 */
export function startDelayMs(hlsLatencyMs: number | undefined): number {
	const delayMs = Math.round((hlsLatencyMs ?? USUAL_HLS_LATENCY_MS) - WEBRTC_OWN_LATENCY_MS);
	return delayMs > MAX_TARGET_MS ? USUAL_HLS_LATENCY_MS - WEBRTC_OWN_LATENCY_MS : Math.max(0, delayMs);
}

/** The interval at which {@link DelaySlide} is called. */
export const SLIDE_INTERVAL_MS = 200;

/** One per WebRTC playback. */
export class DelaySlide {
	#target: DelayTarget;
	/** The target that applied to the frames of the last few tenths of a second. */
	#seenPictureMs: number;
	/** The picture's least latency above its target, on the clock of {@link LeadInput.latencyMs}. */
	#ownLatencyMs = Infinity;
	/** Where the sound alone was when it last moved. */
	#moved: { latencyMs: number; atMs: number } | undefined;

	constructor(initialMs: number) {
		this.#target = { pictureMs: clampTarget(initialMs), soundMs: clampTarget(initialMs) };
		this.#seenPictureMs = this.#target.pictureMs;
	}

	get target(): DelayTarget {
		return this.#target;
	}

	/** While hidden: the picture moves in one step, and the sound as fast as it can. */
	jump({ pictureAheadMs }: SlideInput): DelayTarget {
		return Math.abs(pictureAheadMs) < JUMP_FROM_MS ? this.#target : this.#set(this.#target.pictureMs + pictureAheadMs);
	}

	/**
	 * While watched: the picture moves in small steps, as far as the sound follows. On a busy machine the browser holds
	 * the picture far behind its target, in step with late sound. So the aim is computed from the least latency ever seen
	 * above the target. An aim that follows the held picture overshoots and returns, for half a minute.
	 */
	lead({ pictureAheadMs, soundAheadMs, latencyMs }: LeadInput): DelayTarget {
		this.#ownLatencyMs = Math.min(this.#ownLatencyMs, latencyMs - this.#seenPictureMs);
		const aimMs = latencyMs + pictureAheadMs - this.#ownLatencyMs;
		const missingMs = aimMs - this.#target.pictureMs;
		const skewMs = soundAheadMs === undefined ? 0 : pictureAheadMs - soundAheadMs;
		const mayStep = missingMs > 0 ? skewMs > -SOUND_EARLY_MS : skewMs < SOUND_LATE_MS;
		const stepMs = mayStep ? Math.max(-PICTURE_STEP_MS, Math.min(PICTURE_STEP_MS, missingMs)) : 0;
		return this.#set(this.#target.pictureMs + stepMs, aimMs);
	}

	/**
	 * The sound alone: its target is set at once, and again only when the sound has got there. On its way it is behind
	 * its target, and a target that follows it overshoots. `aheadMs`: of its aim. `latencyMs`: on any steady clock.
	 */
	creep({ aheadMs, latencyMs, nowMs }: { aheadMs: number; latencyMs: number; nowMs: number }): DelayTarget {
		const moved = this.#moved;
		if (moved !== undefined) {
			if (Math.abs(latencyMs - moved.latencyMs) > SETTLED_WITHIN_MS) {
				this.#moved = { latencyMs, atMs: nowMs };
				return this.#target;
			}
			if (nowMs - moved.atMs < SETTLED_FOR_MS) {
				return this.#target;
			}
		}
		if (Math.abs(aheadMs) < JUMP_FROM_MS) {
			return this.#target;
		}
		this.#moved = { latencyMs, atMs: nowMs };
		return this.#set(this.#target.soundMs + aheadMs);
	}

	/**
	 * Back to live while watched, both in the same steps: far above its target, Chromium speeds the sound up by 20 %.
	 * `pictureAheadOfSoundMs`: undefined without sound.
	 */
	relax(pictureAheadOfSoundMs: number | undefined): DelayTarget {
		const mayStep = pictureAheadOfSoundMs === undefined || pictureAheadOfSoundMs < SOUND_LATE_MS;
		return mayStep ? this.#set(this.#target.pictureMs - PICTURE_STEP_MS) : this.#target;
	}

	get isRelaxed(): boolean {
		return this.#target.pictureMs === 0 && this.#target.soundMs === 0;
	}

	#set(pictureMs: number, soundMs = pictureMs): DelayTarget {
		this.#seenPictureMs = this.#target.pictureMs;
		this.#target = { pictureMs: clampTarget(pictureMs), soundMs: clampTarget(soundMs) };
		return this.#target;
	}
}

function clampTarget(targetMs: number): number {
	return Math.max(0, Math.min(MAX_TARGET_MS, Math.round(targetMs)));
}
