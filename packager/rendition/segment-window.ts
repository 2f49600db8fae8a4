/** Which segments a rendition lists, which left the list but can still be fetched, and when those are deleted. */
import { segmentSeconds, type Segment } from './segment.ts';

/** Complete segments that stay listed however short memory is: players need three target durations. */
const LEAST_SEGMENT_COUNT = 6;

export class SegmentWindow {
	readonly #deleteMedia: (segment: Segment) => void;
	readonly #listed: Segment[] = [];
	readonly #removed: { segment: Segment; deleteAtSeconds: number }[] = [];
	#windowSeconds: number;
	#removedDiscontinuityCount = 0;
	#earlyEvictionCount = 0;

	/** `deleteMedia` is called for each segment that can no longer be fetched. */
	constructor(deleteMedia: (segment: Segment) => void, windowSeconds: number) {
		this.#deleteMedia = deleteMedia;
		this.#windowSeconds = windowSeconds;
	}

	/** Oldest first; the last one may be open. */
	get listed(): readonly Segment[] {
		return this.#listed;
	}

	/** Listed segments with a discontinuity that have left. */
	get removedDiscontinuityCount(): number {
		return this.#removedDiscontinuityCount;
	}

	get earlyEvictionCount(): number {
		return this.#earlyEvictionCount;
	}

	add(segment: Segment): void {
		this.#listed.push(segment);
	}

	/** True when a segment that can be fetched has this init segment. */
	uses(initName: string): boolean {
		return (
			this.#listed.some((segment) => segment.initName === initName) ||
			this.#removed.some(({ segment }) => segment.initName === initName)
		);
	}

	/** Slides the window; `mediaSeconds` is all media so far. */
	slide(mediaSeconds: number): void {
		let listedSeconds = this.#listed.reduce((sum, segment) => sum + segmentSeconds(segment), 0);
		while (this.#listed.length > LEAST_SEGMENT_COUNT) {
			const oldest = this.#listed[0]!;
			const oldestSeconds = segmentSeconds(oldest);
			if (listedSeconds - oldestSeconds < this.#windowSeconds) {
				break;
			}
			this.#listed.shift();
			if (oldest.hasDiscontinuity) {
				this.#removedDiscontinuityCount++;
			}
			// §6.2.2: it stays available for its own duration plus that of the playlists it was listed in.
			this.#removed.push({ segment: oldest, deleteAtSeconds: mediaSeconds + oldestSeconds + listedSeconds });
			listedSeconds -= oldestSeconds;
		}
		while (this.#removed.length > 0 && this.#removed[0]!.deleteAtSeconds <= mediaSeconds) {
			this.#deleteMedia(this.#removed.shift()!.segment);
		}
	}

	shrink(windowSeconds: number, mediaSeconds: number): void {
		this.#windowSeconds = Math.min(this.#windowSeconds, windowSeconds);
		this.slide(mediaSeconds);
	}

	evictEarly(): boolean {
		const oldest = this.#removed.shift();
		if (oldest === undefined) {
			return false;
		}
		this.#deleteMedia(oldest.segment);
		this.#earlyEvictionCount++;
		return true;
	}
}
