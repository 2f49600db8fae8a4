/** FLV tags (Adobe FLV 10.1 §E.4.1), which FFmpeg writes to a pipe and RTMP's aggregate messages contain. Pure. */

/** `typeId` is that of the RTMP message with the same body: 8 audio, 9 video, 18 script data. */
export type FlvTag = { typeId: number; timestampMs: number; body: Uint8Array };

export const FLV_TAG_HEADER_BYTES = 11;
/** The repeated length after each tag. */
export const FLV_BACK_POINTER_BYTES = 4;

const FILE_HEADER_BYTES = 9 + FLV_BACK_POINTER_BYTES;
const SIGNATURE = [0x46, 0x4c, 0x56];
/** Larger than any tag of FFmpeg at our bitrates; a larger one means that the reader is out of step. */
const MAX_BODY_BYTES = 8_000_000;

/** Reads the header at `offset`; all of its bytes must be present. */
export function readFlvTagHeader(bytes: Uint8Array, offset: number): Omit<FlvTag, 'body'> & { bodyBytes: number } {
	return {
		typeId: bytes[offset]!,
		bodyBytes: readUint24(bytes, offset + 1),
		// The fourth byte holds the time's upper 8 bits.
		timestampMs: ((bytes[offset + 7]! << 24) | readUint24(bytes, offset + 4)) >>> 0,
	};
}

/** Composition time minus decoding time of the H.264 picture in a video tag; undefined for another body. */
export function flvCompositionOffsetMs(body: Uint8Array): number | undefined {
	const isPicture = body.length >= 5 && (body[0]! & 0x0f) === 7 && body[1] === 1;
	// SI24: negative with the B-frames of some encoders.
	return isPicture ? (readUint24(body, 2) << 8) >> 8 : undefined;
}

/** Splits a pipe's bytes into tags. A tag is complete with its last byte, without waiting for the next. */
export class FlvReader {
	#pending: Uint8Array = new Uint8Array(0);
	#isHeaderRead = false;

	/** Accepts pieces of any size. Throws when they are not FLV. */
	push(bytes: Uint8Array): FlvTag[] {
		this.#pending = this.#pending.length === 0 ? bytes : Buffer.concat([this.#pending, bytes]);
		const tags: FlvTag[] = [];
		let offset = 0;
		if (!this.#isHeaderRead) {
			if (this.#pending.length < FILE_HEADER_BYTES) {
				return tags;
			}
			if (SIGNATURE.some((byte, index) => this.#pending[index] !== byte)) {
				throw new Error('These bytes do not begin as FLV does.');
			}
			this.#isHeaderRead = true;
			offset = FILE_HEADER_BYTES;
		}
		while (this.#pending.length >= offset + FLV_TAG_HEADER_BYTES) {
			const { typeId, timestampMs, bodyBytes } = readFlvTagHeader(this.#pending, offset);
			if (bodyBytes > MAX_BODY_BYTES) {
				throw new Error(`An FLV tag of ${bodyBytes} bytes is not ours.`);
			}
			const start = offset + FLV_TAG_HEADER_BYTES;
			const end = start + bodyBytes;
			if (this.#pending.length < end + FLV_BACK_POINTER_BYTES) {
				break;
			}
			tags.push({ typeId, timestampMs, body: this.#pending.slice(start, end) });
			offset = end + FLV_BACK_POINTER_BYTES;
		}
		this.#pending = this.#pending.subarray(offset);
		return tags;
	}
}

/** UI24. */
export function readUint24(bytes: Uint8Array, offset: number): number {
	return (bytes[offset]! << 16) | (bytes[offset + 1]! << 8) | bytes[offset + 2]!;
}
