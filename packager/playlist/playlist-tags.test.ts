/** Durations of parts: a trace above the exact ones, never above PART-TARGET, and adding up to their segment's. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PART_TARGET_SECONDS } from '../config/packager-config.ts';
import { formatPartSeconds, formatSegmentSeconds } from './playlist-tags.ts';

const partSeconds = fc
	.tuple(fc.constantFrom(90_000, 48_000, 44_100, 22_050), fc.double({ min: 0, max: 1, noNaN: true }))
	.map(([timescale, share]) => Math.floor(share * (PART_TARGET_SECONDS * timescale - 1)) / timescale);

describe('formatPartSeconds', () => {
	it.each([
		[18_000, 90_000, '0.20000002'],
		[18_036, 90_000, '0.20040002'],
		[17_997, 90_000, '0.19996668'],
		[9 * 1024, 44_100, '0.20897961'],
	])('prints %d ticks of %d as %s', (ticks, timescale, text) => {
		expect(formatPartSeconds(ticks / timescale)).toBe(text);
	});

	it('prints 10 to 20 ns more than the duration', () => {
		fc.assert(
			fc.property(partSeconds, (seconds) => {
				const excess = Number(formatPartSeconds(seconds)) - seconds;
				expect(excess).toBeGreaterThan(0.99e-8);
				expect(excess).toBeLessThan(2.01e-8);
			}),
		);
	});

	it('stays within PART-TARGET', () => {
		expect(formatPartSeconds(PART_TARGET_SECONDS)).toBe('0.21000000');
	});

	it('keeps the shift that shaka-player computes less than 1 ms from the one in use', () => {
		// Its arithmetic: parts begin where the one before ended, and the shift in use is 1 ms above the first one.
		for (const partTicks of [18_000, 18_018, 18_768, 18_899]) {
			for (const firstTicks of [0, 936_000, 10_000_000_007]) {
				let startSeconds = 12.287_379_984;
				const shiftInUse = startSeconds - firstTicks / 90_000 + 0.001;
				for (let index = 1; index <= 1000; index++) {
					startSeconds += Number(formatPartSeconds(partTicks / 90_000));
					const shift = startSeconds - (firstTicks + index * partTicks) / 90_000;
					expect(Math.abs(shiftInUse - shift)).toBeLessThan(0.001);
				}
			}
		}
	});
});

it('prints for a segment what its parts add up to as printed', () => {
	fc.assert(
		fc.property(fc.array(partSeconds, { minLength: 1, maxLength: 17 }), (parts) => {
			const units = parts.reduce((sum, seconds) => sum + Number(formatPartSeconds(seconds).replace('.', '')), 0);
			expect(Number(formatSegmentSeconds(parts).replace('.', ''))).toBe(units);
		}),
	);
});
