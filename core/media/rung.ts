/** The ladder's vocabulary: the rungs below the source. */
import type { RungName } from '../protocol/ladder-choice.ts';

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
};

/** The sound for lines that carry only the lowest rungs. */
export type AudioRung = {
	kind: 'audio';
	bitrateBps: number;
};

export type Rung = VideoRung | AudioRung;

/** A picture of a rung follows the one before it by at least this share of a picture's time, key frames excepted. */
const LEAST_INTERVAL_SHARE = 0.975;
/** For rungs at the full rate: 60 Hz in whole milliseconds passes, 72 Hz and more loses pictures. */
const LEAST_INTERVAL_SHARE_FULL_RATE = 0.87;

/** The highest frame rate that an encoder puts out. */
export const MAX_ENCODED_FRAME_RATE = 60;

/**
 * Seconds by which a picture has to follow the last one kept, to be kept; a key frame is always kept. The encoder
 * selects pictures by it, and who follows the source's borders knows by it which pictures come.
 */
export function leastIntervalSeconds(frameRate: number): number {
	const share = frameRate >= MAX_ENCODED_FRAME_RATE ? LEAST_INTERVAL_SHARE_FULL_RATE : LEAST_INTERVAL_SHARE;
	return Math.round((share / frameRate) * 10_000) / 10_000;
}
