/** Tests of the built-in test card: readable, moving, and within legal levels. */
import { describe, expect, it } from 'vitest';
import { readLuma } from './testing/read-luma.ts';
import { glyphMask } from './stroke-font.ts';
import { TestCard } from './test-card.ts';

describe('TestCard', () => {
	const card = new TestCard();
	const noon = Date.UTC(2026, 5, 1, 12);

	function draw(frameNumber: number, captureTimeMs: number): Uint8Array {
		const picture = new Uint8Array(card.frameBytes);
		card.draw(picture, { frameNumber, captureTimeMs });
		return picture;
	}

	it('carries the time pattern over the full width', () => {
		const reading = readLuma(draw(4321, noon + 250), 1280, 720, noon);
		expect(reading).toEqual({ frameNumber: 4321, captureTimeMs: noon + 250 });
	});

	it('changes with every picture: dot, counter, strip', () => {
		const [one, other] = [draw(1, noon + 300), draw(2, noon + 333)];
		const differs = (top: number, bottom: number, left: number, right: number): boolean => {
			for (let y = top; y < bottom; y++) {
				for (let x = left; x < right; x++) {
					if (one![y * 1280 + x] !== other![y * 1280 + x]) {
						return true;
					}
				}
			}
			return false;
		};
		expect(differs(136, 436, 900, 1200)).toBe(true);
		expect(differs(386, 434, 256, 500)).toBe(true);
		expect(differs(640, 720, 0, 1280)).toBe(true);
		expect(differs(480, 620, 0, 1280)).toBe(false);
	});

	it('lights up with the second and not between seconds', () => {
		const centre = 286 * 1280 + 1050;
		expect(draw(1, noon + 20)[centre]).toBeGreaterThan(draw(1, noon + 500)[centre]! + 60);
	});

	it('stays within limited-range levels', () => {
		const picture = draw(77, noon + 50);
		expect(picture.every((value) => value >= 16 && value <= 240)).toBe(true);
	});

	it('has a shape for every character it writes, and none for others', () => {
		const ink = (character: string): number => glyphMask(character, 48).coverage.reduce((sum, value) => sum + value, 0);
		const inks = [...'0123456789:.SPILLWAYFRAMEUTC'].map(ink);
		expect(Math.min(...inks)).toBeGreaterThan(0);
		expect(ink(' ')).toBe(0);
		// All digits differ.
		expect(new Set([...'0123456789'].map((digit) => glyphMask(digit, 48).coverage.join())).size).toBe(10);
	});
});
