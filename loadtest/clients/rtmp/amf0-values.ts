/** The part of AMF0 that RTMP commands use: numbers, booleans, strings, objects, null (Adobe AMF0 §2). */

/** A value of a command. */
export type AmfValue = number | boolean | string | null | { [name: string]: AmfValue };

const MARKER = {
	number: 0,
	boolean: 1,
	string: 2,
	object: 3,
	null: 5,
	undefined: 6,
	ecmaArray: 8,
	objectEnd: 9,
} as const;
/** Objects within objects; the commands of RTMP need two. */
const MAX_DEPTH = 8;

/** Values one after the other, as a command has them. */
export function formatAmf0(values: readonly AmfValue[]): Buffer {
	return Buffer.concat(values.map(formatValue));
}

/** Reads all values. Throws RangeError for bytes that are cut short or not of the kinds above. */
export function parseAmf0(bytes: Uint8Array): AmfValue[] {
	const cursor = { buffer: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), offset: 0 };
	const values: AmfValue[] = [];
	while (cursor.offset < cursor.buffer.length) {
		values.push(parseValue(cursor, 0));
	}
	return values;
}

function formatValue(value: AmfValue): Buffer {
	switch (typeof value) {
		case 'number': {
			const bytes = Buffer.alloc(9);
			bytes.writeDoubleBE(value, 1);
			return bytes;
		}
		case 'boolean':
			return Buffer.of(MARKER.boolean, value ? 1 : 0);
		case 'string':
			return Buffer.concat([Buffer.of(MARKER.string), formatText(value)]);
		default: {
			if (value === null) {
				return Buffer.of(MARKER.null);
			}
			const members = Object.entries(value).flatMap(([name, member]) => [formatText(name), formatValue(member)]);
			return Buffer.concat([Buffer.of(MARKER.object), ...members, Buffer.of(0, 0, MARKER.objectEnd)]);
		}
	}
}

function formatText(text: string): Buffer {
	const bytes = Buffer.from(text);
	const length = Buffer.alloc(2);
	length.writeUInt16BE(bytes.length);
	return Buffer.concat([length, bytes]);
}

type Cursor = { buffer: Buffer; offset: number };

// Buffer's own readers throw RangeError beyond the end.
function parseValue(cursor: Cursor, depth: number): AmfValue {
	if (depth > MAX_DEPTH) {
		throw new RangeError('AMF0 objects are nested too deeply');
	}
	const marker = cursor.buffer.readUInt8(cursor.offset++);
	switch (marker) {
		case MARKER.number:
			cursor.offset += 8;
			return cursor.buffer.readDoubleBE(cursor.offset - 8);
		case MARKER.boolean:
			return cursor.buffer.readUInt8(cursor.offset++) !== 0;
		case MARKER.string:
			return parseText(cursor);
		case MARKER.null:
		case MARKER.undefined:
			return null;
		case MARKER.ecmaArray:
			cursor.offset += 4;
			return parseMembers(cursor, depth);
		case MARKER.object:
			return parseMembers(cursor, depth);
		default:
			throw new RangeError(`AMF0 marker ${marker} is not known`);
	}
}

function parseMembers(cursor: Cursor, depth: number): AmfValue {
	// Without a prototype, so that a member named "__proto__" is only a member.
	const members = Object.create(null) as Record<string, AmfValue>;
	for (;;) {
		const name = parseText(cursor);
		if (name === '' && cursor.buffer.readUInt8(cursor.offset) === MARKER.objectEnd) {
			cursor.offset++;
			return members;
		}
		members[name] = parseValue(cursor, depth + 1);
	}
}

function parseText(cursor: Cursor): string {
	const start = cursor.offset + 2;
	const end = start + cursor.buffer.readUInt16BE(cursor.offset);
	if (end > cursor.buffer.length) {
		throw new RangeError('AMF0 text is cut short');
	}
	cursor.offset = end;
	return cursor.buffer.toString('utf8', start, end);
}
