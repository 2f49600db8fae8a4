/** Draws the bench's moving picture as yuv420p: a scrolling texture and the time pattern, at almost no CPU cost. */
import { drawPattern, patternBandHeight } from './time-pattern.ts';
import type { SentFrame } from './source-loop.ts';

/** Draws into yuv420p buffers of `frameBytes`. */
export interface PictureArtist {
	readonly frameBytes: number;
	draw(target: Uint8Array, frame: SentFrame): void;
}

/** Rows that the texture moves a picture; even, so that chroma moves with it. */
const SCROLL_ROWS = 2;

/**
 * Copies each picture from another row of a texture twice as high. Three copies of memory and the band take a fraction
 * of a millisecond at 720p. The texture has edges and gradients, so that the encoder has work to do.
 */
export class BenchPicture implements PictureArtist {
	readonly #width: number;
	readonly #height: number;
	readonly #luma: Uint8Array;
	readonly #chroma: readonly [Uint8Array, Uint8Array];

	/** Both sizes must be even. */
	constructor(width: number, height: number) {
		if (width % 2 !== 0 || height % 2 !== 0) {
			throw new TypeError(`A yuv420p picture needs even sizes, but got ${width}x${height}.`);
		}
		this.#width = width;
		this.#height = height;
		this.#luma = makeTexture(width, height, lumaAt);
		this.#chroma = [
			makeTexture(width / 2, height / 2, (x, y) => 128 + 50 * Math.sin(x * 7) * Math.cos(y * 2 * Math.PI)),
			makeTexture(width / 2, height / 2, (x, y) => 128 + 50 * Math.cos(x * 5) * Math.sin(y * 4 * Math.PI)),
		];
	}

	get frameBytes(): number {
		return (this.#width * this.#height * 3) / 2;
	}

	draw(target: Uint8Array, frame: SentFrame): void {
		const row = (frame.frameNumber * SCROLL_ROWS) % this.#height;
		const lumaBytes = this.#width * this.#height;
		const bandHeight = patternBandHeight(this.#height);
		target.set(this.#luma.subarray(row * this.#width, row * this.#width + lumaBytes), 0);
		drawPattern(target, this.#width, this.#height, frame.frameNumber, frame.captureTimeMs);
		const bandChromaBytes = Math.ceil(bandHeight / 2) * (this.#width / 2);
		let offset = lumaBytes;
		for (const plane of this.#chroma) {
			const start = (row / 2) * (this.#width / 2);
			target.set(plane.subarray(start, start + lumaBytes / 4), offset);
			// Grey under the band: colour only costs bits there.
			target.fill(128, offset, offset + bandChromaBytes);
			offset += lumaBytes / 4;
		}
	}
}

// Two periods, so that a whole picture follows any start row within the first.
function makeTexture(width: number, height: number, valueAt: (x: number, y: number) => number): Uint8Array {
	const texture = new Uint8Array(width * height * 2);
	for (let y = 0; y < height; y++) {
		for (let x = 0; x < width; x++) {
			texture[y * width + x] = valueAt(x / width, y / height);
		}
	}
	texture.copyWithin(width * height, 0, width * height);
	return texture;
}

function lumaAt(x: number, y: number): number {
	const stripes = (Math.floor(x * 24) + Math.floor(y * 12)) % 2 === 0 ? 22 : -22;
	return 120 + stripes + 40 * Math.sin(x * 9 + 2 * Math.sin(y * 2 * Math.PI)) + 15 * Math.sin(x * 400);
}
