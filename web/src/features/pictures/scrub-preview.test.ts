/** The picture over a seek bar: its size in the room that there is, and its part of a sheet. */
import { describe, expect, it } from 'vitest';
import type { Tile } from './storyboard.ts';
import { scrubPreview } from './scrub-preview.ts';

const SHEET = { widthPixels: 1600, heightPixels: 900 };
const TILE: Tile = { startSeconds: 10, url: 's', place: { x: 320, y: 90, widthPixels: 160, heightPixels: 90 } };
const place = (roomPixels: number, seconds = 12) => ({ roomPixels, seconds });

describe('scrubPreview', () => {
	it('is a part of a sheet, pixel for pixel where there is room', () => {
		expect(scrubPreview(TILE, SHEET, place(500))).toEqual({
			widthPixels: 160,
			heightPixels: 90,
			isFar: false,
			file: { url: 's', x: 320, y: 90, widthPixels: 1600, heightPixels: 900 },
		});
	});

	it('is smaller in a small player, with the whole sheet, and none where it would show nothing', () => {
		expect(scrubPreview(TILE, SHEET, place(45))).toMatchObject({
			widthPixels: 80,
			heightPixels: 45,
			file: { x: 160, y: 45, widthPixels: 800, heightPixels: 450 },
		});
		expect(scrubPreview(TILE, SHEET, place(30))).toBeUndefined();
		expect(scrubPreview(TILE, SHEET, place(-200))).toBeUndefined();
		// A flat picture is not made smaller than it is by its shape.
		const flat: Tile = { ...TILE, place: { x: 0, y: 0, widthPixels: 160, heightPixels: 20 } };
		expect(scrubPreview(flat, SHEET, place(30))?.heightPixels).toBe(20);
	});

	it('has its room before it is loaded', () => {
		expect(scrubPreview(TILE, undefined, place(500))).toMatchObject({ widthPixels: 160, file: undefined });
		const whole: Tile = { ...TILE, place: undefined };
		expect(scrubPreview(whole, undefined, place(500))).toMatchObject({ widthPixels: 160, heightPixels: 90 });
		const upright = { widthPixels: 90, heightPixels: 160 };
		expect(scrubPreview(whole, upright, place(500))).toMatchObject({ ...upright, file: { x: 0, y: 0, ...upright } });
		const large = { widthPixels: 640, heightPixels: 360 };
		expect(scrubPreview(whole, large, place(500))).toMatchObject({ widthPixels: 160, heightPixels: 90 });
	});

	it('is of another time where a live channel has no newer one', () => {
		const whole: Tile = { ...TILE, place: undefined };
		expect([12, 41, -25].map((seconds) => scrubPreview(whole, SHEET, place(500, seconds))?.isFar)).toEqual([
			false,
			true,
			true,
		]);
	});
});
