/** Predicts how long a video frame will last, from the frames before it, and measures frame rates. Pure. */
import type { Part } from '../rendition/part.ts';
import { segmentSeconds, type Segment } from '../rendition/segment.ts';

const REMEMBERED_INTERVALS = 16;
/** Steps that differ by less have the same pace. */
export const SAME_PACE_RATIO = 1.5;

/** The running cadence of one video track, robust against jitter, pauses and doubled frames. */
export class FrameCadence {
	readonly #intervals: number[] = [];
	#frameTicks: number | undefined;
	#lastTicks = 0;
	#formerTicks = 0;

	/**
	 * Expected ticks between two frames; undefined before the second frame. The mean of the last intervals near their
	 * median. The median alone is 33 ms for RTMP's 33, 33, 34, and a plain mean follows every pause.
	 */
	get frameTicks(): number | undefined {
		return this.#frameTicks;
	}

	/** The cadence. While pictures are slower than `slowTicks`, a change counts from its first or second picture on. */
	paceTicks(slowTicks: number): number | undefined {
		const [cadenceTicks, lastTicks, formerTicks] = [this.#frameTicks, this.#lastTicks, this.#formerTicks];
		if (cadenceTicks === undefined || Math.max(cadenceTicks, lastTicks) <= slowTicks) {
			return cadenceTicks;
		}
		const isSteady = lastTicks < formerTicks * SAME_PACE_RATIO && formerTicks < lastTicks * SAME_PACE_RATIO;
		const hasQuickened = lastTicks < cadenceTicks / 2;
		const hasSlowed = isSteady && lastTicks > cadenceTicks * 2;
		return hasQuickened || hasSlowed ? lastTicks : cadenceTicks;
	}

	/** Records the time between two frames, in ticks. */
	add(intervalTicks: number): void {
		this.#formerTicks = this.#lastTicks;
		this.#lastTicks = intervalTicks;
		this.#intervals.push(intervalTicks);
		if (this.#intervals.length > REMEMBERED_INTERVALS) {
			this.#intervals.shift();
		}
		const median = [...this.#intervals].sort((one, other) => one - other)[this.#intervals.length >> 1]!;
		const usual = this.#intervals.filter((interval) => interval >= median / 2 && interval <= median * 1.5);
		this.#frameTicks = usual.reduce((sum, interval) => sum + interval, 0) / usual.length;
	}
}

/** Pictures whose times do not advance come at a rate of 90 000, which players believe. */
const MAX_FRAME_RATE = 500;
const WHOLE_RATES = [15, 20, 24, 25, 30, 48, 50, 60, 120] as const;
const COMMON_RATES = [...WHOLE_RATES, 24_000 / 1001, 30_000 / 1001, 60_000 / 1001] as const;

/**
 * Frames a second for the FRAME-RATE attribute: the nearest common rate if near enough, else as measured, at most 3
 * decimals. Over a whole segment 0.08 % distinguishes 23.976 from 24 (0.1 % apart); over one part, whose last frame is
 * predicted, 1.5 % is the best possible. Undefined for an absurd rate.
 * @internal for tests
 */
export function displayFrameRate(measured: {
	frameCount: number;
	seconds: number;
	isWholeSegment: boolean;
}): number | undefined {
	const rate = measured.frameCount / measured.seconds;
	if (!(rate <= MAX_FRAME_RATE)) {
		return undefined;
	}
	const distance = (common: number): number => Math.abs(common - rate) / common;
	const rates = measured.isWholeSegment ? COMMON_RATES : WHOLE_RATES;
	const nearest = rates.reduce<number>((best, common) => (distance(common) < distance(best) ? common : best), rates[0]);
	const isNear = distance(nearest) < (measured.isWholeSegment ? 0.0008 : 0.015);
	return Math.round((isNear ? nearest : rate) * 1000) / 1000;
}

/** FRAME-RATE by one part; undefined where it has fewer than two pictures, and so no time between them. */
export function frameRateOfPart(part: Part, timescale: number): number | undefined {
	const frameCount = part.sampleCount;
	return part.isGap || frameCount < 2
		? undefined
		: displayFrameRate({ frameCount, seconds: part.durationTicks / timescale, isWholeSegment: false });
}

/** FRAME-RATE by a segment; undefined for the rest of a run and for one with gaps, which show too little. */
export function frameRateOfSegment(segment: Segment): number | undefined {
	const frameCount = segment.parts.reduce((sum, part) => sum + part.sampleCount, 0);
	const seconds = segmentSeconds(segment);
	return seconds < 1 || frameCount < 2 || segment.parts.some((part) => part.isGap)
		? undefined
		: displayFrameRate({ frameCount, seconds, isWholeSegment: true });
}
