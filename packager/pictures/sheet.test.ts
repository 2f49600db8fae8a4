/** Puts pictures on a sheet: every sample of every plane is where it belongs. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { Sheet } from './sheet.ts';

it('puts each picture to its place in all planes', () => {
	const even = fc.integer({ min: 1, max: 4 }).map((half) => half * 2);
	const layouts = fc.record({
		tile: fc.record({ widthPixels: even, heightPixels: even }),
		columns: fc.integer({ min: 1, max: 4 }),
		rows: fc.integer({ min: 1, max: 3 }),
	});
	fc.assert(
		fc.property(layouts, ({ tile, columns, rows }) => {
			const sheet = new Sheet({ tile, columns, rows });
			const lumaSamples = tile.widthPixels * tile.heightPixels;
			const count = columns * rows;
			for (let index = 0; index < count; index++) {
				const picture = new Uint8Array((lumaSamples * 3) / 2).fill(100 + index, lumaSamples);
				picture.fill(index + 1, 0, lumaSamples);
				sheet.put(index, picture);
			}
			const { widthPixels, heightPixels } = sheet.size;
			const planes = [
				{ start: 0, scale: 1, base: 1 },
				{ start: widthPixels * heightPixels, scale: 2, base: 100 },
				{ start: (widthPixels * heightPixels * 5) / 4, scale: 2, base: 100 },
			];
			for (const { start, scale, base } of planes) {
				const width = widthPixels / scale;
				for (let y = 0; y < heightPixels / scale; y++) {
					for (let x = 0; x < width; x++) {
						const column = Math.floor((x * scale) / tile.widthPixels);
						const row = Math.floor((y * scale) / tile.heightPixels);
						expect(sheet.bytes[start + y * width + x]).toBe(base + row * columns + column);
					}
				}
			}
		}),
		{ numRuns: 50 },
	);
});

it('refuses a picture of another size or outside of the sheet', () => {
	const sheet = new Sheet({ tile: { widthPixels: 4, heightPixels: 2 }, columns: 2, rows: 1 });
	expect(() => sheet.put(0, new Uint8Array(11))).toThrow(TypeError);
	expect(() => sheet.put(2, new Uint8Array(12))).toThrow(TypeError);
});
