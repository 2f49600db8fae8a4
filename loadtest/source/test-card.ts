/** The built-in test picture as yuv420p: a card with the name, a clock, a frame counter and a sweeping dot. */
import { FRAME_NUMBER_RANGE, drawPattern, patternBandHeight } from './time-pattern.ts';
import type { PictureArtist } from './bench-picture.ts';
import { discMask, glyphAdvance, glyphMask, type Mask, ringMask } from './stroke-font.ts';
import type { SentFrame } from './source-loop.ts';

/** Luma and the two chroma values, limited range. */
type Colour = readonly [luma: number, blue: number, red: number];

const WHITE = rgb(240, 246, 255);
const SOFT = rgb(150, 178, 205);
const ACCENT = rgb(64, 208, 196);
const FLASH = rgb(255, 178, 62);
/** The usual order of colour bars at three quarters of full colour: white, yellow, cyan, green, magenta, red, blue. */
const BARS: readonly Colour[] = [0b111, 0b110, 0b011, 0b010, 0b101, 0b100, 0b001].map((bits) =>
	rgb(bits & 0b100 ? 191 : 0, bits & 0b010 ? 191 : 0, bits & 0b001 ? 191 : 0),
);
/** Longer than the second's tone of 60 ms, so that eyes notice it. */
const FLASH_MS = 100;
/** Pixels that the rainbow strip moves a picture; even, so that chroma moves with it. */
const STRIP_STEP_PIXELS = 4;

/** Draws the card at 1280x720 proportions, its still parts only once. */
export class TestCard implements PictureArtist {
	readonly #width: number;
	readonly #height: number;
	readonly #still: Uint8Array;
	/** Two widths of the rainbow, so that a whole row follows any start column. */
	readonly #strip: { luma: Uint8Array; blue: Uint8Array; red: Uint8Array };
	readonly #digits: Map<string, Mask>;
	readonly #smallDigits: Map<string, Mask>;
	readonly #dot: Mask;
	readonly #centreDisc: Mask;

	constructor(width = 1280, height = 720) {
		this.#width = width;
		this.#height = height;
		this.#digits = glyphs('0123456789:.', this.#y(120));
		this.#smallDigits = glyphs('0123456789', this.#y(48));
		this.#dot = discMask(this.#y(34));
		this.#centreDisc = discMask(this.#y(90));
		this.#strip = this.#makeStrip();
		this.#still = this.#drawStill();
	}

