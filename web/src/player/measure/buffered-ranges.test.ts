/** Playheads in buffered ranges. */
import { describe, expect, it } from 'vitest';
import { bufferedAheadSeconds, startAfterHole, startOfLongest } from './buffered-ranges.ts';

function media(currentTime: number, ...ranges: Array<[start: number, end: number]>) {
	const buffered = {
		length: ranges.length,
		start: (index: number) => ranges[index]![0],
		end: (index: number) => ranges[index]![1],
	};
	return { currentTime, buffered };
}

describe('buffered ranges', () => {
	it.each([
		[media(1, [0, 3]), 2],
		[media(3, [0, 3]), 0],
		[media(3.95, [0, 3], [4, 6]), 2.05],
		[media(3.5, [0, 3], [4, 6]), 0],
		[media(0), 0],
	])('count from the playhead to the next hole', (video, seconds) => {
		expect(bufferedAheadSeconds(video)).toBeCloseTo(seconds);
	});

	it('start with the longest range', () => {
		expect(startOfLongest(media(17, [14, 14.2], [16, 18]))).toBe(16);
		expect(startOfLongest(media(0))).toBeUndefined();
	});

	it('continue after a hole left by a cut segment, but not after a longer one', () => {
		expect(startAfterHole(media(61.85, [60, 61.8], [62, 63.2]))).toBe(62);
		expect(startAfterHole(media(61.85, [60, 61.8], [64, 66]))).toBeUndefined();
		expect(startAfterHole(media(65, [60, 61.8], [64, 66]))).toBeUndefined();
	});
});
