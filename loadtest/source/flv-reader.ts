/** Splits FLV, as FFmpeg writes it to a pipe, into tags. A tag is complete with its last byte: no wait for the next. */

/** One FLV tag (Adobe FLV 10.1 §E.4.1). */
export type FlvTag = { type: 'audio' | 'video' | 'script'; timestampMs: number; body: Uint8Array };

const TAG_TYPES: Record<number, FlvTag['type']> = { 8: 'audio', 9: 'video', 18: 'script' };
/** File header and the first "previous tag size". */
const FILE_HEADER_BYTES = 13;
const TAG_HEADER_BYTES = 11;
/** Larger than any tag of ours; more means that we lost our place. */
const MAX_BODY_BYTES = 8_000_000;

/** Push bytes in, get complete tags out. Throws when the bytes are not FLV. */
export class FlvReader {
	#pending: Uint8Array = new Uint8Array(0);
	#isHeaderRead = false;

	push(bytes: Uint8Array): FlvTag[] {
		this.#pending = this.#pending.length === 0 ? bytes : concat(this.#pending, bytes);
		const tags: FlvTag[] = [];
		let offset = 0;
		if (!this.#isHeaderRead) {
			if (this.#pending.length < FILE_HEADER_BYTES) {
				return tags;
			}
			if (this.#pending[0] !== 0x46 || this.#pending[1] !== 0x4c || this.#pending[2] !== 0x56) {
				throw new Error('These bytes do not begin as FLV does.');
			}
			this.#isHeaderRead = true;
			offset = FILE_HEADER_BYTES;
		}
		for (;;) {
			const size = this.#completeBodyBytes(offset);
			if (size === undefined) {
				break;
			}
			const head = this.#pending.subarray(offset, offset + TAG_HEADER_BYTES);
			const start = offset + TAG_HEADER_BYTES;
			const type = TAG_TYPES[head[0]! & 0x1f];
			if (type !== undefined) {
				const timestampMs = (head[7]! * 2 ** 24 + (head[4]! << 16)) | (head[5]! << 8) | head[6]!;
				tags.push({ type, timestampMs: timestampMs >>> 0, body: this.#pending.slice(start, start + size) });
			}
			offset = start + size + 4;
		}
		this.#pending = this.#pending.subarray(offset);
		return tags;
	}

	#completeBodyBytes(offset: number): number | undefined {
		if (this.#pending.length < offset + TAG_HEADER_BYTES) {
			return undefined;
		}
		const size = (this.#pending[offset + 1]! << 16) | (this.#pending[offset + 2]! << 8) | this.#pending[offset + 3]!;
		if (size > MAX_BODY_BYTES) {
			throw new Error(`An FLV tag of ${size} bytes is not ours.`);
		}
		return this.#pending.length < offset + TAG_HEADER_BYTES + size + 4 ? undefined : size;
	}
}

/** What an H.264 video tag holds (FLV 10.1 §E.4.3.1, ISO/IEC 14496-15). */
export type FlvVideo =
	| { kind: 'config'; sps: Uint8Array[]; pps: Uint8Array[]; lengthSize: 1 | 2 | 4 }
	| { kind: 'picture'; isKeyFrame: boolean; compositionOffsetMs: number; bytes: Uint8Array }
	| { kind: 'other' };

/** Reads the body of a video tag. */
export function parseFlvVideo(body: Uint8Array): FlvVideo {
	if (body.length < 5 || (body[0]! & 0x0f) !== 7) {
		return { kind: 'other' };
	}
	if (body[1] === 1) {
		// SI24: the sign is in the topmost of the three bytes.
		const compositionOffsetMs = ((body[2]! << 24) | (body[3]! << 16) | (body[4]! << 8)) >> 8;
		return { kind: 'picture', isKeyFrame: body[0]! >> 4 === 1, compositionOffsetMs, bytes: body.subarray(5) };
	}
	if (body[1] === 0 && body.length >= 11) {
		const lengthSize = ((body[9]! & 3) + 1) as 1 | 2 | 4;
		const sps = readParameterSets(body, 11, body[10]! & 0x1f);
		const pps = readParameterSets(body, sps.end + 1, body[sps.end] ?? 0);
		return { kind: 'config', sps: sps.sets, pps: pps.sets, lengthSize };
	}
	return { kind: 'other' };
}

function readParameterSets(body: Uint8Array, offset: number, count: number): { sets: Uint8Array[]; end: number } {
	const sets: Uint8Array[] = [];
	for (let index = 0; index < count && offset + 2 <= body.length; index++) {
		const size = (body[offset]! << 8) | body[offset + 1]!;
		sets.push(body.subarray(offset + 2, offset + 2 + size));
		offset += 2 + size;
	}
	return { sets, end: offset };
}

function concat(one: Uint8Array, other: Uint8Array): Uint8Array {
	const joined = new Uint8Array(one.length + other.length);
	joined.set(one);
	joined.set(other, one.length);
	return joined;
}
