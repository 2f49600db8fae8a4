/**
 * Slides a WebRTC playback back from live, or forth to it, by its receivers' `jitterBufferTarget`: pure decisions.
 * Measured in Chromium 156 (docs/decisions.md): a new target moves the picture at once, with a freeze or a jump as long
 * as the difference, while the sound creeps there by stretching, 35–50 ms a second. So the sound is given its aim at
 * once, and the picture is led beside it in steps that nobody sees. The browser's own lip sync pulls the sound after
 * the picture only while they are apart, so on the way to live the picture goes a little ahead.
 */

import type { DelayTarget } from '../playback/playback.ts';

/** What the slide sees at one step; milliseconds. `…AheadMs`: how much nearer to live it plays than it should. */
type SlideInput = {
	/** The picture against where it shall be. */
	pictureAheadMs: number;
	/** The sound against where it shall be; undefined without sound. */
	soundAheadMs: number | undefined;
};

/** {@link SlideInput} of a playback that is watched. */
type LeadInput = SlideInput & {
	/** Of its picture, on any clock that runs evenly. */
	latencyMs: number;
};

/** `jitterBufferTarget` refuses more (W3C webrtc-extensions: 4000 ms). */
const MAX_TARGET_MS = 4000;
/** Step of the picture, every {@link SLIDE_INTERVAL_MS}: 7.5 % slower or faster, half a frame at 30 a second. */
const PICTURE_STEP_MS = 15;
/** ITU-R BT.1359-1: sound that comes 45 ms early is noticed, late only from 125 ms on. */
const SOUND_EARLY_MS = 40;
const SOUND_LATE_MS = 110;
/** Unseen, a correction smaller than this is not worth a freeze of the hidden picture. */
const JUMP_FROM_MS = 20;

/** Chromium shows a frame some 40 ms after its jitter buffer let it go, capture and network included. */
const WEBRTC_OWN_LATENCY_MS = 40;
/** Of LL-HLS at the front, where it is not known. */
const USUAL_HLS_LATENCY_MS = 700;

/**
 * How far a new WebRTC leg is to be held back to play beside LL-HLS of this latency. A latency that no receiver can be
 * held back by is of a viewer who paused, or stalled, and goes to the front now.
 */
export function startDelayMs(hlsLatencyMs: number | undefined): number {
	const delayMs = Math.round((hlsLatencyMs ?? USUAL_HLS_LATENCY_MS) - WEBRTC_OWN_LATENCY_MS);
	return delayMs > MAX_TARGET_MS ? USUAL_HLS_LATENCY_MS - WEBRTC_OWN_LATENCY_MS : Math.max(0, delayMs);
}

/** How often {@link DelaySlide} is to be asked. */
export const SLIDE_INTERVAL_MS = 200;

/** One per WebRTC playback; remembers the targets that are set. */
export class DelaySlide {
	#target: DelayTarget;
	/** The target that the frames of the last few tenths of a second were shown by. */
	#seenPictureMs: number;
	/** Least latency that the picture had above its target; on the clock of {@link LeadInput.latencyMs}. */
	#ownLatencyMs = Infinity;

	constructor(initialMs: number) {
		this.#target = { pictureMs: clampTarget(initialMs), soundMs: clampTarget(initialMs) };
		this.#seenPictureMs = this.#target.pictureMs;
	}

	/** What is set now. */
	get target(): DelayTarget {
		return this.#target;
	}

	/** Nobody sees it: the picture goes there in one step, and the sound as fast as it can. */
	jump({ pictureAheadMs }: SlideInput): DelayTarget {
		return Math.abs(pictureAheadMs) < JUMP_FROM_MS ? this.#target : this.#set(this.#target.pictureMs + pictureAheadMs);
	}

	/**
	 * It is watched: the picture goes in small steps, as far as the sound comes along. Where the machine is too busy,
	 * the browser holds the picture beside sound that is late, far behind its target: so the aim is reckoned from the
	 * least that was ever seen above the target. An aim that followed what is held would lead both past it, and back,
	 * for half a minute.
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
	 * Back to live while watched, both in the same steps: far above its target Chromium would hurry the sound by 20 %.
	 * `pictureAheadOfSoundMs`: undefined without sound.
	 */
	relax(pictureAheadOfSoundMs: number | undefined): DelayTarget {
		const mayStep = pictureAheadOfSoundMs === undefined || pictureAheadOfSoundMs < SOUND_LATE_MS;
		return mayStep ? this.#set(this.#target.pictureMs - PICTURE_STEP_MS) : this.#target;
	}

	/** Both at 0: nothing is held back any more. */
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
