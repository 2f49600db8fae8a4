/**
 * Stretches of a video, or of a broadcast that is rewound, for which nothing was received: its publisher was away, or a
 * segment was lost. Pure.
 */
import type { MediaRange } from './buffered-ranges.ts';

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

/** The time so many seconds of media later, or earlier when negative: gaps take no time. */
export function moveBy(gaps: readonly MediaRange[], fromSeconds: number, bySeconds: number): number {
	let target = fromSeconds + bySeconds;
	const isForward = bySeconds > 0;
	for (const { startSeconds, endSeconds } of isForward ? gaps : gaps.toReversed()) {
		const isOnTheWay = isForward
			? endSeconds > fromSeconds && startSeconds < target
			: startSeconds < fromSeconds && endSeconds > target;
		if (isOnTheWay) {
			// From inside of one, only the rest of it.
			const lengthSeconds = isForward
				? endSeconds - Math.max(startSeconds, fromSeconds)
				: Math.min(endSeconds, fromSeconds) - startSeconds;
			target += isForward ? lengthSeconds : -lengthSeconds;
		}
	}
	return target;
}
