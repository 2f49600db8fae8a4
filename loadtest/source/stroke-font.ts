/** A small font of strokes, smooth at any size, so that the test picture needs no font of the machine. */

/** Coverage of each pixel by a shape, 0–255; and the same at half size for the chroma planes. Sizes are even. */
export type Mask = { width: number; height: number; coverage: Uint8Array; halfCoverage: Uint8Array };

type Point = readonly [x: number, y: number];
type Stroke = readonly Point[];

/** Half the width of a stroke, in units of the glyph's height. */
const STROKE_RADIUS = 0.065;
/** Width of a glyph's box in units of its height; strokes are from 0.1 to 0.52. */
const GLYPH_WIDTH = 0.62;
/** Width of glyphs that are one thin stroke. */
const NARROW_WIDTH = 0.36;
const NARROW_GLYPHS = 'I:.';
const L = 0.1;
const R = 0.52;
const M = 0.31;
const T = 0.1;
const B = 0.9;
const C = 0.5;

/** A polyline through the points x, y, x, y … */
function line(...coordinates: number[]): Point[] {
	return Array.from({ length: coordinates.length / 2 }, (_, index) => {
		return [coordinates[2 * index]!, coordinates[2 * index + 1]!] as const;
	});
}

/** Part of an ellipse as a polyline; angles in turns, clockwise from three o'clock. */
function arc(centreX: number, centreY: number, radiusX: number, radiusY: number, from: number, to: number): Point[] {
	return Array.from({ length: 33 }, (_, index) => {
		const angle = (from + ((to - from) * index) / 32) * 2 * Math.PI;
		return [centreX + radiusX * Math.cos(angle), centreY + radiusY * Math.sin(angle)] as const;
	});
}

const BOWL = [[L, T], [0.36, T], ...arc(0.36, 0.29, 0.16, 0.19, 0.75, 1.25), [L, 0.48]] as const;

const GLYPHS: Record<string, readonly Stroke[]> = {
	'0': [arc(M, C, 0.21, 0.4, 0, 1)],
	'1': [line(0.16, 0.26, 0.34, T, 0.34, B)],
	'2': [[...arc(M, 0.31, 0.21, 0.21, 0.5, 1.06), [L, B], [R, B]]],
	'3': [[...arc(M, 0.29, 0.19, 0.19, 0.6, 1.25), ...arc(M, 0.69, 0.21, 0.21, 0.75, 1.4)]],
	'4': [line(0.42, B, 0.42, T, L, 0.66, R, 0.66)],
	'5': [[[R, T], [0.14, T], [0.12, 0.46], ...arc(M, 0.66, 0.21, 0.24, 0.65, 1.4)]],
	'6': [arc(M, 0.66, 0.21, 0.24, 0, 1), [[0.42, T], ...arc(0.36, 0.62, 0.26, 0.4, 0.7, 0.5)]],
	'7': [line(L, T, R, T, 0.22, B)],
	'8': [arc(M, 0.29, 0.18, 0.19, 0, 1), arc(M, 0.69, 0.21, 0.21, 0, 1)],
	'9': [arc(M, 0.34, 0.21, 0.24, 0, 1), [[0.2, B], ...arc(0.26, 0.38, 0.26, 0.4, 0.2, 0)]],
	':': [line(M, 0.34, M, 0.35), line(M, 0.66, M, 0.67)],
	'.': [line(M, 0.87, M, 0.88)],
	A: [line(L, B, M, T, R, B), line(0.18, 0.64, 0.44, 0.64)],
	C: [arc(M, C, 0.21, 0.4, 0.9, 0.1)],
	E: [line(R, T, L, T, L, B, R, B), line(L, C, 0.46, C)],
	F: [line(R, T, L, T, L, B), line(L, C, 0.46, C)],
	I: [line(M, T, M, B)],
	L: [line(L, T, L, B, R, B)],
	M: [line(0.08, B, 0.08, T, M, 0.6, 0.54, T, 0.54, B)],
	P: [[[L, B], ...BOWL]],
	R: [[[L, B], ...BOWL], line(0.32, 0.48, R, B)],
	S: [[...arc(M, 0.3, 0.2, 0.2, 0.95, 0.25), ...arc(M, 0.7, 0.21, 0.2, 0.75, 1.45)]],
	T: [line(0.06, T, 0.56, T), line(M, T, M, B)],
	U: [[[L, T], [L, 0.68], ...arc(M, 0.68, 0.21, 0.22, 0.5, 0), [R, T]]],
	W: [line(0.07, T, 0.19, B, M, 0.36, 0.43, B, 0.55, T)],
	Y: [line(L, T, M, 0.5, R, T), line(M, 0.5, M, B)],
};

