/** A part (Partial Segment): the addressable piece of a segment that EXT-X-PART lists. */

/** One part, complete. Its bytes are in the live window under its name, unless it is a gap. */
export type Part = {
	/**
	 * File name next to the playlist. Parts are numbered through the whole broadcast, not per segment. So the next part's
	 * name is known before it is known whether it opens a segment. A preload hint is therefore never wrong.
	 */
	name: string;
	/** Decode time of the first sample. */
	startTicks: number;
	durationTicks: number;
	/** Contains a frame that decodes alone. */
	isIndependent: boolean;
	/** Nothing was received for this time; there are no bytes (GAP=YES). */
	isGap: boolean;
	sizeBytes: number;
	sampleCount: number;
};

/** Name of the n-th part of a rendition (from 1). */
export function partName(number: number): string {
	return `part${number}.m4s`;
}

/** Name of the n-th gap part. Never fetched, but must differ from the names of real parts. */
export function gapName(number: number): string {
	return `gap${number}.m4s`;
}
