/** Where a playhead stands in what is buffered. */
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

describe('what is buffered', () => {
	it.each([
		[media(1, [0, 3]), 2],
		[media(3, [0, 3]), 0],
		[media(3.95, [0, 3], [4, 6]), 2.05],
		[media(3.5, [0, 3], [4, 6]), 0],
		[media(0), 0],
	])('counts from the playhead to the next hole', (video, seconds) => {
		expect(bufferedAheadSeconds(video)).toBeCloseTo(seconds);
	});

	it('begins with the longest stretch, not with a part that was loaded before', () => {
		expect(startOfLongest(media(17, [14, 14.2], [16, 18]))).toBe(16);
		expect(startOfLongest(media(0))).toBeUndefined();
	});

	it('goes on behind a hole that a cut segment has left, and waits for what is still to come', () => {
		expect(startAfterHole(media(61.85, [60, 61.8], [62, 63.2]))).toBe(62);
		expect(startAfterHole(media(61.85, [60, 61.8], [64, 66]))).toBeUndefined();
		expect(startAfterHole(media(65, [60, 61.8], [64, 66]))).toBeUndefined();
	});
});
