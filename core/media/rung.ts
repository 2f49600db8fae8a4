/** The ladder's vocabulary: the rungs below the source. */
import type { RungName } from '../protocol/ladder-choice.ts';
import { VIDEO_CLOCK_RATE } from '../units.ts';

/** One picture below the source, on the source's timeline, its key frames those of the source. */
export type VideoRung = {
	kind: 'video';
	/** What viewers and logs call it. Nothing is read from it. */
	name: RungName;
	/** The width follows the source's shape. */
	heightPixels: number;
	/** Pictures a second at most; a source above it loses every second picture. */
	frameRate: number;
	/** Ceiling; simple pictures need less. */
	maxBitrateBps: number;
	/**
	 * The publisher's simulcast layer that it is, by its place in the offer, and whether its key frames are the source's.
	 * Absent: an encoder makes it.
	 */
	layer?: { number: number; isAligned: boolean };
};

/** The sound for lines that carry only the lowest rungs. */
export type AudioRung = {
	kind: 'audio';
	bitrateBps: number;
};

export type Rung = VideoRung | AudioRung;

/** What a picture is named by, upright or not: 720 for 1280x720 and for 720x1280. */
export function shortSide({ widthPixels, heightPixels }: { widthPixels: number; heightPixels: number }): number {
	return Math.min(widthPixels, heightPixels);
}

/** The highest frame rate that an encoder puts out, give or take the jitter that is allowed for. */
export const MAX_ENCODED_FRAME_RATE = 60;

/**
 * A picture that is kept follows the last one kept by at least this share of a picture's time. With jitter of up to
 * 6 ms, 30 pictures a second stay 30 and 60 become 30; with jitter of up to 3 ms, 60 stay 60.
 */
const LEAST_INTERVAL_SHARE = 0.8;

/**
 * Seconds by which a picture has to follow the last one kept, to be kept; a key frame is always kept. The encoder
 * selects pictures by it, and who follows the source's borders knows by it which pictures come. It lies half a tick
 * before a tick of the video clock, so that no rounding decides.
 */
export function leastIntervalSeconds(frameRate: number): number {
	const ticks = Math.round((LEAST_INTERVAL_SHARE / frameRate) * VIDEO_CLOCK_RATE) - 0.5;
	return Math.round((ticks / VIDEO_CLOCK_RATE) * 1e7) / 1e7;
}
