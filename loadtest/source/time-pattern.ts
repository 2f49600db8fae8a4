/**
 * The machine-readable time pattern: frame number and capture time as black and white cells in a band along the top of
 * the picture. Pure, and without imports, because the same text also runs inside the browser.
 */

/** Cells side by side over the full width of the picture: 32 px each at 1280, 16 px at 640. */
export const PATTERN_COLUMNS = 40;
/** Rows of cells, from the top edge down. */
export const PATTERN_ROWS = 2;
/** Height of one row as a share of the picture's height: square cells at 16:9 (32 px at 720). */
export const PATTERN_ROW_RATIO = 2 / 45;
/** Luma of a set cell. Well inside the legal range, so that limited and full range both read correctly. */
export const PATTERN_WHITE_LUMA = 215;
/** Luma of a cleared cell. */
export const PATTERN_BLACK_LUMA = 36;

const FRAME_NUMBER_BITS = 20;
const TIME_BITS = 40;
const PAYLOAD_BITS = FRAME_NUMBER_BITS + TIME_BITS;
/** Eighths of a millisecond: 40 bits of them wrap after 4.3 years, and the reader knows the time roughly. */
const TIME_UNITS_PER_MS = 8;
/** Frame numbers wrap here, after 9.7 hours at 30 frames a second. */
export const FRAME_NUMBER_RANGE = 2 ** FRAME_NUMBER_BITS;
/** Each row begins with a white and a black cell (the second row swapped), which give the levels and the threshold. */
const SYNC_CELLS = 2;
/** Minimum difference between the white and black sync cells; below it the picture has no pattern. */
const MIN_CONTRAST = 48;
/** A reading further than this from the reader's own clock is damage that the CRC did not find. */
const MAX_AGE_MS = 3_600_000;

/** @internal for tests */
export type PatternReading = {
	/** Counts from 0 in the source, modulo {@link FRAME_NUMBER_RANGE}. */
	frameNumber: number;
	/** Epoch milliseconds on the source's clock, in steps of 1/8 ms. */
	captureTimeMs: number;
};

/** The samples of the band and their layout in memory. */
type PatternSamples = {
	/** Luma, or any channel of a grey picture such as green. */
	samples: ArrayLike<number>;
	/** Width of the picture, in samples. */
	width: number;
	/** Height of the whole picture at the same scale, in samples; may be fractional. Only the top is read. */
	pictureHeight: number;
	/** Entries from one row to the next. */
	rowStride: number;
	/** Entries from one sample to the next: 1 for a luma plane, 4 for RGBA. */
	sampleStride: number;
	/** Index of the first sample: 0 for a luma plane, 1 for the green of RGBA. */
	firstIndex: number;
};

/** CRC-16/CCITT-FALSE over bits, most significant first. @internal for tests */
export function crc16OfBits(bits: ArrayLike<number>, count: number): number {
	let crc = 0xffff;
	for (let index = 0; index < count; index++) {
		const isCarry = ((crc >> 15) & 1) !== bits[index];
		crc = (crc << 1) & 0xffff;
		if (isCarry) {
			crc ^= 0x1021;
		}
	}
	return crc;
}

/** The cells for one picture, row by row from the top left: 1 is white, 0 is black. */
export function patternCells(frameNumber: number, captureTimeMs: number): Uint8Array {
	const payload = new Uint8Array(PAYLOAD_BITS + 16);
	writeBits(payload, 0, FRAME_NUMBER_BITS, frameNumber % FRAME_NUMBER_RANGE);
	writeBits(payload, FRAME_NUMBER_BITS, TIME_BITS, Math.round(captureTimeMs * TIME_UNITS_PER_MS) % 2 ** TIME_BITS);
	writeBits(payload, PAYLOAD_BITS, 16, crc16OfBits(payload, PAYLOAD_BITS));
	const cells = new Uint8Array(PATTERN_COLUMNS * PATTERN_ROWS);
	let next = 0;
	for (let index = 0; index < cells.length; index++) {
		const column = index % PATTERN_COLUMNS;
		const row = (index - column) / PATTERN_COLUMNS;
		cells[index] = column < SYNC_CELLS ? (column + row + 1) % 2 : payload[next++]!;
	}
	return cells;
}

/** Where a cell lies in a picture of that size, in whole pixels. */
export function patternCellBox(
	index: number,
	width: number,
	height: number,
): { left: number; top: number; right: number; bottom: number } {
	const column = index % PATTERN_COLUMNS;
	const row = (index - column) / PATTERN_COLUMNS;
	return {
		left: Math.round((column * width) / PATTERN_COLUMNS),
		right: Math.round(((column + 1) * width) / PATTERN_COLUMNS),
		top: Math.round(row * PATTERN_ROW_RATIO * height),
		bottom: Math.round((row + 1) * PATTERN_ROW_RATIO * height),
	};
}

