/** H.264 NAL units: types, splitting and joining. Independent of RTP and FLV. */

/** NAL unit types that are handled (ITU-T H.264 table 7-1). */
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
	const bytes = new Uint8Array(nals.reduce((size, nal) => size + 4 + nal.length, 0));
	const view = new DataView(bytes.buffer);
	let offset = 0;
	for (const nal of nals) {
		view.setUint32(offset, nal.length);
		bytes.set(nal, offset + 4);
		offset += 4 + nal.length;
	}
	return bytes;
}

/** The byte stream (Annex B) of NAL units that have 4-byte lengths. */
export function toAnnexB(lengthPrefixed: Uint8Array): Uint8Array {
	// A 4-byte length and a 4-byte start code have the same size, so that one copy is enough.
	const nals = splitLengthPrefixed(lengthPrefixed);
	const bytes = new Uint8Array(nals.reduce((size, nal) => size + 4 + nal.length, 0));
	let offset = 0;
	for (const nal of nals) {
		bytes[offset + 3] = 1;
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
