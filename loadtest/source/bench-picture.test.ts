/** Tests of the bench's picture. */
import { describe, expect, it } from 'vitest';
import { readLuma } from './testing/read-luma.ts';
import { BenchPicture } from './bench-picture.ts';

describe('BenchPicture', () => {
	it('draws pictures whose pattern reads back and whose background moves', () => {
		const artist = new BenchPicture(320, 180);
		const target = new Uint8Array(artist.frameBytes);
		const seen = new Set<string>();
		for (const frameNumber of [0, 1, 2, 89, 90, 12_345]) {
			const captureTimeMs = 1_780_000_000_000 + frameNumber;
			artist.draw(target, { frameNumber, captureTimeMs });
			expect(readLuma(target, 320, 180, captureTimeMs + 50)).toEqual({ frameNumber, captureTimeMs });
			seen.add(target.subarray(320 * 100, 320 * 101).join());
		}
		// 0 and 90 are one period apart.
		expect(seen.size).toBe(5);
	});

	it('refuses odd sizes', () => {
		expect(() => new BenchPicture(321, 180)).toThrow('even sizes');
	});
});
