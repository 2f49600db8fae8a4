/** Reads numbers and bytes of NUT forward, inside what has arrived or inside one complete packet. */
import { NUT_MAX_VARINT_BYTES, nutChecksum } from './nut-format.ts';

/** What was read cannot be NUT as FFmpeg writes it. Never leaves the reader. */
export class MalformedNut extends Error {}

/** The packet is not complete yet; `needBytes` is a lower bound of its length. Never leaves the reader. */
export class IncompleteNut {
	readonly needBytes: number;

	constructor(needBytes: number) {
		this.needBytes = needBytes;
	}
}

/**
 * Reads forward inside `bytes`. Without `end`, more may arrive: past the end it throws {@link IncompleteNut}. With it,
 * the packet is complete: past its end it throws {@link MalformedNut}.
 */
export class NutCursor {
	readonly #bytes: Uint8Array;
	readonly #end: number;
	readonly #isComplete: boolean;
	readonly #start: number;
	offset: number;

	constructor(bytes: Uint8Array, offset: number, end?: number) {
		this.#bytes = bytes;
		this.#start = offset;
		this.#end = end ?? bytes.length;
		this.#isComplete = end !== undefined;
		this.offset = offset;
	}

	get remaining(): number {
		return this.#end - this.offset;
	}

	peek(): number {
		this.#require(1);
		return this.#bytes[this.offset]!;
	}

	byte(): number {
		const value = this.peek();
		this.offset++;
		return value;
	}

	bytes(length: number): Uint8Array {
		this.#require(length);
		this.offset += length;
		return this.#bytes.subarray(this.offset - length, this.offset);
	}

	varint(): number {
		let value = 0;
		for (let count = 0; count < NUT_MAX_VARINT_BYTES; count++) {
			const byte = this.byte();
			value = value * 128 + (byte & 127);
			if (byte < 128) {
				if (!Number.isSafeInteger(value)) {
					break;
				}
				return value;
			}
		}
		throw new MalformedNut('a number is too large');
	}

	/** For counts and table entries, which the format keeps below 16384. */
	smallVarint(): number {
		const value = this.varint();
		if (value > 16_384) {
			throw new MalformedNut(`${value} is out of range`);
		}
		return value;
	}

	signedVarint(): number {
		const value = this.varint() + 1;
		return value % 2 === 1 ? -((value - 1) / 2) : value / 2;
	}

	verifyChecksum(start: number, what: string): void {
		const actual = nutChecksum(this.#bytes, start, this.offset);
		const stored = this.bytes(4);
		if (Buffer.from(stored).readUInt32BE() !== actual) {
			throw new MalformedNut(`the checksum of ${what} is wrong`);
		}
	}

	/** The packet_footer: a checksum over everything before it. */
	verifyTrailer(): void {
		// CRC over data and its own checksum is zero.
		if (nutChecksum(this.#bytes) !== 0) {
			throw new MalformedNut('the checksum of a header is wrong');
		}
	}

	#require(length: number): void {
		if (this.offset + length > this.#end) {
			if (this.#isComplete) {
				throw new MalformedNut('a header ends too early');
			}
			throw new IncompleteNut(this.offset + length - this.#start);
		}
	}
}
