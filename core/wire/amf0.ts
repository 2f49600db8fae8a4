/** AMF0, the encoding of RTMP commands and metadata (Adobe AMF 0 specification, section numbers below). Pure. */
import { SpillwayError } from '../errors/errors.ts';
import { readAmf3Value } from './amf3.ts';

/**
 * A decoded value. Objects, ECMA arrays and typed objects become Maps, so that `__proto__` is an ordinary key. Dates
 * become epoch milliseconds, "unsupported" becomes undefined.
 */
export type Amf0Value = number | boolean | string | null | undefined | Amf0Object | Amf0Value[];
/** Keys in the order of the wire; the last value of a repeated key counts. */
export type Amf0Object = Map<string, Amf0Value>;

/** Limit on nested objects and arrays. Real commands have two levels. @internal for tests */
export const MAX_AMF0_DEPTH = 16;
/** Limit on the values of a message, nested ones included. OBS's metadata has about 20. @internal for tests */
export const MAX_AMF0_VALUE_COUNT = 1000;
/** The format's limit for a short string; here also for long ones. */
const MAX_AMF0_STRING_BYTES = 65_535;

const MARKER = {
	NUMBER: 0x00,
	BOOLEAN: 0x01,
	STRING: 0x02,
	OBJECT: 0x03,
	NULL: 0x05,
	UNDEFINED: 0x06,
	ECMA_ARRAY: 0x08,
	OBJECT_END: 0x09,
	STRICT_ARRAY: 0x0a,
	DATE: 0x0b,
	LONG_STRING: 0x0c,
	UNSUPPORTED: 0x0d,
	XML_DOCUMENT: 0x0f,
	TYPED_OBJECT: 0x10,
	AMF3_VALUE: 0x11,
} as const;

// A byte order mark is part of a string, like every other character.
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const encoder = new TextEncoder();

/** Decodes all values of a message. Throws RTMP_PROTOCOL_ERROR for malformed bytes, or when a limit is exceeded. */
export function decodeAmf0(bytes: Uint8Array): Amf0Value[] {
	const reader = new Amf0Reader(bytes);
	const values: Amf0Value[] = [];
	while (!reader.isAtEnd) {
		values.push(reader.readValue(0));
	}
	return values;
}

/** Encodes values in sequence; Maps as objects, arrays as strict arrays. */
export function encodeAmf0(values: readonly Amf0Value[]): Uint8Array {
	const out: number[] = [];
	for (const value of values) {
		writeValue(out, value);
	}
	return Uint8Array.from(out);
}

export function amf0Object(fields: Readonly<Record<string, Amf0Value>>): Amf0Object {
	return new Map(Object.entries(fields));
}

class Amf0Reader {
	readonly #bytes: Uint8Array;
	readonly #view: DataView;
	#offset = 0;
	#valueCount = 0;

	constructor(bytes: Uint8Array) {
		this.#bytes = bytes;
		this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
	}

	get isAtEnd(): boolean {
		return this.#offset >= this.#bytes.length;
	}

	readValue(depth: number): Amf0Value {
		if (depth > MAX_AMF0_DEPTH) {
			throw amfError(`nested deeper than ${MAX_AMF0_DEPTH}`);
		}
		this.#countValue();
		const marker = this.#bytes[this.#advance(1)]!;
		switch (marker) {
			case MARKER.NUMBER:
				return this.#view.getFloat64(this.#advance(8));
			case MARKER.BOOLEAN:
				return this.#bytes[this.#advance(1)] !== 0;
			case MARKER.STRING:
				return this.#readString(this.#view.getUint16(this.#advance(2)));
			case MARKER.LONG_STRING:
			case MARKER.XML_DOCUMENT:
				return this.#readString(this.#view.getUint32(this.#advance(4)));
			case MARKER.NULL:
				return null;
			case MARKER.UNDEFINED:
			case MARKER.UNSUPPORTED:
				return undefined;
			case MARKER.OBJECT:
				return this.#readFields(depth);
			case MARKER.ECMA_ARRAY:
				// §2.10: the count is only a hint, and some encoders write 0 or omit members; the end mark decides.
				this.#advance(4);
				return this.#readFields(depth);
			case MARKER.TYPED_OBJECT:
				this.#readString(this.#view.getUint16(this.#advance(2)));
				return this.#readFields(depth);
			case MARKER.STRICT_ARRAY:
				return this.#readStrictArray(depth);
			case MARKER.DATE: {
				const epochMs = this.#view.getFloat64(this.#advance(8));
				// §2.13: the time zone "should not be filled in"; skipped.
				this.#advance(2);
				return epochMs;
			}
			case MARKER.AMF3_VALUE:
				return this.#readAmf3(depth);
			default:
				// Movie clips and record sets are reserved (§2.6, §2.16). Encoders do not send references (§2.9), with which a
				// small message can describe a huge or a circular value.
				throw amfError(`a value of type 0x${marker.toString(16)}`);
		}
	}