	get frameBytes(): number {
		return (this.#width * this.#height * 3) / 2;
	}

	draw(target: Uint8Array, frame: SentFrame): void {
		target.set(this.#still);
		this.#drawStrip(target, frame.frameNumber);
		const time = new Date(frame.captureTimeMs).toISOString().slice(11, 21);
		this.#drawText(target, time, this.#y(92), this.#y(232), this.#digits, WHITE);
		const count = String(frame.frameNumber % FRAME_NUMBER_RANGE).padStart(7, '0');
		this.#drawText(target, count, this.#y(256), this.#y(386), this.#smallDigits, ACCENT);
		this.#drawSweep(target, frame.captureTimeMs);
		drawPattern(target, this.#width, this.#height, frame.frameNumber, frame.captureTimeMs);
	}

	// One turn a second, so that a single late picture is visible; the disc lights up with the tone.
	#drawSweep(target: Uint8Array, captureTimeMs: number): void {
		const turn = (captureTimeMs % 1000) / 1000;
		const angle = (turn - 0.25) * 2 * Math.PI;
		const radius = this.#y(126);
		const x = this.#y(1050) + radius * Math.cos(angle) - this.#dot.width / 2;
		const y = this.#y(286) + radius * Math.sin(angle) - this.#dot.height / 2;
		this.#blend(target, this.#dot, x, y, WHITE);
		if (captureTimeMs % 1000 < FLASH_MS) {
			const half = this.#centreDisc.width / 2;
			this.#blend(target, this.#centreDisc, this.#y(1050) - half, this.#y(286) - half, FLASH);
		}
	}

	#drawStrip(target: Uint8Array, frameNumber: number): void {
		const start = (frameNumber * STRIP_STEP_PIXELS) % this.#width;
		const lumaBytes = this.#width * this.#height;
		const luma = this.#strip.luma.subarray(start, start + this.#width);
		const top = this.#y(628);
		for (let y = top; y < this.#height; y++) {
			target.set(luma, y * this.#width);
		}
		[this.#strip.blue, this.#strip.red].forEach((plane, index) => {
			const row = plane.subarray(start / 2, (start + this.#width) / 2);
			for (let y = top / 2; y < this.#height / 2; y++) {
				target.set(row, lumaBytes + (index * lumaBytes) / 4 + (y * this.#width) / 2);
			}
		});
	}

	#drawStill(): Uint8Array {
		const picture = new Uint8Array(this.frameBytes);
		for (let y = 0; y < this.#height; y += 2) {
			const share = y / this.#height;
			this.#fill(picture, 0, y, this.#width, 2, rgb(10 + 8 * share, 22 + 40 * share, 48 + 52 * share));
		}
		const barWidth = Math.floor(this.#width / BARS.length / 2) * 2;
		BARS.forEach((colour, index) => {
			const width = index === BARS.length - 1 ? this.#width - barWidth * index : barWidth;
			this.#fill(picture, barWidth * index, this.#y(480), width, this.#y(148), colour);
		});
		this.#drawWord(picture, 'SPILLWAY', this.#y(96), this.#y(108), this.#y(84), ACCENT);
		this.#drawWord(picture, 'UTC', this.#y(660), this.#y(390), this.#y(40), SOFT);
		this.#drawWord(picture, 'FRAME', this.#y(96), this.#y(390), this.#y(40), SOFT);
		const ring = ringMask(this.#y(300), this.#y(6));
		this.#blend(picture, ring, this.#y(1050) - ring.width / 2, this.#y(286) - ring.height / 2, SOFT);
		const band = patternBandHeight(this.#height);
		this.#fill(picture, 0, 0, this.#width, Math.ceil(band / 2) * 2, [16, 128, 128]);
		return picture;
	}

	#makeStrip(): { luma: Uint8Array; blue: Uint8Array; red: Uint8Array } {
		const strip = {
			luma: new Uint8Array(this.#width * 2),
			blue: new Uint8Array(this.#width),
			red: new Uint8Array(this.#width),
		};
		for (let x = 0; x < this.#width * 2; x++) {
			const [luma, blue, red] = rainbow((x % this.#width) / this.#width);
			strip.luma[x] = luma;
			strip.blue[x >> 1] = blue;
			strip.red[x >> 1] = red;
		}
		return strip;
	}

	#drawText(target: Uint8Array, text: string, x: number, y: number, masks: Map<string, Mask>, colour: Colour): void {
		for (const character of text) {
			const mask = masks.get(character);
			if (mask !== undefined) {
				this.#blend(target, mask, x, y, colour);
				x += mask.width;
			}
		}
	}

	#drawWord(target: Uint8Array, word: string, x: number, y: number, heightPixels: number, colour: Colour): void {
		for (const character of word) {
			this.#blend(target, glyphMask(character, heightPixels), x, y, colour);
			x += glyphAdvance(character, heightPixels);
		}
	}

	#fill(target: Uint8Array, left: number, top: number, width: number, height: number, colour: Colour): void {
		const lumaBytes = this.#width * this.#height;
		for (let y = top; y < top + height; y++) {
			target.fill(colour[0], y * this.#width + left, y * this.#width + left + width);
		}
		for (const [index, value] of [colour[1], colour[2]].entries()) {
			const plane = lumaBytes + (index * lumaBytes) / 4;
			for (let y = top / 2; y < (top + height) / 2; y++) {
				const row = plane + (y * this.#width) / 2;
				target.fill(value, row + left / 2, row + (left + width) / 2);
			}
		}
	}

	// Corners are on even pixels, so that the half-size mask fits the chroma planes.
	#blend(target: Uint8Array, mask: Mask, leftPixels: number, topPixels: number, colour: Colour): void {
		const left = Math.round(leftPixels / 2) * 2;
		const top = Math.round(topPixels / 2) * 2;
		const lumaBytes = this.#width * this.#height;
		mixPlane(target, mask.coverage, mask.width, top * this.#width + left, this.#width, colour[0]);
		const half = (top / 2) * (this.#width / 2) + left / 2;
		mixPlane(target, mask.halfCoverage, mask.width / 2, lumaBytes + half, this.#width / 2, colour[1]);
		mixPlane(target, mask.halfCoverage, mask.width / 2, (lumaBytes * 5) / 4 + half, this.#width / 2, colour[2]);
	}

	/** A length in the 720-line design → even pixels of this picture. */
	#y(designPixels: number): number {
		return Math.round((designPixels * this.#height) / 720 / 2) * 2;
	}
}

function mixPlane(
	target: Uint8Array,
	coverage: Uint8Array,
	width: number,
	start: number,
	stride: number,
	value: number,
): void {
	for (let from = 0, row = start; from < coverage.length; from += width, row += stride) {
		for (let x = 0; x < width; x++) {
			const share = coverage[from + x]!;
			if (share > 0) {
				const under = target[row + x]!;
				target[row + x] = under + (((value - under) * share) >> 8) + (share === 255 && value > under ? 1 : 0);
			}
		}
	}
}

function glyphs(characters: string, heightPixels: number): Map<string, Mask> {
	return new Map([...characters].map((character) => [character, glyphMask(character, heightPixels)]));
}

function rainbow(share: number): Colour {
	const channel = (shift: number): number => 128 + 96 * Math.cos((share + shift) * 2 * Math.PI);
	return rgb(channel(0), channel(1 / 3), channel(2 / 3));
}

/** BT.709, limited range, which the encoder's options name and players assume for pictures of this size. */
function rgb(red: number, green: number, blue: number): Colour {
	const luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue;
	return [
		Math.round(16 + (luma * 219) / 255),
		Math.round(128 + ((blue - luma) / 1.8556) * (224 / 255)),
		Math.round(128 + ((red - luma) / 1.5748) * (224 / 255)),
	];
}
