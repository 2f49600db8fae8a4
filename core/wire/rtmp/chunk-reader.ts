/** Turns the chunks of one RTMP connection into messages (Adobe RTMP 1.0 §5.3). Bytes in, messages out; no I/O. */
import { SpillwayError } from '../../errors/errors.ts';
import { readUint24 } from '../flv.ts';
import { MESSAGE_TYPE, readUint32, type RtmpMessage } from './rtmp-messages.ts';

/** Memory limits of one connection. */
export type ChunkReaderLimits = {
	/** A message that declares more is refused. The format's own limit is 16 777 215. */
	maxMessageBytes: number;
	/** Sum of the incomplete messages of all chunk streams. */
	maxBufferedBytes: number;
	/** Chunk streams ever used by the connection. Encoders use fewer than ten. */
	maxChunkStreamCount: number;
};

/** A 10 MiB message is enough for any picture up to 2160p; 16 MiB leaves room for audio as well. @internal for tests */
export const DEFAULT_CHUNK_READER_LIMITS: ChunkReaderLimits = {
	maxMessageBytes: 10 * 1024 * 1024,
	maxBufferedBytes: 16 * 1024 * 1024,
	maxChunkStreamCount: 64,
};

/** Adobe RTMP 1.0 §5.4.1: until Set Chunk Size. */
export const INITIAL_CHUNK_SIZE_BYTES = 128;
const EXTENDED_TIMESTAMP_MARK = 0xff_ffff;
/** Header bytes after the basic header, by format 0–3 (Adobe RTMP 1.0 §5.3.1.2). */
const MESSAGE_HEADER_BYTES = [11, 7, 3, 0] as const;
/** First piece of a message's buffer; it doubles as bytes arrive, so a declared length alone costs nothing. */
const FIRST_BUFFER_BYTES = 4096;

type ChunkStream = {
	timestampMs: number;
	timestampDeltaMs: number;
	/** The last extended timestamp field; undefined when the last full header had none. */
	extendedTimestamp: number | undefined;
	/** The last full header was of format 0, so that its "delta" is an absolute time. */
	isDeltaAbsolute: boolean;
	lengthBytes: number;
	typeId: number;
	messageStreamId: number;
	hasLength: boolean;
	isReceiving: boolean;
	buffer: Uint8Array;
	receivedBytes: number;
};

type Step = 'basic-header' | 'message-header' | 'extended-timestamp' | 'extended-timestamp-or-payload' | 'payload';

const EMPTY = new Uint8Array(0);

/** Reader of one connection. It applies Set Chunk Size and Abort, and does not pass them to `onMessage`. */
export class ChunkReader {
	#limits: ChunkReaderLimits;
	readonly #onMessage: (message: RtmpMessage) => void;
	readonly #chunkStreams = new Map<number, ChunkStream>();
	readonly #header = new Uint8Array(MESSAGE_HEADER_BYTES[0]);
	#headerReceivedBytes = 0;
	#headerWantedBytes = 1;
	#step: Step = 'basic-header';
	#format = 0;
	#stream: ChunkStream | undefined;
	#chunkSizeBytes = INITIAL_CHUNK_SIZE_BYTES;
	#chunkRemainingBytes = 0;
	#bufferedBytes = 0;

	/** `onMessage` is called within push(); push() throws what it throws. */
	constructor(onMessage: (message: RtmpMessage) => void, limits: ChunkReaderLimits = DEFAULT_CHUNK_READER_LIMITS) {
		this.#onMessage = onMessage;
		this.#limits = limits;
	}

	/** Applies to messages that begin afterwards. */
	setLimits(limits: ChunkReaderLimits): void {
		this.#limits = limits;
	}

	/** Memory held for incomplete messages. */
	get bufferedBytes(): number {
		return this.#bufferedBytes;
	}

	/** Accepts pieces of any size. Throws RTMP_PROTOCOL_ERROR; the reader cannot be used afterwards. */
	push(bytes: Uint8Array): void {
		let offset = 0;
		while (offset < bytes.length) {
			if (this.#step === 'payload') {
				offset += this.#readPayload(bytes, offset);
			} else if (this.#step === 'extended-timestamp-or-payload') {
				this.#guessExtendedTimestamp(bytes[offset++]!);
			} else {
				this.#header[this.#headerReceivedBytes++] = bytes[offset++]!;
				if (this.#headerReceivedBytes === this.#headerWantedBytes) {
					this.#readHeader();
				}
			}
		}
	}

