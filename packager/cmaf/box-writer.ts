/** Writes ISO base media file format boxes (ISO/IEC 14496-12 §4.2). Knows the framing, not what the boxes mean. */

const ASCII = new TextEncoder();

/** Joins byte arrays into a new one. */
export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
	const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
	let offset = 0;
	for (const part of parts) {
		bytes.set(part, offset);
		offset += part.length;
	}
	return bytes;
}

/** A box: 32-bit size, four-character type, contents. */
export function box(type: string, ...contents: readonly Uint8Array[]): Uint8Array {
	const body = concatBytes(contents);
	return concatBytes([u32(8 + body.length), ascii(type), body]);
}

/** A box that starts with a version and 24 bits of flags. */
export function fullBox(type: string, version: number, flags: number, ...contents: readonly Uint8Array[]): Uint8Array {
	return box(type, u32(version * 0x100_0000 + flags), ...contents);
}

/** Unsigned integers of 8 bits. */
export function u8(...values: readonly number[]): Uint8Array {
	return Uint8Array.from(values);
}

/** Big-endian unsigned integers of 16 bits. */
export function u16(...values: readonly number[]): Uint8Array {
	const bytes = new Uint8Array(2 * values.length);
	const view = new DataView(bytes.buffer);
	values.forEach((value, index) => view.setUint16(2 * index, value));
	return bytes;
}

/** Big-endian unsigned integers of 32 bits. */
export function u32(...values: readonly number[]): Uint8Array {
	const bytes = new Uint8Array(4 * values.length);
	const view = new DataView(bytes.buffer);
	values.forEach((value, index) => view.setUint32(4 * index, value));
	return bytes;
}

/** Characters as bytes, without a terminator. */
export function ascii(text: string): Uint8Array {
	return ASCII.encode(text);
}

/** Writes megabytes many times a second into one buffer of a known size. `end()` fills in the sizes of open boxes. */
export class FixedBoxWriter {
	readonly bytes: Buffer;
	#offset = 0;
	readonly #openBoxes: number[] = [];

	constructor(sizeBytes: number) {
		// Not from Node's shared pool: a part lives for minutes and would keep a whole pool slab alive.
		this.bytes = Buffer.allocUnsafeSlow(sizeBytes);
	}

	/** Where the next byte goes. */
	get offset(): number {
		return this.#offset;
	}

	/** Opens a box. */
	begin(type: string): void {
		this.#openBoxes.push(this.#offset);
		this.u32(0);
		this.fourCc(type);
	}

	/** Opens a box with version and flags. */
	beginFull(type: string, version: number, flags: number): void {
		this.begin(type);
		this.u32(version * 0x100_0000 + flags);
	}

	/** Closes the box opened last. */
	end(): void {
		const start = this.#openBoxes.pop()!;
		this.bytes.writeUInt32BE(this.#offset - start, start);
	}

	/** 32 bits, unsigned. */
	u32(value: number): void {
		this.#offset = this.bytes.writeUInt32BE(value, this.#offset);
	}

	/** 32 bits, signed. */
	i32(value: number): void {
		this.#offset = this.bytes.writeInt32BE(value, this.#offset);
	}

	/** 64 bits, unsigned, from an integer below 2^53. */
	u64(value: number): void {
		this.u32(Math.floor(value / 2 ** 32));
		this.u32(value % 2 ** 32);
	}

	/** Four characters. */
	fourCc(text: string): void {
		this.#offset += this.bytes.write(text, this.#offset, 'latin1');
	}

	/** Bytes as they are. */
	raw(bytes: Uint8Array): void {
		this.bytes.set(bytes, this.#offset);
		this.#offset += bytes.length;
	}
}
