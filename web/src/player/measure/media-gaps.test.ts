/** Gaps in a video's playlist. */
import { describe, expect, it } from 'vitest';
import { gapsOf, moveBy, skipGap } from './media-gaps.ts';

const segment = (start: number, gap = false, duration = 2) => ({ start, duration, gap });

describe('gapsOf', () => {
	it('joins neighbours, also with rounded times, and separates others', () => {
		const segments = [
			segment(0),
			segment(2, true),
			segment(4.01, true),
			segment(6.01),
			segment(8.01, true, 10),
			segment(18.01),
		];
		expect(gapsOf(segments)).toEqual([
			{ startSeconds: 2, endSeconds: 6.01 },
			{ startSeconds: 8.01, endSeconds: 18.009999999999998 },
		]);
		expect(gapsOf([segment(0), segment(2)])).toEqual([]);
	});
});

describe('skipGap', () => {
	const gaps = [
		{ startSeconds: 10, endSeconds: 20 },
		{ startSeconds: 50, endSeconds: 60 },
	];

	it.each([
		[0, 0],
		[9.9, 9.9],
		// The playhead stops just before a gap.
		[9.97, 20.02],
		[10, 20.02],
		[19.9, 20.02],
		[20, 20],
		[30, 30],
	])('plays from %d s at %d s', (seconds, expected) => {
		expect(skipGap(gaps, seconds, 100)).toBeCloseTo(expected, 5);
	});

	it('waits at a gap with nothing after it yet', () => {
		expect(skipGap(gaps, 55, 60)).toBe(55);
	});
});

describe('moveBy', () => {
	const gaps = [
		{ startSeconds: 10, endSeconds: 20 },
		{ startSeconds: 23, endSeconds: 60 },
	];

	it.each([
		[0, 5, 5],
		[8, 5, 23],
		[8, 6, 61],
		[21, -5, 6],
		[62, -5, 20],
		[62, -6, 9],
		[62, -1, 61],
		[62, 10, 72],
		[5, -10, -5],
		[12, 5, 62],
	])('from %d s by %d s is %d s', (from, by, expected) => expect(moveBy(gaps, from, by)).toBe(expected));

	it('leads back to where it came from', () => {
		for (let from = 0.5; from < 9; from++) {
			for (let by = 1; by < 40; by += 0.7) {
				expect(moveBy(gaps, moveBy(gaps, from, by), -by)).toBeCloseTo(from, 6);
			}
		}
	});
});
