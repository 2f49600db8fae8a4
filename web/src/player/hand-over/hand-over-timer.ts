/** Measures how long hand-overs take, and how smooth they are. The bench measures the same from the pixels. */
import type { Clock } from '../../../../core/lifecycle/clock.ts';
import type { PlayedMoment, PlayedMoments } from '../measure/alignment.ts';
import type { DeliveryTier } from '../../../../core/protocol/tiers.ts';

/** What was measured of the changes so far; undefined before the first. */
export type HandOverMeasurements = {
	count: number;
	lastTier: DeliveryTier | undefined;
	lastReason: string | undefined;
	/** From the choice to the swap. */
	lastDurationMs: number | undefined;
	/** From the last frame of the old leg to the first frame of the new one. */
	presentedGapMs: number | undefined;
	/** Content that was skipped (positive) or repeated (negative). */
	contentJumpMs: number | undefined;
};

export type HandOverReading = HandOverMeasurements & { state: string };

const POLL_MS = 10;
/** A frame later than this is a stall, which PlaybackMetrics counts. */
const FIRST_FRAME_DEADLINE_MS = 2000;

export class HandOverTimer {
	readonly #clock: Clock;
	#beganAtMs = 0;
	#tier: DeliveryTier | undefined;
	#reading: HandOverMeasurements = {
		count: 0,
		lastTier: undefined,
		lastReason: undefined,
		lastDurationMs: undefined,
		presentedGapMs: undefined,
		contentJumpMs: undefined,
	};

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	get reading(): HandOverMeasurements {
		return this.#reading;
	}

	begin(tier: DeliveryTier): void {
		this.#tier = tier;
		this.#beganAtMs = this.#clock.monotonicMs();
	}

	/** Swapped just now. `last`: the old leg's last frame; `next`: the new leg's frames. */
	swapped(last: PlayedMoment | undefined, next: PlayedMoments, reason: string): void {
		const swappedAtMs = this.#clock.monotonicMs();
		this.#reading = {
			count: this.#reading.count + 1,
			lastTier: this.#tier,
			lastReason: reason,
			lastDurationMs: swappedAtMs - this.#beganAtMs,
			presentedGapMs: undefined,
			contentJumpMs: undefined,
		};
		const cancel = this.#clock.setInterval(() => {
			const first = next.latest;
			if (first !== undefined && first.playedAtMs > swappedAtMs) {
				cancel();
				this.#measureGap(last, first);
			} else if (this.#clock.monotonicMs() - swappedAtMs > FIRST_FRAME_DEADLINE_MS) {
				cancel();
			}
		}, POLL_MS);
	}

	#measureGap(last: PlayedMoment | undefined, first: PlayedMoment): void {
		if (last !== undefined) {
			const presentedGapMs = first.playedAtMs - last.playedAtMs;
			this.#reading = {
				...this.#reading,
				presentedGapMs,
				contentJumpMs: first.captureTimeMs - last.captureTimeMs - presentedGapMs,
			};
		}
	}
}
