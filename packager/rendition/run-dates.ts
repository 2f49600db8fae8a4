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
/** Dates of segments that those who follow may still ask for: they are seconds behind at most. */
const REMEMBERED_DATES = 32;

/** Whose dates a run has. */
type RunDatesTracks = {
	/** Moves the line. An encoder's times follow its source's late. */
	leaderId: TrackId;
	/** The picture whose segments the followers' are equal to, dates included. */
	pictureId?: TrackId | undefined;
	followerIds?: ReadonlySet<TrackId>;
};

/** One per run, shared by its tracks. */
export class RunDates {
	readonly #tracks: RunDatesTracks;
	/** Of the picture's segments, by their start. */
	readonly #pictureDatesMs = new Map<number, number>();
	/** Capture time of timeline position 0. */
	#epochMs: number;
	#offCount = 0;

	constructor(tracks: RunDatesTracks, start: { startSeconds: number; captureTimeMs: number }) {
		this.#tracks = tracks;
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
		const { leaderId, pictureId, followerIds } = this.#tracks;
		const isFollower = pictureId !== undefined && followerIds?.has(trackId) === true;
		// The line may have moved since.
		const pictureMs = isFollower ? this.#pictureDatesMs.get(startSeconds) : undefined;
		if (pictureMs !== undefined) {
			return pictureMs;
		}
		if (trackId === leaderId) {
			this.#moveLine(captureTimeMs - startSeconds * 1000);
		}
		const exactMs = this.#epochMs + startSeconds * 1000;
		const dateMs = (isFollower ? pictureId : trackId) === leaderId ? Math.ceil(exactMs) : Math.floor(exactMs) - 1;
		if (trackId === pictureId) {
			this.#remember(startSeconds, dateMs);
		}
		return dateMs;
	}

	#moveLine(epochMs: number): void {
		this.#offCount = Math.abs(epochMs - this.#epochMs) > TOLERANCE_MS ? this.#offCount + 1 : 0;
		if (this.#offCount === SEGMENTS_OFF) {
			this.#epochMs = epochMs;
			this.#offCount = 0;
		}
	}

	#remember(startSeconds: number, dateMs: number): void {
		this.#pictureDatesMs.set(startSeconds, dateMs);
		if (this.#pictureDatesMs.size > REMEMBERED_DATES) {
			const [oldest] = this.#pictureDatesMs.keys();
			this.#pictureDatesMs.delete(oldest!);
		}
	}
}
