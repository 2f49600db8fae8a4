/**
 * Choosing the first and the last picture of a clip. Pure. Pictures are counted from the first one that the clip has
 * now; times are those of what it can be trimmed from, whose start is 0.
 */
import { CLIP_SECONDS, type OwnClip } from '../../../../core/protocol/api/clip.ts';
import type { MediaRange } from '../../player/video/create-video-player.ts';

export type TrimSource = NonNullable<OwnClip['source']>;

/** What can be chosen. */
export type TrimSpan = {
	lengthSeconds: number;
	pictureSeconds: number;
	/** Where picture 0 begins. */
	originSeconds: number;
	/** The earliest picture, and the end of the latest one. */
	earliest: number;
	latest: number;
	/** Pictures of the shortest and the longest clip. */
	least: number;
	most: number;
};

/** `end`: the picture after the last one. */
export type TrimSelection = { start: number; end: number };
export type TrimEdge = keyof TrimSelection;

/** Times are rounded to less than this share of a picture. */
const ROUNDING = 0.01;

export function trimSpan(source: TrimSource): TrimSpan {
	const { frameSeconds: pictureSeconds, startSeconds, earliestSeconds, latestSeconds } = source;
	const pictures = (seconds: number): number => seconds / pictureSeconds;
	const earliest = -Math.floor(pictures(startSeconds - earliestSeconds) + ROUNDING);
	const latest = Math.floor(pictures(latestSeconds - startSeconds) + ROUNDING);
	// What is there may be shorter than the shortest clip, at the start of a broadcast.
	const least = Math.max(1, Math.min(Math.ceil(pictures(CLIP_SECONDS.least) - ROUNDING), latest - earliest));
	return {
		lengthSeconds: latestSeconds - earliestSeconds,
		pictureSeconds,
		originSeconds: startSeconds - earliestSeconds,
		earliest,
		latest,
		least,
		most: Math.max(least, Math.floor(pictures(CLIP_SECONDS.most) + ROUNDING)),
	};
}

/** What the clip has now. */
export function currentSelection({ startSeconds, endSeconds }: TrimSource, span: TrimSpan): TrimSelection {
	return { start: 0, end: Math.min(span.latest, Math.round((endSeconds - startSeconds) / span.pictureSeconds)) };
}

/** Where a picture begins. */
export function secondsOf(span: TrimSpan, picture: number): number {
	return span.originSeconds + picture * span.pictureSeconds;
}

export function rangeOf(span: TrimSpan, { start, end }: TrimSelection): MediaRange {
	return { startSeconds: secondsOf(span, start), endSeconds: secondsOf(span, end) };
}

/** The edge that is nearest to a time. */
export function pictureAt(span: TrimSpan, seconds: number): number {
	return Math.round((seconds - span.originSeconds) / span.pictureSeconds);
}

/** How far an edge can be moved. */
export function edgeLimits(span: TrimSpan, selection: TrimSelection, edge: TrimEdge): { least: number; most: number } {
	return edge === 'start'
		? { least: Math.max(span.earliest, selection.end - span.most), most: selection.end - span.least }
		: { least: selection.start + span.least, most: Math.min(span.latest, selection.start + span.most) };
}

/** Moves an edge to a picture, or as near as it can be. */
export function moveEdge(span: TrimSpan, selection: TrimSelection, edge: TrimEdge, picture: number): TrimSelection {
	const { least, most } = edgeLimits(span, selection, edge);
	return { ...selection, [edge]: Math.min(most, Math.max(least, picture)) };
}

const PAGE_SECONDS = 5;

/** By how many pictures a key moves an edge; undefined for other keys. */
export function keyStep(span: TrimSpan, { key, shiftKey }: { key: string; shiftKey: boolean }): number | undefined {
	const pictures = (seconds: number): number => Math.round(seconds / span.pictureSeconds);
	const step = shiftKey ? pictures(1) : 1;
	switch (key) {
		case 'ArrowLeft':
		case 'ArrowDown':
			return -step;
		case 'ArrowRight':
		case 'ArrowUp':
			return step;
		case 'PageDown':
			return -pictures(PAGE_SECONDS);
		case 'PageUp':
			return pictures(PAGE_SECONDS);
		case 'Home':
			return -Infinity;
		case 'End':
			return Infinity;
		default:
			return undefined;
	}
}

/** The middle of the first or the last picture, where a seek shows it. */
export function previewSeconds(span: TrimSpan, selection: TrimSelection, edge: TrimEdge): number {
	return secondsOf(span, edge === 'start' ? selection.start + 0.5 : selection.end - 0.5);
}

/** For the server: in the time of the source's playlist. */
export function trimBody(source: TrimSource, span: TrimSpan, selection: TrimSelection): MediaRange {
	const { startSeconds, endSeconds } = rangeOf(span, selection);
	return {
		startSeconds: source.earliestSeconds + startSeconds,
		endSeconds: source.earliestSeconds + endSeconds,
	};
}
