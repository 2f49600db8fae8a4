/**
 * The runs of one track that follows the leading picture. When a run directly follows another, the track's encoder
 * still has pictures of the one before. The rendition begins the new run after them, so that none is missing.
 */
import type { AccessUnit } from '../../core/media/access-unit.ts';
import type { FollowingTrackWriter } from '../segmenting/following-track-writer.ts';
import { secondsOf } from '../segmenting/run-gate.ts';
import type { WriteResult } from '../segmenting/track-writer.ts';

/** Pictures of the run before are waited for until the new run is so long. */
const MAX_LATE_SECONDS = 1;
/** Times of the same picture on clocks of different rates. */
const SAME_TIME_SECONDS = 1e-5;

/** Lives as long as its track. */
export class FollowedRuns {
	#current: FollowingTrackWriter | undefined;
	#startSeconds = 0;
	/** The run before, whose pictures still come, and what begins the current one in the rendition. */
	#former: FollowingTrackWriter | undefined;
	#beginInRendition: (() => void) | undefined;

	/** The track follows in the current run. */
	get isFollowing(): boolean {
		return this.#current !== undefined;
	}

	/** It has no media for now. */
	get isAway(): boolean {
		return this.#current?.isAway === true;
	}

	/** Begins a run that starts at `startSeconds`. */
	begin(writer: FollowingTrackWriter, startSeconds: number, beginInRendition: () => void): void {
		this.#current = writer;
		this.#startSeconds = startSeconds;
		if (this.#former === undefined || writer.isAway) {
			this.finishFormer();
			beginInRendition();
		} else {
			this.#beginInRendition = beginInRendition;
		}
	}

	/** Writes a unit to the run of its time; undefined when there is none. */
	write(accessUnit: AccessUnit): WriteResult | undefined {
		if (this.#former !== undefined && secondsOf(accessUnit) < this.#startSeconds - SAME_TIME_SECONDS) {
			const result = this.#former.write(accessUnit);
			if (this.#former.isComplete) {
				this.finishFormer();
			}
			return result;
		}
		this.finishFormer();
		return this.#current?.write(accessUnit);
	}

	/** The leader has come to `leaderSeconds`. */
	follow(leaderSeconds: number): void {
		if (leaderSeconds - this.#startSeconds > MAX_LATE_SECONDS) {
			this.finishFormer();
		}
		if (this.#former === undefined) {
			this.#current?.follow();
		}
	}

	pause(): void {
		this.finishFormer();
		this.#current?.pause();
	}

	/** Ends the current run, whose leader is flushed. `hasNext`: another one follows directly. */
	end(hasNext: boolean): void {
		const ended = this.#current;
		if (ended === undefined && hasNext) {
			return;
		}
		this.finishFormer();
		this.#current = undefined;
		this.#former = ended;
		if (!hasNext || ended?.isComplete === true) {
			this.finishFormer();
		}
	}

	/** No more pictures of the run before come. */
	finishFormer(): void {
		const former = this.#former;
		this.#former = undefined;
		former?.flush();
		this.#beginInRendition?.();
		this.#beginInRendition = undefined;
		if (former !== undefined) {
			this.#current?.follow();
		}
	}
}
