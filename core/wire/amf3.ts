/**
 * AMF3 values inside AMF0 messages (Adobe AMF 3 specification, section numbers below), which publishers written in
 * ActionScript send as metadata. Reads the types that metadata has, and skips the others. Pure.
 */
import { SpillwayError } from '../errors/errors.ts';
import type { Amf0Object, Amf0Value } from './amf0.ts';

/** Limits of one message, shared with the AMF0 around it. */
type AmfBudget = {
	maxDepth: number;
	maxStringBytes: number;
	/** Called for each value; throws when there are too many. */
	countValue(): void;
};

const MARKER = {
	UNDEFINED: 0x00,
	NULL: 0x01,
	FALSE: 0x02,
	TRUE: 0x03,
	INTEGER: 0x04,
	DOUBLE: 0x05,
	STRING: 0x06,
	XML_DOCUMENT: 0x07,
	DATE: 0x08,
	ARRAY: 0x09,
	OBJECT: 0x0a,
	XML: 0x0b,
	BYTE_ARRAY: 0x0c,
} as const;

/** §3.12: the description of a class. */
type Traits = { names: readonly string[]; isDynamic: boolean };

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** Reads one value. Throws RTMP_PROTOCOL_ERROR for malformed bytes, or when a limit is exceeded. */
export function readAmf3Value(
	bytes: Uint8Array,
	offset: number,
	budget: AmfBudget,
): { value: Amf0Value; offset: number } {
	const reader = new Amf3Reader(bytes, offset, budget);
	const value = reader.readValue(0);
	return { value, offset: reader.offset };
}

class Amf3Reader {
	offset: number;
	readonly #bytes: Uint8Array;
	readonly #view: DataView;
	readonly #budget: AmfBudget;
	readonly #strings: string[] = [];
	readonly #traits: Traits[] = [];

	constructor(bytes: Uint8Array, offset: number, budget: AmfBudget) {
		this.#bytes = bytes;
		this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
		this.offset = offset;
		this.#budget = budget;
	}

	readValue(depth: number): Amf0Value {
		if (depth > this.#budget.maxDepth) {
			throw amfError(`nested deeper than ${this.#budget.maxDepth}`);
		}
		this.#budget.countValue();
		const marker = this.#bytes[this.#advance(1)]!;
		switch (marker) {
			case MARKER.UNDEFINED:
				return undefined;
			case MARKER.NULL:
				return null;
			case MARKER.FALSE:
				return false;
			case MARKER.TRUE:
				return true;
			case MARKER.INTEGER:
				// §3.6: 29 bits, signed.
				return (this.#readU29() << 3) >> 3;
			case MARKER.DOUBLE:
				return this.#view.getFloat64(this.#advance(8));
			case MARKER.STRING:
				return this.#readString();
			case MARKER.DATE:
				return this.#readReference() === undefined ? undefined : this.#view.getFloat64(this.#advance(8));
			case MARKER.XML_DOCUMENT:
			case MARKER.XML:
			case MARKER.BYTE_ARRAY: {
				const length = this.#readReference();
				this.#advance(length ?? 0);
				return undefined;
			}
			case MARKER.ARRAY:
				return this.#readArray(depth);
			case MARKER.OBJECT:
				return this.#readObject(depth);
			default:
				throw amfError(`a value of type 0x${marker.toString(16)}`);
		}
	}

	// §3.11: members with names first, up to an empty name, then those without.
	#readArray(depth: number): Amf0Value {
		const count = this.#readReference();
		if (count === undefined) {
			return undefined;
		}
		const fields = this.#readFields(depth);
		const values: Amf0Value[] = [];
		for (let index = 0; index < count; index++) {
			values.push(this.readValue(depth + 1));
		}
		return fields.size > 0 ? fields : values;
	}

	#readObject(depth: number): Amf0Value {
		const header = this.#readReference();
		if (header === undefined) {
			return undefined;
		}
		const { names, isDynamic } = this.#readTraits(header);
		const fields: Amf0Object = new Map();
		for (const name of names) {
			fields.set(name, this.readValue(depth + 1));
		}
		if (isDynamic) {
			for (const [name, value] of this.#readFields(depth)) {
				fields.set(name, value);
			}
		}
		return fields;
	}

	#readTraits(header: number): Traits {
		if ((header & 1) === 0) {
			const traits = this.#traits[header >> 1];
			if (traits === undefined) {
				throw amfError('a class that was not described');
			}
			return traits;
		}
		if ((header & 2) !== 0) {
			throw amfError('an object with a custom encoding');
		}
		const isDynamic = (header & 4) !== 0;
		const count = header >> 3;
		this.#readString();
		const names: string[] = [];
		for (let index = 0; index < count; index++) {
			this.#budget.countValue();
			names.push(this.#readString());
		}
		const traits = { names, isDynamic };
		this.#traits.push(traits);
		return traits;
	}

	#readFields(depth: number): Amf0Object {
		const fields: Amf0Object = new Map();
		for (let name = this.#readString(); name !== ''; name = this.#readString()) {
			fields.set(name, this.readValue(depth + 1));
		}
		return fields;
	}

	/**
	 * The number after a marker, without its lowest bit. Undefined for a reference to an earlier value: references are
	 * not resolved, because a small message can describe a huge or a circular value with them.
	 */
	#readReference(): number | undefined {
		const header = this.#readU29();
		return (header & 1) === 0 ? undefined : header >> 1;
	}

	#readString(): string {
		const header = this.#readU29();
		if ((header & 1) === 0) {
			const text = this.#strings[header >> 1];
			if (text === undefined) {
				throw amfError('a string that was not sent');
			}
			return text;
		}
		const length = header >> 1;
		if (length > this.#budget.maxStringBytes) {
			throw amfError(`a string of ${length} bytes`);
		}
		const start = this.#advance(length);
		const text = decoder.decode(this.#bytes.subarray(start, start + length));
		// §1.3.2: the empty string is never sent by reference.
		if (text !== '') {
			this.#strings.push(text);
		}
		return text;
	}

	/** §1.3.1: up to four bytes, with seven bits in the first three and eight in the fourth. */
	#readU29(): number {
		let value = 0;
		for (let index = 0; index < 3; index++) {
			const byte = this.#bytes[this.#advance(1)]!;
			value = (value << 7) | (byte & 0x7f);
			if (byte < 0x80) {
				return value;
			}
		}
		return (value << 8) | this.#bytes[this.#advance(1)]!;
	}

	#advance(count: number): number {
		const start = this.offset;
		if (start + count > this.#bytes.length) {
			throw amfError('the message ends inside a value');
		}
		this.offset = start + count;
		return start;
	}
}

function amfError(what: string): SpillwayError {
	return new SpillwayError('RTMP_PROTOCOL_ERROR', [`AMF3: ${what}`]);
}
