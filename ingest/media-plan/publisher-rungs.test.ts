/** Tests of the rungs that a publisher's simulcast layers are: their names by size, from the best down. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RUNG_NAMES } from '../../core/protocol/ladder-choice.ts';
import { publisherRungs, type LayerPicture } from './publisher-rungs.ts';

const layerOf = (heightPixels: number, layer = 0, others: Partial<LayerPicture> = {}): LayerPicture => ({
	layer,
	widthPixels: Math.round((heightPixels * 16) / 9),
	heightPixels,
	frameRate: 30,
	bitrateBps: 500_000,
	isAligned: true,
	...others,
});
const SOURCE = { frameRate: 30 };

describe('publisherRungs', () => {
	it.each([
		['OBS, 2 layers of 1080', [540], ['480p30']],
		['OBS, 3 layers of 1080', [356, 712], ['720p60', '360p30']],
		['OBS, 4 layers of 1080', [810, 540, 270], ['720p60', '480p30', '360p30']],
		['OBS, 3 layers of 360', [240, 120], ['360p30', '160p30']],
		['Chromium, 3 layers of 720', [180, 360], ['360p30', '160p30']],
		['two layers of one size', [360, 360], ['360p30', '160p30']],
		['three layers below the lowest name', [90, 60, 30], ['480p30', '360p30', '160p30']],
	] as const)('names the layers of %s', (_name, heights, names) => {
		const rungs = publisherRungs(
			SOURCE,
			heights.map((height, index) => layerOf(height, index)),
		);
		expect(rungs.map(({ name }) => name)).toEqual(names);
	});

	it('has their sizes, and their rate where it is lower than the source’s', () => {
		const layers = [layerOf(360, 1), layerOf(180, 2, { frameRate: 14.9, bitrateBps: 1_230_000, isAligned: false })];
		expect(publisherRungs(SOURCE, layers)).toEqual([
			{
				kind: 'video',
				name: '360p30',
				heightPixels: 360,
				frameRate: 60,
				maxBitrateBps: 800_000,
				layer: { number: 1, isAligned: true },
			},
			{
				kind: 'video',
				name: '160p30',
				heightPixels: 180,
				frameRate: 15,
				maxBitrateBps: 1_300_000,
				layer: { number: 2, isAligned: false },
			},
		]);
	});

	it('gives different names that fall with the size, to as many layers as there are names', () => {
		fc.assert(
			fc.property(fc.array(fc.integer({ min: 16, max: 2160 }), { maxLength: 8 }), (heights) => {
				const rungs = publisherRungs(
					SOURCE,
					heights.map((height, index) => layerOf(height, index)),
				);
				expect(rungs).toHaveLength(Math.min(heights.length, RUNG_NAMES.length));
				const places = rungs.map(({ name }) => RUNG_NAMES.indexOf(name));
				expect(places).toEqual([...new Set(places)].toSorted((one, other) => one - other));
				const sizes = rungs.map(({ heightPixels }) => heightPixels);
				expect(sizes).toEqual(sizes.toSorted((one, other) => other - one));
			}),
		);
	});
});
