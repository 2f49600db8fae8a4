/** A segment: parts from one cut to the next, and what a playlist says about them. */
import type { Part } from './part.ts';

/** One segment. Parts are added while it is open; it is listed with EXTINF once it is complete. */
export type Segment = {
	mediaSequence: number;
	/** File name next to the playlist. */
	name: string;
	/** Its EXT-X-MAP; undefined for a gap before anything was received. */
	initName: string | undefined;
	/** Count of discontinuities before it, in step between all renditions of the broadcast. */
	discontinuitySequence: number;
	/** EXT-X-DISCONTINUITY precedes it. */
	hasDiscontinuity: boolean;
	/** Ticks per second of its times. */
	timescale: number;
	startTicks: number;
	durationTicks: number;
	/** Epoch milliseconds at which its first sample was captured. */
	programDateTimeMs: number;
	parts: Part[];
	isComplete: boolean;
	sizeBytes: number;
};

/** Name of a segment by its media sequence number. */
export function segmentName(mediaSequence: number): string {
	return `segment${mediaSequence}.m4s`;
}

/** Seconds of media in it so far. */
export function segmentSeconds(segment: Segment): number {
	return segment.durationTicks / segment.timescale;
}

/** True when nothing in it can be fetched (EXT-X-GAP). */
export function isGapSegment(segment: Segment): boolean {
	return segment.parts.every((part) => part.isGap);
}
