/** Reads bits and Exp-Golomb codes (ITU-T H.264 §7.2, §9.1). */

/** Reads from the first bit; throws a RangeError past the end. */
export class BitReader {
	readonly #bytes: Uint8Array;
	#position = 0;

	constructor(bytes: Uint8Array) {
		this.#bytes = bytes;
	}

	/** An unsigned number, exact up to 53 bits. */
	read(count: number): number {
		let value = 0;
		for (let index = 0; index < count; index++) {
			const byte = this.#bytes[this.#position >> 3];
			if (byte === undefined) {
				throw new RangeError('the bits end too early');
			}
			value = value * 2 + ((byte >> (7 - (this.#position & 7))) & 1);
			this.#position++;
		}
		return value;
	}

	/** ue(v), up to 2^32 - 2. */
	readUe(): number {
		let zeros = 0;
		while (this.read(1) === 0) {
			if (++zeros > 31) {
				throw new RangeError('an Exp-Golomb code is too long');
			}
		}
		return 2 ** zeros - 1 + this.read(zeros);
	}

	/** se(v). */
	readSe(): number {
		const value = this.readUe();
		return value % 2 === 1 ? (value + 1) / 2 : -value / 2;
	}
}

/** A NAL unit's payload without emulation_prevention_three_byte: 00 00 03 → 00 00 (ITU-T H.264 §7.4.1). */
export function unescapeRbsp(bytes: Uint8Array): Uint8Array {
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

/** The result of `read`, or undefined when it throws a RangeError: the bytes end too early or are impossible. */
export function readBits<T>(bytes: Uint8Array, read: (bits: BitReader) => T | undefined): T | undefined {
	try {
		return read(new BitReader(bytes));
	} catch (error) {
		if (error instanceof RangeError) {
			return undefined;
		}
		throw error;
	}
}