/** Pixels from this glyph to the next at that height. */
export function glyphAdvance(character: string, heightPixels: number): number {
	const width = NARROW_GLYPHS.includes(character) ? NARROW_WIDTH : GLYPH_WIDTH;
	return Math.round((width * heightPixels) / 2) * 2;
}

/** The glyph of one character; blank for a space and for characters that the font does not have. */
export function glyphMask(character: string, heightPixels: number): Mask {
	const height = Math.round(heightPixels / 2) * 2;
	const strokes = GLYPHS[character] ?? [];
	const width = glyphAdvance(character, height);
	// Strokes are in units of the full width; a narrow glyph is the middle of it.
	const left = (GLYPH_WIDTH - width / height) / 2;
	const insideBy = (x: number, y: number): number =>
		(STROKE_RADIUS - distanceToStrokes(x / height + left, y / height, strokes)) * height;
	return maskOf(width, height, insideBy);
}

export function discMask(diameterPixels: number): Mask {
	const size = Math.round(diameterPixels / 2) * 2;
	return maskOf(size, size, (x, y) => size / 2 - Math.hypot(x - size / 2, y - size / 2));
}

/** A ring of that outer diameter and thickness. */
export function ringMask(diameterPixels: number, thicknessPixels: number): Mask {
	const size = Math.round(diameterPixels / 2) * 2;
	const radius = (size - thicknessPixels) / 2;
	return maskOf(size, size, (x, y) => thicknessPixels / 2 - Math.abs(Math.hypot(x - size / 2, y - size / 2) - radius));
}

// `insideBy`: how many pixels a point lies inside the shape; the outermost pixel fades.
function maskOf(width: number, height: number, insideBy: (x: number, y: number) => number): Mask {
	const coverage = new Uint8Array(width * height);
	for (let y = 0; y < height; y++) {
		for (let x = 0; x < width; x++) {
			coverage[y * width + x] = Math.round(Math.min(1, Math.max(0, insideBy(x + 0.5, y + 0.5) + 0.5)) * 255);
		}
	}
	const halfCoverage = new Uint8Array((width / 2) * (height / 2));
	for (let y = 0; y < height; y += 2) {
		for (let x = 0; x < width; x += 2) {
			const at = y * width + x;
			const sum = coverage[at]! + coverage[at + 1]! + coverage[at + width]! + coverage[at + width + 1]!;
			halfCoverage[(y / 2) * (width / 2) + x / 2] = sum >> 2;
		}
	}
	return { width, height, coverage, halfCoverage };
}

function distanceToStrokes(x: number, y: number, strokes: readonly Stroke[]): number {
	let least = Infinity;
	for (const stroke of strokes) {
		for (let index = 1; index < stroke.length; index++) {
			const [fromX, fromY] = stroke[index - 1]!;
			const [toX, toY] = stroke[index]!;
			const lengthSquared = (toX - fromX) ** 2 + (toY - fromY) ** 2;
			const along =
				lengthSquared === 0 ? 0 : ((x - fromX) * (toX - fromX) + (y - fromY) * (toY - fromY)) / lengthSquared;
			const share = Math.min(1, Math.max(0, along));
			least = Math.min(least, Math.hypot(x - fromX - share * (toX - fromX), y - fromY - share * (toY - fromY)));
		}
	}
	return least;
}
