/** The cadence through jitter and pauses, and the usual names of frame rates. */
import { describe, expect, it } from 'vitest';
import { displayFrameRate, FrameCadence } from './frame-cadence.ts';

function cadenceOf(intervals: readonly number[]): number | undefined {
	const cadence = new FrameCadence();
	intervals.forEach((interval) => cadence.add(interval));
	return cadence.frameTicks;
}

describe('FrameCadence', () => {
	it('has no value before the second frame', () => {
		expect(cadenceOf([])).toBeUndefined();
	});

	it('averages whole milliseconds and ignores a pause', () => {
		const rtmp = [33, 33, 34, 33, 33, 34, 33, 33, 34, 33, 33, 34].map((ms) => ms * 90);
		expect(cadenceOf(rtmp)).toBe(3000);
		expect(cadenceOf([...rtmp, 45_000])).toBe(3000);
	});

	it('follows a new rate within 16 frames', () => {
		expect(cadenceOf([...new Array<number>(16).fill(3000), ...new Array<number>(16).fill(1500)])).toBe(1500);
	});
});

describe('displayFrameRate', () => {
	it.each([
		[60, 2.00026, true, 30],
		[48, 2.002, true, 23.976],
		[48, 2, true, 24],
		[6, 0.2004, false, 30],
		[35, 2, true, 17.5],
		[100, 2.003, true, 49.925],
		[240, 2, true, 120],
		[75, 0.00083, true, undefined],
		[2, 0.00002, false, undefined],
		[2, 0, false, undefined],
	])('%d frames in %f s (whole segment: %s) → %f', (frameCount, seconds, isWholeSegment, expected) => {
		expect(displayFrameRate({ frameCount, seconds, isWholeSegment })).toBe(expected);
	});
});