	#await(step: Step, wantedBytes: number): void {
		this.#step = step;
		this.#headerReceivedBytes = 0;
		this.#headerWantedBytes = wantedBytes;
	}

	#readHeader(): void {
		if (this.#step === 'basic-header') {
			this.#readBasicHeader();
		} else if (this.#step === 'message-header') {
			this.#readMessageHeader();
		} else {
			this.#applyTimestamp(readUint32(this.#header, 0, 'an extended timestamp'), true);
		}
	}

	// §5.3.1.1: ids 2–63 in one byte, 64–319 in two, 64–65599 in three, the last one little-endian.
	#readBasicHeader(): void {
		const first = this.#header[0]!;
		let chunkStreamId = first & 0x3f;
		if (chunkStreamId < 2) {
			const wantedBytes = chunkStreamId + 2;
			if (this.#headerReceivedBytes < wantedBytes) {
				this.#headerWantedBytes = wantedBytes;
				return;
			}
			chunkStreamId = 64 + this.#header[1]! + (wantedBytes === 3 ? this.#header[2]! * 256 : 0);
		}
		this.#format = first >> 6;
		this.#stream = this.#findChunkStream(chunkStreamId);
		if (this.#format < 3) {
			if (this.#stream.isReceiving) {
				throw protocolError(`chunk stream ${chunkStreamId} starts a message inside another`);
			}
			this.#await('message-header', MESSAGE_HEADER_BYTES[this.#format]!);
		} else if (this.#stream.extendedTimestamp !== undefined) {
			this.#await('extended-timestamp-or-payload', 4);
		} else {
			this.#beginChunk(this.#stream.timestampDeltaMs);
		}
	}

	#findChunkStream(chunkStreamId: number): ChunkStream {
		const known = this.#chunkStreams.get(chunkStreamId);
		if (known !== undefined) {
			return known;
		}
		// A first header of format 1 lacks only the message stream id, and librtmp sends some on the control stream.
		if (this.#format > 1) {
			throw protocolError(`chunk stream ${chunkStreamId} begins with a header of format ${this.#format}`);
		}
		if (this.#chunkStreams.size >= this.#limits.maxChunkStreamCount) {
			throw protocolError(`more than ${this.#limits.maxChunkStreamCount} chunk streams`);
		}
		const chunkStream: ChunkStream = {
			timestampMs: 0,
			timestampDeltaMs: 0,
			extendedTimestamp: undefined,
			isDeltaAbsolute: false,
			lengthBytes: 0,
			typeId: 0,
			messageStreamId: 0,
			hasLength: false,
			isReceiving: false,
			buffer: EMPTY,
			receivedBytes: 0,
		};
		this.#chunkStreams.set(chunkStreamId, chunkStream);
		return chunkStream;
	}

	#readMessageHeader(): void {
		const stream = this.#stream!;
		const header = this.#header;
		if (this.#format <= 1) {
			stream.lengthBytes = readUint24(header, 3);
			stream.typeId = header[6]!;
			stream.hasLength = true;
			if (stream.lengthBytes > this.#limits.maxMessageBytes) {
				throw protocolError(
					`a message of ${stream.lengthBytes} bytes, at most ${this.#limits.maxMessageBytes} are taken`,
				);
			}
		}
		if (this.#format === 0) {
			// §5.3.1.2.1: the message stream id is little-endian, unlike all other fields.
			stream.messageStreamId = (header[7]! | (header[8]! << 8) | (header[9]! << 16) | (header[10]! << 24)) >>> 0;
		}
		const timestamp = readUint24(header, 0);
		if (timestamp === EXTENDED_TIMESTAMP_MARK) {
			this.#await('extended-timestamp', 4);
		} else {
			this.#applyTimestamp(timestamp, false);
		}
	}

	#applyTimestamp(timestamp: number, isExtended: boolean): void {
		const stream = this.#stream!;
		stream.extendedTimestamp = isExtended ? timestamp : undefined;
		stream.isDeltaAbsolute = this.#format === 0;
		if (stream.isDeltaAbsolute) {
			stream.timestampMs = 0;
		}
		// §5.3.1.2.4: the timestamp of a format 0 is the delta of a format 3 that starts the next message.
		stream.timestampDeltaMs = timestamp;
		this.#beginChunk(timestamp);
	}

	// §5.3.1.3: the field "is present in Type 3 chunks when the most recent Type 0, 1, or 2 chunk … indicated the
	// presence of an extended timestamp". OBS before 30.1 and others omit it in continuations, so four bytes count as one
	// only if they repeat the last. Compared byte by byte, so that a short payload does not wait for four bytes.
	#guessExtendedTimestamp(byte: number): void {
		const stream = this.#stream!;
		this.#header[this.#headerReceivedBytes++] = byte;
		const received = this.#header.subarray(0, this.#headerReceivedBytes);
		// Some senders repeat the message's absolute time where its header had a delta.
		if (isPrefixOf(received, stream.extendedTimestamp!) || isPrefixOf(received, stream.timestampMs)) {
			if (received.length === 4) {
				// An absolute time of hours as a delta, which §5.3.1.2.4 has for short times, doubles the clock.
				this.#beginChunk(stream.isDeltaAbsolute ? 0 : stream.timestampDeltaMs);
			}
			return;
		}
		const payload = received.slice();
		// librtmp uses format 3 for "same time as before", without the field.
		this.#beginChunk(0);
		this.push(payload);
	}

	#beginChunk(deltaMs: number): void {
		const stream = this.#stream!;
		if (!stream.isReceiving) {
			if (!stream.hasLength) {
				throw protocolError('a message without a length');
			}
			// 32-bit arithmetic: a delta of nearly 2^32 is a step back, as librtmp sends it.
			stream.timestampMs = (stream.timestampMs + deltaMs) >>> 0;
			stream.isReceiving = true;
			stream.receivedBytes = 0;
		}
		this.#chunkRemainingBytes = Math.min(this.#chunkSizeBytes, stream.lengthBytes - stream.receivedBytes);
		this.#step = 'payload';
		if (this.#chunkRemainingBytes === 0) {
			this.#endChunk();
		}
	}

	#readPayload(bytes: Uint8Array, offset: number): number {
		const stream = this.#stream!;
		const taken = Math.min(this.#chunkRemainingBytes, bytes.length - offset);
		const neededBytes = stream.receivedBytes + taken;
		if (neededBytes > stream.buffer.length) {
			this.#growBuffer(stream, neededBytes);
		}
		stream.buffer.set(bytes.subarray(offset, offset + taken), stream.receivedBytes);
		stream.receivedBytes = neededBytes;
		this.#chunkRemainingBytes -= taken;
		if (this.#chunkRemainingBytes === 0) {
			this.#endChunk();
		}
		return taken;
	}

	#growBuffer(stream: ChunkStream, neededBytes: number): void {
		const size = Math.min(stream.lengthBytes, Math.max(neededBytes, 2 * stream.buffer.length, FIRST_BUFFER_BYTES));
		const bufferedBytes = this.#bufferedBytes + size - stream.buffer.length;
		if (bufferedBytes > this.#limits.maxBufferedBytes) {
			throw protocolError(`incomplete messages of more than ${this.#limits.maxBufferedBytes} bytes`);
		}
		const buffer = new Uint8Array(size);
		buffer.set(stream.buffer.subarray(0, stream.receivedBytes));
		stream.buffer = buffer;
		this.#bufferedBytes = bufferedBytes;
	}

	#endChunk(): void {
		const stream = this.#stream!;
		this.#await('basic-header', 1);
		if (stream.receivedBytes < stream.lengthBytes) {
			return;
		}
		const payload = stream.buffer;
		this.#dropPartialMessage(stream);
		const { typeId, timestampMs, messageStreamId } = stream;
		if (typeId === MESSAGE_TYPE.SET_CHUNK_SIZE) {
			this.#setChunkSize(readUint32(payload, 0, 'Set Chunk Size'));
		} else if (typeId === MESSAGE_TYPE.ABORT) {
			const aborted = this.#chunkStreams.get(readUint32(payload, 0, 'Abort'));
			if (aborted !== undefined) {
				this.#dropPartialMessage(aborted);
			}
		} else {
			this.#onMessage({ typeId, timestampMs, messageStreamId, payload });
		}
	}

	// §5.4.1: 1 to 2^31 − 1. A huge size is not capped, because a cap misreads its sender. It is "equivalent" to the
	// largest message, and costs no memory, because buffers grow with the received bytes.
	#setChunkSize(chunkSizeBytes: number): void {
		if (chunkSizeBytes < 1 || chunkSizeBytes > 0x7fff_ffff) {
			throw protocolError(`a chunk size of ${chunkSizeBytes} bytes`);
		}
		this.#chunkSizeBytes = chunkSizeBytes;
	}

	#dropPartialMessage(stream: ChunkStream): void {
		this.#bufferedBytes -= stream.buffer.length;
		stream.buffer = EMPTY;
		stream.receivedBytes = 0;
		stream.isReceiving = false;
	}
}

function isPrefixOf(received: Uint8Array, value: number): boolean {
	return received.every((byte, index) => byte === ((value >>> (24 - 8 * index)) & 0xff));
}

function protocolError(what: string): SpillwayError {
	return new SpillwayError('RTMP_PROTOCOL_ERROR', [what]);
}
