/** The first and the last picture of a part of a playlist. */
import { describe, expect, it } from 'vitest';
import { firstPicture, isLastPicture, lastPicture, withinRange } from './play-range.ts';

describe('a part of a playlist', () => {
	it.each([15, 24, 30000 / 1001, 30, 60])('ends with its last picture at %d a second', (rate) => {
		const picture = 1 / rate;
		const [start, end] = [100 * picture, 250 * picture];
		/** Which picture is shown at a time. */
		const shownAt = (seconds: number): number => Math.floor(seconds / picture + 1e-9);
		expect(shownAt(firstPicture(start))).toBe(100);
		expect(shownAt(lastPicture(end, picture))).toBe(249);
		// The decoder rounds to microseconds.
		const media = (index: number): number => Math.round(index * picture * 1e6) / 1e6;
		expect([248, 249, 250].map((index) => isLastPicture(media(index), end, picture))).toEqual([false, true, true]);
	});

	it('has its own time for what is loaded', () => {
		const ranges = [
			{ startSeconds: 0, endSeconds: 4 },
			{ startSeconds: 8, endSeconds: 30 },
		];
		expect(withinRange(ranges, { startSeconds: 10, endSeconds: 20 })).toEqual([{ startSeconds: 0, endSeconds: 10 }]);
		expect(withinRange(ranges, undefined)).toBe(ranges);
	});
});
