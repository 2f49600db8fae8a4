/** Reads the NUT stream of one track that FFmpeg writes, in chunks of any size. */
import { SpillwayError } from '../../errors/errors.ts';
import { IncompleteNut, MalformedNut, NutCursor } from './nut-cursor.ts';
import { NUT_FILE_ID, NUT_FORBIDDEN_FRAME_CODE, NUT_FRAME_FLAG, NUT_START_CODE } from './nut-format.ts';
import {
	type MainHeader,
	type NutStream,
	type StreamTiming,
	parseMainHeader,
	parseStreamHeader,
	readFrameHeader,
} from './nut-headers.ts';

/** `bytes` is a copy. */
export type NutFrame = { timeTicks: number; isKeyFrame: boolean; bytes: Uint8Array };

/** Called while {@link NutReader.push} runs. */
type NutReaderListener = {
	onStream(stream: NutStream): void;
	onFrame(frame: NutFrame): void;
};

/** Limit of frames and headers. A 4K intra picture at the highest quality is smaller. @internal for tests */
export const NUT_MAX_PACKET_BYTES = 16 * 1024 * 1024;

/** After it has thrown once, it throws the same again: the process must be restarted. */
export class NutReader {
	readonly #listener: NutReaderListener;
	#chunks: Uint8Array[] = [];
	#bufferedBytes = 0;
	#needBytes = 1;
	#isPastFileId = false;
	#main: MainHeader | undefined;
	#stream: NutStream | undefined;
	#timing: StreamTiming = { msbPtsShift: 0 };
	#lastPtsTicks = 0;
	#failure: SpillwayError | undefined;

	constructor(listener: NutReaderListener) {
		this.#listener = listener;
	}

	/** Bytes that wait for the rest of their packet. */
	get bufferedBytes(): number {
		return this.#bufferedBytes;
	}

	/** Throws TRANSCODER_FAILED when the bytes cannot be NUT from FFmpeg. */
	push(chunk: Uint8Array): void {
		if (this.#failure !== undefined) {
			throw this.#failure;
		}
		this.#chunks.push(chunk);
		this.#bufferedBytes += chunk.length;
		// Waits for a known length: parsing at each chunk takes quadratic time for a large frame.
		if (this.#bufferedBytes < this.#needBytes) {
			return;
		}
		const bytes = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
		let offset = 0;
		try {
			while (offset < bytes.length) {
				offset = this.#readOne(new NutCursor(bytes, offset));
			}
			this.#needBytes = 1;
		} catch (error) {
			if (!(error instanceof IncompleteNut)) {
				this.#failure = toFailure(error);
				this.#keep(new Uint8Array(0));
				throw this.#failure;
			}
			this.#needBytes = error.needBytes;
		}
		this.#keep(bytes.subarray(offset));
	}

	#keep(rest: Uint8Array): void {
		this.#chunks = rest.length === 0 ? [] : [rest];
		this.#bufferedBytes = rest.length;
	}

	// Reads one packet or frame and returns where the next begins.
	#readOne(cursor: NutCursor): number {
		if (!this.#isPastFileId) {
			const id = cursor.bytes(NUT_FILE_ID.length);
			if (Buffer.compare(id, NUT_FILE_ID) !== 0) {
				throw new MalformedNut('the file id is missing');
			}
			this.#isPastFileId = true;
		} else if (cursor.peek() === NUT_FORBIDDEN_FRAME_CODE) {
			this.#readPacket(cursor);
		} else {
			this.#readFrame(cursor);
		}
		return cursor.offset;
	}

	#readPacket(cursor: NutCursor): void {
		const headerStart = cursor.offset;
		const startCode = Buffer.from(cursor.bytes(8)).toString('hex');
		const sizeBytes = cursor.varint();
		if (sizeBytes < 4 || sizeBytes > NUT_MAX_PACKET_BYTES) {
			throw new MalformedNut(`a header claims ${sizeBytes} bytes`);
		}
		if (sizeBytes > 4096) {
			cursor.verifyChecksum(headerStart, 'a packet header');
		}
		const payload = new NutCursor(cursor.bytes(sizeBytes), 0, sizeBytes - 4);
		payload.verifyTrailer();
		switch (startCode) {
			case NUT_START_CODE.main:
				this.#main ??= parseMainHeader(payload);
				break;
			case NUT_START_CODE.stream:
				this.#readStreamHeader(payload);
				break;
			case NUT_START_CODE.syncpoint:
				this.#readSyncpoint(payload);
				break;
			default:
				// "Demuxers MUST ignore new and unknown headers." Info and index packets are not used either.
				break;
		}
	}

	#readStreamHeader(payload: NutCursor): void {
		if (this.#main === undefined) {
			throw new MalformedNut('a stream header came before the main header');
		}
		if (this.#stream === undefined) {
			const { stream, timing } = parseStreamHeader(payload, this.#main);
			this.#stream = stream;
			this.#timing = timing;
			this.#listener.onStream(stream);
		}
	}

	#readSyncpoint(payload: NutCursor): void {
		if (this.#main === undefined || this.#stream === undefined) {
			throw new MalformedNut('a syncpoint came before the headers');
		}
		const time = payload.varint();
		const count = this.#main.timeBases.length;
		const from = this.#main.timeBases[time % count]!;
		const to = this.#stream.timeBase;
		// "last_pts[i] = convert_ts(global_key_pts, time_base[id], time_base[i])", in whole numbers, rounded down.
		const numerator = BigInt(Math.floor(time / count)) * BigInt(from.numerator) * BigInt(to.denominator);
		this.#lastPtsTicks = Number(numerator / (BigInt(from.denominator) * BigInt(to.numerator)));
	}

	#readFrame(cursor: NutCursor): void {
		if (this.#main === undefined || this.#stream === undefined) {
			throw new MalformedNut('a frame came before the headers');
		}
		const start = cursor.offset;
		const code = this.#main.frameCodes[cursor.byte()]!;
		const header = readFrameHeader(cursor, code, this.#timing, this.#lastPtsTicks);
		if (header.flags & NUT_FRAME_FLAG.checksum) {
			cursor.verifyChecksum(start, 'a frame header');
		}
		// nut.txt does not describe elision; FFmpeg does not use it for frames over 4096 bytes.
		const headerIndex = header.sizeBytes > 4096 ? 0 : header.headerIndex;
		const elided = this.#main.elisionHeaders[headerIndex];
		if (elided === undefined || header.sizeBytes < elided.length || header.sizeBytes > NUT_MAX_PACKET_BYTES) {
			throw new MalformedNut(`a frame claims ${header.sizeBytes} bytes and elision header ${headerIndex}`);
		}
		const body = cursor.bytes(header.sizeBytes - elided.length);
		this.#lastPtsTicks = header.timeTicks;
		if (header.flags & NUT_FRAME_FLAG.endOfRelevance) {
			return;
		}
		const bytes = new Uint8Array(header.sizeBytes);
		bytes.set(elided);
		bytes.set(body, elided.length);
		this.#listener.onFrame({
			timeTicks: header.timeTicks,
			isKeyFrame: (header.flags & NUT_FRAME_FLAG.key) !== 0,
			bytes,
		});
	}
}

function toFailure(error: unknown): SpillwayError {
	if (error instanceof MalformedNut) {
		return new SpillwayError('TRANSCODER_FAILED', ['its output cannot be read', error.message], { cause: error });
	}
	throw error;
}
