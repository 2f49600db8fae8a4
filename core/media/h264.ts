/** H.264 NAL units: types, splitting, and the size written in a sequence parameter set. Knows nothing of RTP or FLV. */

/** NAL unit types that are treated apart (ITU-T H.264 table 7-1). */
export const NAL_TYPE = {
	NON_IDR: 1,
	IDR: 5,
	SEI: 6,
	SPS: 7,
	PPS: 8,
	AUD: 9,
	END_OF_SEQUENCE: 10,
	END_OF_STREAM: 11,
	FILLER: 12,
} as const;

/** Type of a NAL unit, from its first byte. */
export function nalType(nal: Uint8Array): number {
	return nal[0]! & 0x1f;
}

/** Splits length-prefixed NAL units. Stops at the first length that runs past the end; never throws. */
export function splitLengthPrefixed(bytes: Uint8Array, lengthSize: 1 | 2 | 4 = 4): Uint8Array[] {
	const nals: Uint8Array[] = [];
	let offset = 0;
	while (offset + lengthSize <= bytes.length) {
		let length = 0;
		for (let index = 0; index < lengthSize; index++) {
			length = length * 256 + bytes[offset + index]!;
		}
		offset += lengthSize;
		if (length === 0) {
			continue;
		}
		if (offset + length > bytes.length) {
			break;
		}
		nals.push(bytes.subarray(offset, offset + length));
		offset += length;
	}
	return nals;
}

/** Joins NAL units, each after its 4-byte length. */
export function joinLengthPrefixed(nals: readonly Uint8Array[]): Uint8Array {
	let size = 0;
	for (const nal of nals) {
		size += 4 + nal.length;
	}
	const bytes = new Uint8Array(size);
	const view = new DataView(bytes.buffer);
	let offset = 0;
	for (const nal of nals) {
		view.setUint32(offset, nal.length);
		bytes.set(nal, offset + 4);
		offset += 4 + nal.length;
	}
	return bytes;
}

/** Splits an Annex B byte stream (start codes of 3 or 4 bytes). Never throws. */
export function splitAnnexB(bytes: Uint8Array): Uint8Array[] {
	const nals: Uint8Array[] = [];
	let start = -1;
	let index = 0;
	while (index + 2 < bytes.length) {
		if (bytes[index + 2]! > 1) {
			index += 3;
		} else if (bytes[index] === 0 && bytes[index + 1] === 0 && bytes[index + 2] === 1) {
			if (start >= 0) {
				pushTrimmed(nals, bytes, start, index);
			}
			start = index + 3;
			index += 3;
		} else {
			index++;
		}
	}
	if (start >= 0) {
		pushTrimmed(nals, bytes, start, bytes.length);
	}
	return nals;
}

function pushTrimmed(nals: Uint8Array[], bytes: Uint8Array, start: number, end: number): void {
	// trailing_zero_8bits belong to the byte stream, not to the NAL unit (ITU-T H.264 §B.1.1).
	while (end > start && bytes[end - 1] === 0) {
		end--;
	}
	if (end > start) {
		nals.push(bytes.subarray(start, end));
	}
}

/** What {@link parseSps} reads. */
export type SpsFacts = {
	profileIdc: number;
	levelIdc: number;
	widthPixels: number;
	heightPixels: number;
	/** From the VUI's bitstream restriction; undefined when it is silent. 0 promises that there are no B-frames. */
	maxNumReorderFrames: number | undefined;
};

/** Reads size and reordering from a sequence parameter set (ITU-T H.264 §7.3.2.1). Undefined when it cannot be read. */
export function parseSps(nal: Uint8Array): SpsFacts | undefined {
	try {
		return readSps(new BitReader(unescapeRbsp(nal.subarray(1))));
	} catch (error) {
		if (error instanceof RangeError) {
			return undefined;
		}
		throw error;
	}
}

const HIGH_PROFILES = new Set([100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135]);

