/** Carries capture times across an encoder, from the presentation times that enter to those that leave. */
import { ticksToMs } from '../../core/units.ts';

/** Entries kept: 8 s of 60 Hz video, 10 s of audio; far more than an encoder of ours holds back. @internal for tests */
export const CAPTURE_TIME_ENTRIES = 512;

/** A bounded table of (presentation time, capture time), both in milliseconds. */
export class CaptureTimes {
	readonly #presentationMs = new Float64Array(CAPTURE_TIME_ENTRIES).fill(NaN);
	readonly #captureMs = new Float64Array(CAPTURE_TIME_ENTRIES);
	#next = 0;

	/** Records a unit that went in; in any order. */
	add(presentationTimeTicks: number, clockRate: number, captureTimeMs: number): void {
		this.#presentationMs[this.#next] = ticksToMs(presentationTimeTicks, clockRate);
		this.#captureMs[this.#next] = captureTimeMs;
		this.#next = (this.#next + 1) % CAPTURE_TIME_ENTRIES;
	}

	/**
	 * Capture time for a presentation time: that of the last input at or before it, continued at real-time speed. An
	 * encoder's priming lies before the first input and is counted back from it. Undefined without input.
	 */
	at(presentationTimeTicks: number, clockRate: number): number | undefined {
		// Plus a thousandth of a millisecond, because the two sides may count in different clock rates.
		const wantedMs = ticksToMs(presentationTimeTicks, clockRate) + 0.001;
		let before = -1;
		let earliest = -1;
		for (let index = 0; index < CAPTURE_TIME_ENTRIES; index++) {
			const timeMs = this.#presentationMs[index]!;
			if (timeMs <= wantedMs && (before < 0 || timeMs >= this.#presentationMs[before]!)) {
				before = index;
			}
			if (!Number.isNaN(timeMs) && (earliest < 0 || timeMs < this.#presentationMs[earliest]!)) {
				earliest = index;
			}
		}
		const entry = before >= 0 ? before : earliest;
		return entry < 0 ? undefined : this.#captureMs[entry]! + (wantedMs - 0.001 - this.#presentationMs[entry]!);
	}
}
