/** A sheet of raw pictures of one size, in 4:2:0 with whole planes, as FFmpeg reads and writes them. */
import type { PictureSize } from '../recording/storyboard.ts';

type SheetLayout = { tile: PictureSize; columns: number; rows: number };

/** Sizes are even, so that each picture has whole samples of colour. */
export class Sheet {
	readonly size: PictureSize;
	readonly bytes: Uint8Array;
	readonly #layout: SheetLayout;

	/** All black. */
	constructor(layout: SheetLayout) {
		const { tile, columns, rows } = layout;
		this.#layout = layout;
		this.size = { widthPixels: tile.widthPixels * columns, heightPixels: tile.heightPixels * rows };
		const samples = this.size.widthPixels * this.size.heightPixels;
		this.bytes = new Uint8Array((samples * 3) / 2);
		this.bytes.fill(128, samples);
	}

	/** Bytes of one picture. */
	get tileBytes(): number {
		const { widthPixels, heightPixels } = this.#layout.tile;
		return (widthPixels * heightPixels * 3) / 2;
	}

	/** `index` counts along the rows. Throws TypeError for a picture of another size. */
	put(index: number, picture: Uint8Array): void {
		const { tile, columns, rows } = this.#layout;
		if (picture.length !== this.tileBytes || index < 0 || index >= columns * rows) {
			throw new TypeError(`A picture of ${picture.length} bytes cannot be number ${index} of the sheet.`);
		}
		let from = 0;
		let plane = 0;
		for (const scale of [1, 2, 2]) {
			const [width, height] = [tile.widthPixels / scale, tile.heightPixels / scale];
			const stride = width * columns;
			const corner = plane + Math.floor(index / columns) * height * stride + (index % columns) * width;
			for (let row = 0; row < height; row++) {
				this.bytes.set(picture.subarray(from, from + width), corner + row * stride);
				from += width;
			}
			plane += stride * height * rows;
		}
	}
}