/** Pixel rows of the band in a picture of that height. */
export function patternBandHeight(height: number): number {
	return Math.round(PATTERN_ROWS * PATTERN_ROW_RATIO * height);
}

/** Draws the band into a luma plane with rows of `width`. */
export function drawPattern(
	luma: Uint8Array,
	width: number,
	height: number,
	frameNumber: number,
	captureTimeMs: number,
): void {
	const cells = patternCells(frameNumber, captureTimeMs);
	for (let row = 0; row < PATTERN_ROWS; row++) {
		const first = patternCellBox(row * PATTERN_COLUMNS, width, height);
		const start = first.top * width;
		for (let column = 0; column < PATTERN_COLUMNS; column++) {
			const index = row * PATTERN_COLUMNS + column;
			const box = patternCellBox(index, width, height);
			luma.fill(cells[index] ? PATTERN_WHITE_LUMA : PATTERN_BLACK_LUMA, start + box.left, start + box.right);
		}
		for (let y = first.top + 1; y < first.bottom; y++) {
			luma.copyWithin(y * width, start, start + width);
		}
	}
}

/**
 * Reads the band from a picture at any scale. `nearMs` is the reader's own clock, because the drawn time wraps.
 * Undefined for no pattern or a damaged one (CRC).
 */
export function readPattern(picture: PatternSamples, nearMs: number): PatternReading | undefined {
	const levels = new Float64Array(PATTERN_COLUMNS * PATTERN_ROWS);
	for (let index = 0; index < levels.length; index++) {
		levels[index] = cellLevel(picture, index);
	}
	const white = (levels[0]! + levels[PATTERN_COLUMNS + 1]!) / 2;
	const black = (levels[1]! + levels[PATTERN_COLUMNS]!) / 2;
	if (!(white - black >= MIN_CONTRAST)) {
		return undefined;
	}
	const threshold = (white + black) / 2;
	const payload = new Uint8Array(PAYLOAD_BITS + 16);
	let next = 0;
	for (let index = 0; index < levels.length; index++) {
		if (index % PATTERN_COLUMNS >= SYNC_CELLS) {
			payload[next++] = levels[index]! > threshold ? 1 : 0;
		}
	}
	if (readBits(payload, PAYLOAD_BITS, 16) !== crc16OfBits(payload, PAYLOAD_BITS)) {
		return undefined;
	}
	const range = 2 ** TIME_BITS;
	const near = nearMs * TIME_UNITS_PER_MS;
	const wrapped = readBits(payload, FRAME_NUMBER_BITS, TIME_BITS);
	const captureTimeMs = (wrapped + Math.round((near - wrapped) / range) * range) / TIME_UNITS_PER_MS;
	if (Math.abs(captureTimeMs - nearMs) > MAX_AGE_MS) {
		return undefined;
	}
	return { frameNumber: readBits(payload, 0, FRAME_NUMBER_BITS), captureTimeMs };
}

// Mean of the middle half of a cell, without ringing and chroma bleeding at its edges.
function cellLevel(picture: PatternSamples, index: number): number {
	const column = index % PATTERN_COLUMNS;
	const row = (index - column) / PATTERN_COLUMNS;
	const cellWidth = picture.width / PATTERN_COLUMNS;
	const cellHeight = picture.pictureHeight * PATTERN_ROW_RATIO;
	const left = Math.floor((column + 0.25) * cellWidth);
	const right = Math.max(left + 1, Math.floor((column + 0.75) * cellWidth));
	const top = Math.floor((row + 0.25) * cellHeight);
	const bottom = Math.max(top + 1, Math.floor((row + 0.75) * cellHeight));
	let sum = 0;
	for (let y = top; y < bottom; y++) {
		for (let x = left; x < right; x++) {
			sum += picture.samples[picture.firstIndex + y * picture.rowStride + x * picture.sampleStride]!;
		}
	}
	return sum / ((right - left) * (bottom - top));
}

function writeBits(bits: Uint8Array, offset: number, count: number, value: number): void {
	for (let index = count - 1; index >= 0; index--) {
		bits[offset + index] = value % 2;
		value = Math.floor(value / 2);
	}
}

function readBits(bits: Uint8Array, offset: number, count: number): number {
	let value = 0;
	for (let index = 0; index < count; index++) {
		value = value * 2 + bits[offset + index]!;
	}
	return value;
}
