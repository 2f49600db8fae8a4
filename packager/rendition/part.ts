/** A part (Partial Segment): the addressable piece of a segment that EXT-X-PART lists. */

/** What is kept of a sample, so that its part can be described again (recording) or rewritten (encryption). */
type SampleFacts = {
	sizeBytes: number;
	durationTicks: number;
	compositionOffsetTicks: number;
	isSync: boolean;
};

/** One part, complete. Its bytes are in the live window under its name, unless it is a gap. */
export type Part = {
	/**
	 * File name beside the playlist. Parts count through the whole broadcast, not per segment: so the name of the next
	 * part is known before anyone knows whether it opens a new segment, and a preload hint is never wrong.
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
	samples: readonly SampleFacts[];
};

/** Name of the n-th part of a rendition (from 1). */
export function partName(number: number): string {
	return `part${number}.m4s`;
}

/** Name of the n-th gap part. Never fetched, but must not be a name that a real part gets. */
export function gapName(number: number): string {
	return `gap${number}.m4s`;
}
