/** Splits RTMP messages into chunks (Adobe RTMP 1.0 §5.3). Our messages are few and small, so headers are full. */
import { INITIAL_CHUNK_SIZE_BYTES } from './chunk-reader.ts';
import { MESSAGE_TYPE, readUint32, type RtmpMessage } from './rtmp-messages.ts';

/** Chunk stream of protocol control messages (Adobe RTMP 1.0 §5.3.1.1). */
const CONTROL_CHUNK_STREAM_ID = 2;
/** Chunk stream of all other messages. */
const COMMAND_CHUNK_STREAM_ID = 3;
const LAST_CONTROL_TYPE = MESSAGE_TYPE.SET_PEER_BANDWIDTH;

/** Writer of one connection. Applies the Set Chunk Size messages that it writes. */
export class ChunkWriter {
	#chunkSizeBytes = INITIAL_CHUNK_SIZE_BYTES;

	/** The message's chunks. `chunkStreamId` is 2–63 and replaces the usual chunk stream. */
	write(message: RtmpMessage, chunkStreamId?: number): Uint8Array {
		const { payload } = message;
		const id =
			chunkStreamId ?? (message.typeId <= LAST_CONTROL_TYPE ? CONTROL_CHUNK_STREAM_ID : COMMAND_CHUNK_STREAM_ID);
		const timestampMs = message.timestampMs >>> 0;
		const isExtended = timestampMs >= 0xff_ffff;
		const chunkCount = Math.max(1, Math.ceil(payload.length / this.#chunkSizeBytes));
		const chunkHeaderBytes = isExtended ? 5 : 1;
		const bytes = new Uint8Array(chunkHeaderBytes * chunkCount + 11 + payload.length);
		const view = new DataView(bytes.buffer);
		bytes[0] = id;
		view.setUint32(0, ((id << 24) | (isExtended ? 0xff_ffff : timestampMs)) >>> 0);
		view.setUint32(4, ((payload.length << 8) | message.typeId) >>> 0);
		view.setUint32(8, message.messageStreamId, true);
		let offset = 12;
		for (
			let start = 0, isFirst = true;
			isFirst || start < payload.length;
			start += this.#chunkSizeBytes, isFirst = false
		) {
			if (!isFirst) {
				bytes[offset++] = 0xc0 | id;
			}
			if (isExtended) {
				view.setUint32(offset, timestampMs);
				offset += 4;
			}
			const piece = payload.subarray(start, start + this.#chunkSizeBytes);
			bytes.set(piece, offset);
			offset += piece.length;
		}
		if (message.typeId === MESSAGE_TYPE.SET_CHUNK_SIZE) {
			this.#chunkSizeBytes = readUint32(payload, 0, 'Set Chunk Size');
		}
		return bytes;
	}
}
