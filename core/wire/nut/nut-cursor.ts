/** Reads numbers and bytes of NUT, inside the received bytes or inside one complete packet. */
import { NUT_MAX_VARINT_BYTES, nutChecksum } from './nut-format.ts';

/** The bytes cannot be NUT from FFmpeg. Only thrown inside the reader. */
export class MalformedNut extends Error {}

/** The packet is not complete yet; `needBytes` is a lower bound of its length. Only thrown inside the reader. */
export class IncompleteNut {
	readonly needBytes: number;

	constructor(needBytes: number) {
		this.needBytes = needBytes;
	}
}

/**
 * Without `end`, more bytes may arrive: past the end it throws {@link IncompleteNut}. With it, the packet is complete:
 * past its end it throws {@link MalformedNut}.
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

	/** A count or table entry, which the format limits to 16384. */
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
		// The CRC over data and its checksum is zero.
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
