/** Reads the time pattern from a luma plane. */
import { type PatternReading, readPattern } from '../time-pattern.ts';

/** `luma` is the plane of a picture of that size, without padding. See {@link readPattern}. */
export function readLuma(
	luma: ArrayLike<number>,
	width: number,
	height: number,
	nearMs: number,
): PatternReading | undefined {
	const picture = { samples: luma, width, pictureHeight: height, rowStride: width, sampleStride: 1, firstIndex: 0 };
	return readPattern(picture, nearMs);
}