function readSps(bits: BitReader): SpsFacts | undefined {
	const profileIdc = bits.read(8);
	bits.read(8);
	const levelIdc = bits.read(8);
	bits.readUe();
	let chromaFormatIdc = 1;
	let separatePlanes = 0;
	if (HIGH_PROFILES.has(profileIdc)) {
		chromaFormatIdc = bits.readUe();
		if (chromaFormatIdc === 3) {
			separatePlanes = bits.read(1);
		}
		bits.readUe();
		bits.readUe();
		bits.read(1);
		if (bits.read(1) === 1) {
			for (let index = 0; index < (chromaFormatIdc === 3 ? 12 : 8); index++) {
				if (bits.read(1) === 1) {
					skipScalingList(bits, index < 6 ? 16 : 64);
				}
			}
		}
	}
	bits.readUe();
	const pocType = bits.readUe();
	if (pocType === 0) {
		bits.readUe();
	} else if (pocType === 1) {
		bits.read(1);
		bits.readSe();
		bits.readSe();
		const count = bits.readUe();
		for (let index = 0; index < Math.min(count, 255); index++) {
			bits.readSe();
		}
	}
	bits.readUe();
	bits.read(1);
	const widthInMbs = bits.readUe() + 1;
	const heightInMapUnits = bits.readUe() + 1;
	const frameMbsOnly = bits.read(1);
	if (frameMbsOnly === 0) {
		bits.read(1);
	}
	bits.read(1);
	const crop = { left: 0, right: 0, top: 0, bottom: 0 };
	if (bits.read(1) === 1) {
		crop.left = bits.readUe();
		crop.right = bits.readUe();
		crop.top = bits.readUe();
		crop.bottom = bits.readUe();
	}
	const isMonochrome = chromaFormatIdc === 0 || separatePlanes === 1;
	const cropUnitX = isMonochrome || chromaFormatIdc === 3 ? 1 : 2;
	const cropUnitY = (isMonochrome || chromaFormatIdc !== 1 ? 1 : 2) * (2 - frameMbsOnly);
	const widthPixels = widthInMbs * 16 - (crop.left + crop.right) * cropUnitX;
	const heightPixels = heightInMapUnits * 16 * (2 - frameMbsOnly) - (crop.top + crop.bottom) * cropUnitY;
	if (widthPixels <= 0 || heightPixels <= 0 || widthPixels > 16_384 || heightPixels > 16_384) {
		return undefined;
	}
	let maxNumReorderFrames: number | undefined;
	try {
		maxNumReorderFrames = bits.read(1) === 1 ? readVuiReorder(bits) : undefined;
	} catch (error) {
		// A VUI that is cut short says nothing; the size was read already.
		if (!(error instanceof RangeError)) {
			throw error;
		}
	}
	return { profileIdc, levelIdc, widthPixels, heightPixels, maxNumReorderFrames };
}

// ITU-T H.264 §E.1.1, up to max_num_reorder_frames.
function readVuiReorder(bits: BitReader): number | undefined {
	if (bits.read(1) === 1 && bits.read(8) === 255) {
		bits.read(32);
	}
	if (bits.read(1) === 1) {
		bits.read(1);
	}
	if (bits.read(1) === 1) {
		bits.read(4);
		if (bits.read(1) === 1) {
			bits.read(24);
		}
	}
	if (bits.read(1) === 1) {
		bits.readUe();
		bits.readUe();
	}
	if (bits.read(1) === 1) {
		bits.read(32);
		bits.read(32);
		bits.read(1);
	}
	const hasNalHrd = bits.read(1) === 1;
	if (hasNalHrd) {
		skipHrd(bits);
	}
	const hasVclHrd = bits.read(1) === 1;
	if (hasVclHrd) {
		skipHrd(bits);
	}
	if (hasNalHrd || hasVclHrd) {
		bits.read(1);
	}
	bits.read(1);
	if (bits.read(1) === 0) {
		return undefined;
	}
	bits.read(1);
	bits.readUe();
	bits.readUe();
	bits.readUe();
	bits.readUe();
	return bits.readUe();
}

function skipHrd(bits: BitReader): void {
	const count = bits.readUe() + 1;
	bits.read(8);
	for (let index = 0; index < Math.min(count, 32); index++) {
		bits.readUe();
		bits.readUe();
		bits.read(1);
	}
	bits.read(20);
}

function skipScalingList(bits: BitReader, size: number): void {
	let last = 8;
	let next = 8;
	for (let index = 0; index < size; index++) {
		if (next !== 0) {
			next = (last + bits.readSe() + 256) % 256;
		}
		last = next === 0 ? last : next;
	}
}

// emulation_prevention_three_byte: 00 00 03 → 00 00 (ITU-T H.264 §7.4.1).
function unescapeRbsp(bytes: Uint8Array): Uint8Array {
	const out = new Uint8Array(bytes.length);
	let length = 0;
	let zeros = 0;
	for (const byte of bytes) {
		if (zeros >= 2 && byte === 3) {
			zeros = 0;
			continue;
		}
		out[length++] = byte;
		zeros = byte === 0 ? zeros + 1 : 0;
	}
	return out.subarray(0, length);
}

class BitReader {
	readonly #bytes: Uint8Array;
	#position = 0;

	constructor(bytes: Uint8Array) {
		this.#bytes = bytes;
	}

	read(count: number): number {
		let value = 0;
		for (let index = 0; index < count; index++) {
			const byte = this.#bytes[this.#position >> 3];
			if (byte === undefined) {
				throw new RangeError('the parameter set ends too early');
			}
			value = value * 2 + ((byte >> (7 - (this.#position & 7))) & 1);
			this.#position++;
		}
		return value;
	}

	readUe(): number {
		let zeros = 0;
		while (this.read(1) === 0) {
			if (++zeros > 31) {
				throw new RangeError('an Exp-Golomb code is too long');
			}
		}
		return 2 ** zeros - 1 + this.read(zeros);
	}

	readSe(): number {
		const value = this.readUe();
		return value % 2 === 1 ? (value + 1) / 2 : -value / 2;
	}
}
