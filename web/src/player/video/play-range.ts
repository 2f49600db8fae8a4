/** A stretch of a playlist that is played as if it were all that there is, as a clip is. Pure. */
import type { MediaRange } from '../measure/buffered-ranges.ts';

/** Into the first picture, so that rounding cannot show the one before it: half a picture at 120 a second. */
const WITHIN_SECONDS = 0.004;

/** Where to seek for the first picture. */
export function firstPicture(startSeconds: number): number {
	return startSeconds + WITHIN_SECONDS;
}

/** Where to seek for the last picture: its middle. `endSeconds`: where it ends. */
export function lastPicture(endSeconds: number, pictureSeconds: number): number {
	return Math.max(0, endSeconds - pictureSeconds / 2);
}

/** Whether the picture with this media time is the last one, or one after it. */
export function isLastPicture(mediaSeconds: number, endSeconds: number, pictureSeconds: number): boolean {
	// The next one would begin at the end; times are rounded.
	return mediaSeconds + pictureSeconds * 1.5 > endSeconds;
}

/** Stretches of the playlist in the time of the range. */
export function withinRange(ranges: readonly MediaRange[], range: MediaRange | undefined): readonly MediaRange[] {
	if (range === undefined) {
		return ranges;
	}
	const place = (seconds: number): number =>
		Math.min(Math.max(seconds, range.startSeconds), range.endSeconds) - range.startSeconds;
	return ranges
		.map(({ startSeconds, endSeconds }) => ({ startSeconds: place(startSeconds), endSeconds: place(endSeconds) }))
		.filter(({ startSeconds, endSeconds }) => endSeconds > startSeconds);
}
