/** RTMP messages ↔ chunks (RTMP 1.0 §5.3), as far as a publisher needs them. */

/** One message. */
export type RtmpMessage = { type: number; timestampMs: number; streamId: number; body: Uint8Array };

const SET_CHUNK_SIZE = 1;
const ABORT = 2;
const EXTENDED = 0xffffff;
const DEFAULT_CHUNK_BYTES = 128;
/** A server says little to a publisher; more than this is not RTMP. */
const MAX_MESSAGE_BYTES = 1_000_000;
const MAX_CHUNK_STREAMS = 64;

/** A whole message as chunks: one full header (type 0), then type 3 headers. */
export function formatRtmpMessage(message: RtmpMessage, chunkStreamId: number, chunkBytes: number): Buffer {
	const { body, type, streamId } = message;
	const isExtended = message.timestampMs >= EXTENDED;
	const extended = Buffer.alloc(isExtended ? 4 : 0);
	if (isExtended) {
		extended.writeUInt32BE(message.timestampMs >>> 0);
	}
	const head = Buffer.alloc(12);
	head[0] = chunkStreamId;
	head.writeUIntBE(Math.min(message.timestampMs, EXTENDED), 1, 3);
	head.writeUIntBE(body.length, 4, 3);
	head[7] = type;
	head.writeUInt32LE(streamId, 8);
	const pieces: Uint8Array[] = [head, extended];
	for (let offset = 0; offset < body.length; offset += chunkBytes) {
		if (offset > 0) {
			pieces.push(Buffer.of(0xc0 | chunkStreamId), extended);
		}
		pieces.push(body.subarray(offset, offset + chunkBytes));
	}
	return Buffer.concat(pieces);
}

type ChunkStream = {
	message: RtmpMessage;
	deltaMs: number;
	lengthBytes: number;
	isExtended: boolean;
	received: Buffer[];
	receivedBytes: number;
};

/** Push bytes in, get messages out. Throws RangeError when the bytes cannot be RTMP. */
export class RtmpMessageReader {
	/** What our own side has announced; kept here so that both directions stand in one place. */
	outChunkBytes = DEFAULT_CHUNK_BYTES;
	#inChunkBytes = DEFAULT_CHUNK_BYTES;
	#pending: Buffer = Buffer.alloc(0);
	readonly #streams = new Map<number, ChunkStream>();

	push(bytes: Uint8Array): RtmpMessage[] {
		this.#pending = Buffer.concat([this.#pending, bytes]);
		const messages: RtmpMessage[] = [];
		for (;;) {
			const used = this.#readChunk(messages);
			if (used === 0) {
				return messages;
			}
			this.#pending = this.#pending.subarray(used);
		}
	}

	/** Returns the bytes of one chunk, or 0 when it is not complete. */
	#readChunk(messages: RtmpMessage[]): number {
		const bytes = this.#pending;
		if (bytes.length < 3) {
			return bytes.length > 0 && (bytes[0]! & 0x3f) > 1 && bytes[0]! >> 6 === 3
				? this.#readBody(messages, bytes[0]! & 0x3f, 1)
				: 0;
		}
		const low = bytes[0]! & 0x3f;
		const id = low === 0 ? 64 + bytes[1]! : low === 1 ? 64 + bytes[1]! + bytes[2]! * 256 : low;
		const start = low === 0 ? 2 : low === 1 ? 3 : 1;
		const format = bytes[0]! >> 6;
		if (format === 3) {
			return this.#readBody(messages, id, start);
		}
		const headerBytes = [11, 7, 3][format]!;
		if (bytes.length < start + headerBytes) {
			return 0;
		}
		const field = bytes.readUIntBE(start, 3);
		const isExtended = field === EXTENDED;
		if (isExtended && bytes.length < start + headerBytes + 4) {
			return 0;
		}
		const timeMs = isExtended ? bytes.readUInt32BE(start + headerBytes) : field;
		const stream = this.#streams.get(id) ?? newStream(this.#streams.size);
		// An incomplete chunk is read again from its start, so nothing may be kept before its body is there.
		const lengthBytes = format === 2 ? stream.lengthBytes : bytes.readUIntBE(start + 3, 3);
		const bodyStart = start + headerBytes + (isExtended ? 4 : 0);
		if (lengthBytes > MAX_MESSAGE_BYTES) {
			throw new RangeError(`a message of ${lengthBytes} bytes is too large`);
		}
		if (bytes.length < bodyStart + Math.min(this.#inChunkBytes, lengthBytes - stream.receivedBytes)) {
			return 0;
		}
		stream.lengthBytes = lengthBytes;
		stream.isExtended = isExtended;
		stream.deltaMs = format === 0 ? 0 : timeMs;
		stream.message = {
			type: format === 2 ? stream.message.type : bytes[start + 6]!,
			streamId: format === 0 ? bytes.readUInt32LE(start + 7) : stream.message.streamId,
			timestampMs: format === 0 ? timeMs : stream.message.timestampMs + timeMs,
			body: stream.message.body,
		};
		this.#streams.set(id, stream);
		return this.#takeBody(messages, stream, bodyStart);
	}

	// Type 3: the same header as before, its extended timestamp included.
	#readBody(messages: RtmpMessage[], id: number, start: number): number {
		const stream = this.#streams.get(id);
		if (stream === undefined) {
			throw new RangeError(`chunk stream ${id} begins without a header`);
		}
		const bodyStart = start + (stream.isExtended ? 4 : 0);
		if (this.#pending.length < bodyStart + Math.min(this.#inChunkBytes, stream.lengthBytes - stream.receivedBytes)) {
			return 0;
		}
		if (stream.receivedBytes === 0) {
			stream.message = { ...stream.message, timestampMs: stream.message.timestampMs + stream.deltaMs };
		}
		return this.#takeBody(messages, stream, bodyStart);
	}

	#takeBody(messages: RtmpMessage[], stream: ChunkStream, bodyStart: number): number {
		const size = Math.min(this.#inChunkBytes, stream.lengthBytes - stream.receivedBytes);
		stream.received.push(Buffer.from(this.#pending.subarray(bodyStart, bodyStart + size)));
		stream.receivedBytes += size;
		if (stream.receivedBytes === stream.lengthBytes) {
			const message = { ...stream.message, body: Buffer.concat(stream.received) };
			stream.received = [];
			stream.receivedBytes = 0;
			this.#obey(message);
			messages.push(message);
		}
		return bodyStart + size;
	}

	#obey({ type, body }: RtmpMessage): void {
		const value = body.length >= 4 ? Buffer.from(body).readUInt32BE(0) : 0;
		if (type === SET_CHUNK_SIZE) {
			if (value < 1 || value > 0x7fffffff) {
				throw new RangeError(`a chunk size of ${value} is not allowed`);
			}
			this.#inChunkBytes = value;
		} else if (type === ABORT) {
			const stream = this.#streams.get(value);
			if (stream !== undefined) {
				stream.received = [];
				stream.receivedBytes = 0;
			}
		}
	}
}

function newStream(streamCount: number): ChunkStream {
	if (streamCount >= MAX_CHUNK_STREAMS) {
		throw new RangeError('there are too many chunk streams');
	}
	const message = { type: 0, timestampMs: 0, streamId: 0, body: new Uint8Array(0) };
	return { message, deltaMs: 0, lengthBytes: 0, isExtended: false, received: [], receivedBytes: 0 };
}
