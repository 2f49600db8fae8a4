/** What a video element has buffered, and where in it to play. Pure. */

/** The part of a video element that is read. */
type BufferedMedia = Pick<HTMLVideoElement, 'buffered' | 'currentTime'>;

type Range = { startSeconds: number; endSeconds: number };

/** A tenth before its start counts as inside a range, as hls.js's own maxBufferHole does. */
const BEFORE_SECONDS = 0.1;
/** Segments leave a hole between them where one was cut short. */
const MAX_HOLE_SECONDS = 0.5;

/** From the playhead to where it would stop. */
export function bufferedAheadSeconds({ buffered, currentTime }: BufferedMedia): number {
	const around = rangesOf(buffered).find(
		({ startSeconds, endSeconds }) => currentTime >= startSeconds - BEFORE_SECONDS && currentTime < endSeconds,
	);
	return around === undefined ? 0 : around.endSeconds - currentTime;
}

/** Where the longest stretch begins. */
export function startOfLongest({ buffered }: BufferedMedia): number | undefined {
	return rangesOf(buffered).toSorted((one, other) => lengthOf(other) - lengthOf(one))[0]?.startSeconds;
}

/** Where it goes on behind the hole in which the playhead stands. */
export function startAfterHole({ buffered, currentTime }: BufferedMedia): number | undefined {
	return rangesOf(buffered).find(
		({ startSeconds }) => startSeconds > currentTime && startSeconds < currentTime + MAX_HOLE_SECONDS,
	)?.startSeconds;
}

function lengthOf({ startSeconds, endSeconds }: Range): number {
	return endSeconds - startSeconds;
}

function rangesOf(buffered: TimeRanges): Range[] {
	return Array.from({ length: buffered.length }, (_, index) => ({
		startSeconds: buffered.start(index),
		endSeconds: buffered.end(index),
	}));
}
