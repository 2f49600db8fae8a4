/** Which part of a recording a clip is: from places in time to whole segments, and back. Pure. */
import { endOf, sourceTrack, type RecordedSegment, type RecordedTrack, type RecordedWindow } from './vod-playlist.ts';

/** Borders that are nearer than this are the same: durations are printed with fewer digits. */
const EPSILON_SECONDS = 0.001;
/** A segment that has less of a clip is left out: two frames of sound. */
const OVERLAP_SECONDS = 0.05;

/**
 * The whole segments that have the media from `startSeconds` to `endSeconds`, as the window of a playlist; undefined
 * while there is none.
 */
export function clipWindow(
	tracks: readonly RecordedTrack[],
	{ startSeconds, endSeconds }: RecordedWindow,
): RecordedWindow | undefined {
	const media = mediaOf(sourceTrack(tracks)?.segments ?? []);
	const within = media.filter(
		(segment) => endOf(segment) > startSeconds + EPSILON_SECONDS && segment.startSeconds < endSeconds - EPSILON_SECONDS,
	);
	const [first, last] = [within[0], within.at(-1)];
	return first && last && { startSeconds: first.startSeconds, endSeconds: endOf(last) };
}

/**
 * The window for another track of the same clip: whole segments, too. Those of sound end where they want, and up to a
 * second of it is missing otherwise, at both ends.
 */
export function coveringWindow(segments: readonly RecordedSegment[], window: RecordedWindow): RecordedWindow {
	const within = segments.filter(
		(segment) =>
			endOf(segment) > window.startSeconds + OVERLAP_SECONDS &&
			segment.startSeconds < window.endSeconds - OVERLAP_SECONDS,
	);
	const [first, last] = [within[0], within.at(-1)];
	return {
		startSeconds: Math.min(window.startSeconds, first?.startSeconds ?? Infinity),
		endSeconds: Math.max(window.endSeconds, last === undefined ? -Infinity : endOf(last)),
	};
}

/**
 * Where a capture time is on the timeline, by the dates of a playlist. Before the first segment it is that one's start,
 * behind the last one it continues.
 */
export function secondsAtDate(segments: readonly RecordedSegment[], capturedAtMs: number): number | undefined {
	const index = Math.max(
		0,
		segments.findLastIndex((segment) => segment.capturedAtMs <= capturedAtMs),
	);
	const [segment, next] = [segments[index], segments[index + 1]];
	if (segment === undefined) {
		return undefined;
	}
	const seconds = segment.startSeconds + Math.max(0, capturedAtMs - segment.capturedAtMs) / 1000;
	// Times that no segment has are those of the next one.
	return next === undefined ? seconds : Math.min(seconds, next.startSeconds);
}

/** Segments with bytes in which a place lies, give or take `marginSeconds`; where there is none, those next to it. */
export function segmentsAround(
	segments: readonly RecordedSegment[],
	seconds: number,
	marginSeconds: number,
): RecordedSegment[] {
	const media = mediaOf(segments);
	const near = media.filter(
		(segment) => segment.startSeconds <= seconds + marginSeconds && endOf(segment) >= seconds - marginSeconds,
	);
	if (near.length > 0) {
		return near;
	}
	const before = media.findLast((segment) => endOf(segment) < seconds);
	const after = media.find((segment) => segment.startSeconds > seconds);
	return [before, after].filter((segment) => segment !== undefined);
}

/** Those with bytes. */
export function mediaOf(segments: readonly RecordedSegment[]): RecordedSegment[] {
	return segments.filter(({ isGap }) => !isGap);
}
