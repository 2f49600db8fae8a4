/** Fills the playlists with gap segments (EXT-X-GAP) while the publisher is away, so that players keep waiting. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SEGMENT_TARGET_SECONDS } from '../config/packager-config.ts';
import type { Rendition } from '../rendition/rendition.ts';

/** Most publishers return earlier, without a gap. Players that request the next segment do not wait longer. */
const FIRST_AFTER_SECONDS = 3;
/** A piece at least this long becomes a segment; a shorter rest joins the one before. */
const LEAST_SECONDS = 1;

/** One per broadcast. Begins when the publisher leaves and stops when they return. */
export class AwayGaps {
	readonly #clock: Clock;
	#cancel: (() => void) | undefined;

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** The publisher has left, and everything that was open is complete. */
	begin(renditions: readonly Rendition[]): void {
		this.stop();
		const lostAtMs = this.#clock.monotonicMs();
		// All continue from where the longest ends, so that they stay in step.
		const lostAtSeconds = Math.max(...renditions.map((rendition) => rendition.endSeconds));
		const fill = (): void => {
			const awaySeconds = (this.#clock.monotonicMs() - lostAtMs) / 1000;
			// A second or more behind the clock, so that there is room for a publisher who returns.
			const count = Math.floor((awaySeconds - LEAST_SECONDS + 1e-6) / SEGMENT_TARGET_SECONDS);
			fillUntil(renditions, lostAtSeconds + count * SEGMENT_TARGET_SECONDS);
		};
		this.#cancel = this.#clock.setTimeout(() => {
			fill();
			this.#cancel = this.#clock.setInterval(fill, SEGMENT_TARGET_SECONDS * 1000);
		}, FIRST_AFTER_SECONDS * 1000);
	}

	/** The publisher is back, or the broadcast is over. Idempotent. */
	stop(): void {
		this.#cancel?.();
		this.#cancel = undefined;
	}
}

function fillUntil(renditions: readonly Rendition[], untilSeconds: number): void {
	for (const rendition of renditions) {
		// After a late timer there are several segments to add.
		for (
			let leftSeconds = untilSeconds - rendition.endSeconds;
			leftSeconds >= LEAST_SECONDS;
			leftSeconds = untilSeconds - rendition.endSeconds
		) {
			const isLast = leftSeconds < SEGMENT_TARGET_SECONDS + LEAST_SECONDS;
			rendition.addGapSegment(isLast ? leftSeconds : SEGMENT_TARGET_SECONDS);
		}
	}
}
