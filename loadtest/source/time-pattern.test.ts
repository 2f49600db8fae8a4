/** Tests of the time pattern: it reads back scaled, noisy or dim, and damage is refused. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readLuma } from './testing/read-luma.ts';
import {
	crc16OfBits,
	drawPattern,
	FRAME_NUMBER_RANGE,
	patternCellBox,
	patternCells,
	type PatternReading,
	readPattern,
} from './time-pattern.ts';

const NOW_MS = Date.UTC(2026, 5, 1, 12);

type Picture = { luma: Uint8Array; width: number; height: number };

function draw(width: number, height: number, frameNumber: number, captureTimeMs: number): Picture {
	const luma = new Uint8Array(width * height).fill(120);
	drawPattern(luma, width, height, frameNumber, captureTimeMs);
	return { luma, width, height };
}

function read({ luma, width, height }: Picture): PatternReading | undefined {
	return readLuma(luma, width, height, NOW_MS);
}

/** Bilinear, as in video scalers and canvases. */
function scale(source: Picture, width: number, height: number): Picture {
	const luma = new Uint8Array(width * height);
	for (let y = 0; y < height; y++) {
		const sourceY = Math.min(source.height - 1, Math.max(0, ((y + 0.5) * source.height) / height - 0.5));
		const y0 = Math.floor(sourceY);
		const y1 = Math.min(source.height - 1, y0 + 1);
		for (let x = 0; x < width; x++) {
			const sourceX = Math.min(source.width - 1, Math.max(0, ((x + 0.5) * source.width) / width - 0.5));
			const x0 = Math.floor(sourceX);
			const x1 = Math.min(source.width - 1, x0 + 1);
			const at = (row: number, column: number): number => source.luma[row * source.width + column]!;
			const upper = at(y0, x0) + (at(y0, x1) - at(y0, x0)) * (sourceX - x0);
			const lower = at(y1, x0) + (at(y1, x1) - at(y1, x0)) * (sourceX - x0);
			luma[y * width + x] = Math.round(upper + (lower - upper) * (sourceY - y0));
		}
	}
	return { luma, width, height };
}

describe('time pattern', () => {
	it('reads back any frame number and capture time', () => {
		fc.assert(
			fc.property(
				fc.integer({ min: 0, max: FRAME_NUMBER_RANGE - 1 }),
				fc.integer({ min: -3_500_000 * 8, max: 3_500_000 * 8 }),
				(frameNumber, ageUnits) => {
					const captureTimeMs = NOW_MS + ageUnits / 8;
					expect(read(draw(640, 360, frameNumber, captureTimeMs))).toEqual({ frameNumber, captureTimeMs });
				},
			),
			{ numRuns: 50 },
		);
	});

	it.each([
		[1920, 1080],
		[1280, 720],
		[854, 480],
		[640, 360],
		[426, 240],
		[284, 160],
		[160, 90],
	])('survives scaling from 1280x720 to %i x %i', (width, height) => {
		const captureTimeMs = NOW_MS + 0.125;
		expect(read(scale(draw(1280, 720, 123_456, captureTimeMs), width, height))).toEqual({
			frameNumber: 123_456,
			captureTimeMs,
		});
	});

	it('survives noise, a lower contrast and a shifted brightness', () => {
		const picture = draw(640, 360, 77, NOW_MS);
		let seed = 1;
		for (let index = 0; index < picture.luma.length; index++) {
			seed = (Math.imul(seed, 1_103_515_245) + 12_345) & 0x7fff_ffff;
			picture.luma[index] = 60 + picture.luma[index]! * 0.5 + ((seed >> 16) % 81) - 40;
		}
		expect(read(picture)).toEqual({ frameNumber: 77, captureTimeMs: NOW_MS });
	});

	it('reads the green of a small RGBA canvas', () => {
		const small = scale(draw(1280, 720, 5, NOW_MS), 160, 90);
		const rgba = new Uint8ClampedArray(160 * 8 * 4);
		for (let index = 0; index < 160 * 8; index++) {
			rgba.fill(small.luma[index]!, index * 4, index * 4 + 3);
		}
		const picture = { samples: rgba, width: 160, pictureHeight: 90, rowStride: 640, sampleStride: 4, firstIndex: 1 };
		expect(readPattern(picture, NOW_MS)).toEqual({ frameNumber: 5, captureTimeMs: NOW_MS });
	});

	it('refuses every damage of one to three cells', () => {
		fc.assert(
			fc.property(fc.uniqueArray(fc.integer({ min: 0, max: 79 }), { minLength: 1, maxLength: 3 }), (damaged) => {
				const picture = draw(640, 360, 4242, NOW_MS);
				let payloadDamage = 0;
				for (const index of damaged) {
					const box = patternCellBox(index, 640, 360);
					payloadDamage += index % 40 >= 2 ? 1 : 0;
					for (let y = box.top; y < box.bottom; y++) {
						for (let x = box.left; x < box.right; x++) {
							picture.luma[y * 640 + x] = 251 - picture.luma[y * 640 + x]!;
						}
					}
				}
				const reading = read(picture);
				// A picture with damaged sync cells alone may read, but then correctly.
				if (payloadDamage > 0 || reading !== undefined) {
					expect(reading).toEqual(payloadDamage > 0 ? undefined : { frameNumber: 4242, captureTimeMs: NOW_MS });
				}
			}),
		);
	});

	it('finds nothing in a flat picture, in random pictures, or in a picture of another season', () => {
		expect(read({ luma: new Uint8Array(640 * 360).fill(128), width: 640, height: 360 })).toBeUndefined();
		expect(read({ luma: new Uint8Array(0), width: 640, height: 360 })).toBeUndefined();
		expect(read(draw(640, 360, 1, NOW_MS - 90 * 86_400_000))).toBeUndefined();
		fc.assert(
			fc.property(fc.uint8Array({ minLength: 160 * 8, maxLength: 160 * 8 }), (luma) => {
				expect(read({ luma, width: 160, height: 90 })).toBeUndefined();
			}),
		);
	});

	it('uses CRC-16/CCITT-FALSE', () => {
		const text = [...'123456789'].map((letter) => letter.charCodeAt(0).toString(2).padStart(8, '0')).join('');
		expect(crc16OfBits([...text].map(Number), text.length)).toBe(0x29b1);
	});

	it('lays 80 cells over the full width without a gap', () => {
		expect(patternCells(0, 0)).toHaveLength(80);
		for (let index = 0; index < 79; index++) {
			const box = patternCellBox(index, 1279, 719);
			expect(index % 40 === 39 ? box.right : patternCellBox(index + 1, 1279, 719).left).toBe(
				index % 40 === 39 ? 1279 : box.right,
			);
		}
	});
});
