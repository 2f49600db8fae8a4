/** Stretches of a video for which nothing was received: its publisher was away, or a segment was lost. Pure. */
import type { MediaRange } from '../measure/buffered-ranges.ts';

/** A segment of a media playlist; `gap`: with EXT-X-GAP (draft-pantos-hls-rfc8216bis §4.4.4.7). */
type ListedSegment = { start: number; duration: number; gap?: boolean };

/** Segments that touch are rounded to this. */
const ROUNDING_SECONDS = 0.05;
/** How far behind the start of the media to seek, so that rounding cannot miss them. */
const WITHIN_SECONDS = 0.02;

export function gapsOf(segments: readonly ListedSegment[]): MediaRange[] {
	const gaps: MediaRange[] = [];
	for (const { start, duration, gap } of segments) {
		const last = gaps.at(-1);
		if (gap !== true) {
			continue;
		}
		if (last !== undefined && start - last.endSeconds < ROUNDING_SECONDS) {
			last.endSeconds = start + duration;
		} else {
			gaps.push({ startSeconds: start, endSeconds: start + duration });
		}
	}
	return gaps;
}

/** Where to play instead: after the gap, or the same time where there is none. `endSeconds`: of the video. */
export function skipGap(gaps: readonly MediaRange[], seconds: number, endSeconds: number): number {
	const gap = gaps.find(
		({ startSeconds, endSeconds: until }) =>
			seconds > startSeconds - ROUNDING_SECONDS && seconds < until - ROUNDING_SECONDS,
	);
	// After the last one there is nothing yet.
	return gap === undefined || gap.endSeconds > endSeconds - ROUNDING_SECONDS
		? seconds
		: gap.endSeconds + WITHIN_SECONDS;
}
