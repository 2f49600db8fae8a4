/** The buffered ranges of a video element, and where to play in them. Pure. */

type BufferedMedia = Pick<HTMLVideoElement, 'buffered' | 'currentTime'>;

/** A stretch of media on the element's timeline. */
export type MediaRange = { startSeconds: number; endSeconds: number };

/** This far before its start counts as inside a range, as in hls.js's maxBufferHole. */
const BEFORE_SECONDS = 0.1;
/** A hole between segments where one was cut short. */
const MAX_HOLE_SECONDS = 0.5;

/** From the playhead to the end of its range. */
export function bufferedAheadSeconds({ buffered, currentTime }: BufferedMedia): number {
	const around = rangesOf(buffered).find(
		({ startSeconds, endSeconds }) => currentTime >= startSeconds - BEFORE_SECONDS && currentTime < endSeconds,
	);
	return around === undefined ? 0 : around.endSeconds - currentTime;
}

/** The start of the longest range. */
export function startOfLongest({ buffered }: BufferedMedia): number | undefined {
	const lengthOf = ({ startSeconds, endSeconds }: MediaRange): number => endSeconds - startSeconds;
	return rangesOf(buffered).toSorted((one, other) => lengthOf(other) - lengthOf(one))[0]?.startSeconds;
}

/** The start of the range after the hole at the playhead. */
export function startAfterHole({ buffered, currentTime }: BufferedMedia): number | undefined {
	return rangesOf(buffered).find(
		({ startSeconds }) => startSeconds > currentTime && startSeconds < currentTime + MAX_HOLE_SECONDS,
	)?.startSeconds;
}

export function rangesOf(buffered: TimeRanges): MediaRange[] {
	return Array.from({ length: buffered.length }, (_, index) => ({
		startSeconds: buffered.start(index),
		endSeconds: buffered.end(index),
	}));
}