	#countValue(): void {
		if (++this.#valueCount > MAX_AMF0_VALUE_COUNT) {
			throw amfError(`more than ${MAX_AMF0_VALUE_COUNT} values`);
		}
	}

	// §3.1: the switch to AMF3 applies to one value.
	#readAmf3(depth: number): Amf0Value {
		const { value, offset } = readAmf3Value(this.#bytes, this.#offset, {
			maxDepth: MAX_AMF0_DEPTH - depth,
			maxStringBytes: MAX_AMF0_STRING_BYTES,
			countValue: () => this.#countValue(),
		});
		this.#offset = offset;
		return value;
	}

	#readFields(depth: number): Amf0Object {
		const fields: Amf0Object = new Map();
		for (;;) {
			const nameBytes = this.#view.getUint16(this.#advance(2));
			if (nameBytes === 0 && this.#bytes[this.#offset] === MARKER.OBJECT_END) {
				this.#advance(1);
				return fields;
			}
			const name = this.#readString(nameBytes);
			fields.set(name, this.readValue(depth + 1));
		}
	}

	#readStrictArray(depth: number): Amf0Value[] {
		const count = this.#view.getUint32(this.#advance(4));
		// Each value has at least a marker byte, so a count above the remaining bytes is wrong. It allocates nothing.
		if (count > this.#bytes.length - this.#offset) {
			throw amfError(`an array of ${count} values in ${this.#bytes.length - this.#offset} bytes`);
		}
		const values: Amf0Value[] = [];
		for (let index = 0; index < count; index++) {
			values.push(this.readValue(depth + 1));
		}
		return values;
	}

	#readString(lengthBytes: number): string {
		if (lengthBytes > MAX_AMF0_STRING_BYTES) {
			throw amfError(`a string of ${lengthBytes} bytes`);
		}
		const start = this.#advance(lengthBytes);
		return decoder.decode(this.#bytes.subarray(start, start + lengthBytes));
	}

	#advance(count: number): number {
		const start = this.#offset;
		if (start + count > this.#bytes.length) {
			throw amfError('the message ends inside a value');
		}
		this.#offset = start + count;
		return start;
	}
}

function writeValue(out: number[], value: Amf0Value): void {
	if (typeof value === 'number') {
		const bytes = new Uint8Array(8);
		new DataView(bytes.buffer).setFloat64(0, value);
		out.push(MARKER.NUMBER, ...bytes);
	} else if (typeof value === 'boolean') {
		out.push(MARKER.BOOLEAN, value ? 1 : 0);
	} else if (typeof value === 'string') {
		const length = encoder.encode(value).length;
		if (length > MAX_AMF0_STRING_BYTES) {
			throw new TypeError(`A string of ${length} bytes does not fit into an AMF0 string.`);
		}
		out.push(MARKER.STRING);
		writeName(out, value);
	} else if (value === null) {
		out.push(MARKER.NULL);
	} else if (value === undefined) {
		out.push(MARKER.UNDEFINED);
	} else if (Array.isArray(value)) {
		out.push(
			MARKER.STRICT_ARRAY,
			value.length >>> 24,
			(value.length >>> 16) & 0xff,
			(value.length >>> 8) & 0xff,
			value.length & 0xff,
		);
		for (const item of value) {
			writeValue(out, item);
		}
	} else {
		out.push(MARKER.OBJECT);
		for (const [name, item] of value) {
			writeName(out, name);
			writeValue(out, item);
		}
		out.push(0, 0, MARKER.OBJECT_END);
	}
}

function writeName(out: number[], name: string): void {
	const bytes = encoder.encode(name);
	out.push(bytes.length >> 8, bytes.length & 0xff);
	for (const byte of bytes) {
		out.push(byte);
	}
}

function amfError(what: string): SpillwayError {
	return new SpillwayError('RTMP_PROTOCOL_ERROR', [`AMF0: ${what}`]);
}
