/**
 * While the publisher is away: the playlists go on with segments of nothing (EXT-X-GAP), so that players see that they
 * go on.
 */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SEGMENT_TARGET_SECONDS } from '../config/packager-config.ts';
import type { Rendition } from '../rendition/rendition.ts';

/**
 * Most publishers are back before this, and cost viewers no gap then. Players that want a change every 3.5 target
 * durations (10.5 s) could wait longer, but not those that ask for the next segment and want it.
 */
const FIRST_AFTER_SECONDS = 3;
/** A piece at least this long may be its own segment; a shorter rest belongs to the one before. */
const LEAST_SECONDS = 1;

/** One for each broadcast. Begins and stops as the publisher goes and comes. */
export class AwayGaps {
	readonly #clock: Clock;
	#cancel: (() => void) | undefined;

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** The publisher is gone, and everything that was open is complete. */
	begin(renditions: readonly Rendition[]): void {
		this.stop();
		const lostAtMs = this.#clock.monotonicMs();
		// All of them go on from where the longest ends, so that they stay in step.
		const lostAtSeconds = Math.max(...renditions.map((rendition) => rendition.endSeconds));
		const go = (): void => {
			const awaySeconds = (this.#clock.monotonicMs() - lostAtMs) / 1000;
			// A second and more behind the clock: a publisher that comes back has to find its place free.
			const count = Math.floor((awaySeconds - LEAST_SECONDS + 1e-6) / SEGMENT_TARGET_SECONDS);
			fillUntil(renditions, lostAtSeconds + count * SEGMENT_TARGET_SECONDS);
		};
		this.#cancel = this.#clock.setTimeout(() => {
			go();
			this.#cancel = this.#clock.setInterval(go, SEGMENT_TARGET_SECONDS * 1000);
		}, FIRST_AFTER_SECONDS * 1000);
	}

	/** The publisher is back, or nobody waits for it any more. Idempotent. */
	stop(): void {
		this.#cancel?.();
		this.#cancel = undefined;
	}
}

function fillUntil(renditions: readonly Rendition[], untilSeconds: number): void {
	for (const rendition of renditions) {
		// A timer that was late is made up for in several segments.
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
