/** Tests of the bench's picture: every frame can be read back, and frames differ. */
import { describe, expect, it } from 'vitest';
import { readPattern } from './time-pattern.ts';
import { BenchPicture } from './bench-picture.ts';

describe('BenchPicture', () => {
	it('draws pictures whose pattern reads back and whose background moves', () => {
		const artist = new BenchPicture(320, 180);
		const target = new Uint8Array(artist.frameBytes);
		const seen = new Set<string>();
		for (const frameNumber of [0, 1, 2, 89, 90, 12_345]) {
			const captureTimeMs = 1_780_000_000_000 + frameNumber;
			artist.draw(target, { frameNumber, captureTimeMs });
			const picture = {
				samples: target,
				width: 320,
				pictureHeight: 180,
				rowStride: 320,
				sampleStride: 1,
				firstIndex: 0,
			};
			expect(readPattern(picture, captureTimeMs + 50)).toEqual({ frameNumber, captureTimeMs });
			seen.add(target.subarray(320 * 100, 320 * 101).join());
		}
		// 0 and 90 are one period apart.
		expect(seen.size).toBe(5);
	});

	it('refuses odd sizes', () => {
		expect(() => new BenchPicture(321, 180)).toThrow('even sizes');
	});
});
