/**
 * Which segments a rendition lists, which have left the list and can still be fetched, and when those are forgotten.
 */
import { segmentSeconds, type Segment } from './segment.ts';

/** However much memory is short, this many complete segments stay listed: players need three target durations. */
const LEAST_SEGMENT_COUNT = 6;

/** The sliding window of one rendition. */
export class SegmentWindow {
	readonly #forget: (segment: Segment) => void;
	readonly #listed: Segment[] = [];
	readonly #removed: { segment: Segment; deleteAtSeconds: number }[] = [];
	#windowSeconds: number;
	#removedDiscontinuityCount = 0;
	#earlyEvictionCount = 0;

	/** `forget` is called for each segment that can no longer be fetched. */
	constructor(forget: (segment: Segment) => void, windowSeconds: number) {
		this.#forget = forget;
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

	/** Segments forgotten before they might have been, to keep the memory bound. */
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

	/** Moves on; `mediaSeconds` is all media so far. */
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
			this.#forget(this.#removed.shift()!.segment);
		}
	}

	/** Makes the window shorter, because memory is short. Never longer again: viewers have seen the short one. */
	shrink(windowSeconds: number, mediaSeconds: number): void {
		this.#windowSeconds = Math.min(this.#windowSeconds, windowSeconds);
		this.slide(mediaSeconds);
	}

	/** Forgets the oldest removed segment ahead of its time. False when there is none. */
	evictEarly(): boolean {
		const oldest = this.#removed.shift();
		if (oldest === undefined) {
			return false;
		}
		this.#forget(oldest.segment);
		this.#earlyEvictionCount++;
		return true;
	}
}
