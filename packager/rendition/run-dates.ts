/**
 * The dates (EXT-X-PROGRAM-DATE-TIME) of one run: one line from the timeline to capture time for all its tracks. So
 * dates advance by the durations, and players can align sound to picture by them. Pure.
 */
import type { TrackId } from '../../core/media/access-unit.ts';

/**
 * Capture times of the leading track may differ from the line by this much. They have the publisher's whole
 * milliseconds and become more exact with time. A date that differs from the durations by 1 ms makes shaka-player
 * 5.2.12 move the segment (segment_reference.js, syncAgainst). The player then loses the pictures up to the next
 * independent part. hls.js 1.7.4 loses its place. `prft` has the capture time of every part.
 */
const TOLERANCE_MS = 50;
/** The line moves after so many segments off in a row: that is the publisher's clock, not a moment's jitter. */
const SEGMENTS_OFF = 3;

/** One per run, shared by its tracks. */
export class RunDates {
	readonly #leadingTrackId: TrackId;
	/** Capture time of timeline position 0. */
	#epochMs: number;
	#offCount = 0;

	/** The leading track alone moves the line; an encoder's times follow its source's late. */
	constructor(leadingTrackId: TrackId, start: { startSeconds: number; captureTimeMs: number }) {
		this.#leadingTrackId = leadingTrackId;
		this.#epochMs = start.captureTimeMs - start.startSeconds * 1000;
	}

	/**
	 * The date of a segment that begins at `startSeconds` of the timeline and whose first sample has `captureTimeMs`:
	 * whole milliseconds, as playlists have them.
	 *
	 * hls.js 1.7.4 places the other tracks next to the leading one by their dates. Where that puts a segment's end later
	 * than its last sample, even by half a millisecond, the buffer ends before the segment does. Then it loads neither
	 * that segment again nor the next (base-stream-controller.js, isLoopLoading): it stands still until it is 6 s behind.
	 * So the leading track is dated up to 1 ms late and the others 1 to 2 ms early.
	 */
	dateMs(trackId: TrackId, startSeconds: number, captureTimeMs: number): number {
		if (trackId === this.#leadingTrackId) {
			const epochMs = captureTimeMs - startSeconds * 1000;
			this.#offCount = Math.abs(epochMs - this.#epochMs) > TOLERANCE_MS ? this.#offCount + 1 : 0;
			if (this.#offCount === SEGMENTS_OFF) {
				this.#epochMs = epochMs;
				this.#offCount = 0;
			}
		}
		const dateMs = this.#epochMs + startSeconds * 1000;
		return trackId === this.#leadingTrackId ? Math.ceil(dateMs) : Math.floor(dateMs) - 1;
	}
}
