/** The RTP clock of one simulcast layer, and its relation to another layer's: each starts at a random timestamp. */
import { msToTicks, unwrap, VIDEO_CLOCK_RATE } from '../../../core/units.ts';

/** Arrivals are compared over one to two of these: long enough to include a packet that did not wait anywhere. */
const ENVELOPE_WINDOW_MS = 5000;
/** Reports that differ from the arrivals by more than this are ignored. */
const MAX_REPORT_ERROR_TICKS = msToTicks(250, VIDEO_CLOCK_RATE);

/** Gets each packet and each sender report of its layer. */
export class LayerClock {
	#reference: number | undefined;
	/** Least (arrival − timestamp) of the window, in ticks, and of the window before. */
	#least = Infinity;
	#leastBefore = Infinity;
	#windowStartMs = -Infinity;
	#report: { ntpMs: number; ticks: number } | undefined;

	unwrap(timestampTicks: number): number {
		return this.#reference === undefined ? timestampTicks : unwrap(timestampTicks, this.#reference, 32);
	}

	/** Records a packet; returns its timestamp without wrapping. */
	recordArrival(timestampTicks: number, nowMs: number): number {
		const ticks = this.unwrap(timestampTicks);
		this.#reference = Math.max(this.#reference ?? ticks, ticks);
		if (nowMs - this.#windowStartMs >= ENVELOPE_WINDOW_MS) {
			this.#leastBefore = this.#least;
			this.#least = Infinity;
			this.#windowStartMs = nowMs;
		}
		this.#least = Math.min(this.#least, msToTicks(nowMs, VIDEO_CLOCK_RATE) - ticks);
		return ticks;
	}

	/** Records a sender report; one from before the first packet cannot be unwrapped, and is dropped. */
	recordReport(ntpMs: number, timestampTicks: number): void {
		if (this.#reference !== undefined) {
			this.#report = { ntpMs, ticks: this.unwrap(timestampTicks) };
		}
	}

	/**
	 * What to add to this layer's timestamps to get the other layer's of the same instant. From sender reports it is
	 * exact to the millisecond. Without them it comes from the arrivals, exact to some milliseconds, because all layers
	 * come the same way.
	 */
	ticksTo(other: LayerClock): number {
		const byArrival = this.#envelope - other.#envelope;
		if (this.#report !== undefined && other.#report !== undefined) {
			const elapsedTicks = msToTicks(this.#report.ntpMs - other.#report.ntpMs, VIDEO_CLOCK_RATE);
			const byReports = other.#report.ticks + elapsedTicks - this.#report.ticks;
			if (Math.abs(byReports - byArrival) <= MAX_REPORT_ERROR_TICKS) {
				return Math.round(byReports);
			}
		}
		return Math.round(byArrival);
	}

	get #envelope(): number {
		return Math.min(this.#least, this.#leastBefore);
	}
}
