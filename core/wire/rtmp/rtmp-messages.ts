/** RTMP messages: their types, the protocol control messages of the server, and the splitting of aggregates. */
import { SpillwayError } from '../../errors/errors.ts';
import { FLV_BACK_POINTER_BYTES, FLV_TAG_HEADER_BYTES, readFlvTagHeader } from '../flv.ts';

/** Message type ids (Adobe RTMP 1.0 §5.4, §7.1). */
export const MESSAGE_TYPE = {
	SET_CHUNK_SIZE: 1,
	ABORT: 2,
	ACKNOWLEDGEMENT: 3,
	USER_CONTROL: 4,
	WINDOW_ACKNOWLEDGEMENT_SIZE: 5,
	SET_PEER_BANDWIDTH: 6,
	AUDIO: 8,
	VIDEO: 9,
	DATA_AMF3: 15,
	COMMAND_AMF3: 17,
	DATA_AMF0: 18,
	COMMAND_AMF0: 20,
	AGGREGATE: 22,
} as const;

/** User control event types (Adobe RTMP 1.0 §7.1.7). */
export const USER_CONTROL_EVENT = { STREAM_BEGIN: 0, PING_REQUEST: 6, PING_RESPONSE: 7 } as const;

export type RtmpMessage = {
	/** One of {@link MESSAGE_TYPE}, or another byte. */
	typeId: number;
	/** Absolute, on the sender's clock, modulo 2^32. */
	timestampMs: number;
	/** 0 for the connection, else the answer to createStream. */
	messageStreamId: number;
	/** Owned by the message and never changed. */
	payload: Uint8Array;
};

/** Set Chunk Size for the following chunks of the server. */
export function setChunkSizeMessage(chunkSizeBytes: number): RtmpMessage {
	return controlMessage(MESSAGE_TYPE.SET_CHUNK_SIZE, uint32(chunkSizeBytes));
}

/** Acknowledgement of all received bytes, modulo 2^32. */
export function acknowledgementMessage(receivedBytes: number): RtmpMessage {
	return controlMessage(MESSAGE_TYPE.ACKNOWLEDGEMENT, uint32(receivedBytes));
}

/** Window Acknowledgement Size: the peer acknowledges after this many bytes of the server. */
export function windowAcknowledgementSizeMessage(windowBytes: number): RtmpMessage {
	return controlMessage(MESSAGE_TYPE.WINDOW_ACKNOWLEDGEMENT_SIZE, uint32(windowBytes));
}

/** Set Peer Bandwidth with the dynamic limit type (2). */
export function setPeerBandwidthMessage(windowBytes: number): RtmpMessage {
	return controlMessage(MESSAGE_TYPE.SET_PEER_BANDWIDTH, Uint8Array.of(...uint32(windowBytes), 2));
}

/** User control: the stream is usable. */
export function streamBeginMessage(messageStreamId: number): RtmpMessage {
	return userControlMessage(USER_CONTROL_EVENT.STREAM_BEGIN, messageStreamId);
}

/** User control: answer to a ping, with its timestamp. */
export function pingResponseMessage(timestampMs: number): RtmpMessage {
	return userControlMessage(USER_CONTROL_EVENT.PING_RESPONSE, timestampMs);
}

/** Reads a big-endian number. Throws RTMP_PROTOCOL_ERROR when the payload is too short. */
export function readUint32(payload: Uint8Array, offset: number, what: string): number {
	if (payload.length < offset + 4) {
		throw new SpillwayError('RTMP_PROTOCOL_ERROR', [`${what} has ${payload.length} bytes, needs ${offset + 4}`]);
	}
	return (
		((payload[offset]! << 24) | (payload[offset + 1]! << 16) | (payload[offset + 2]! << 8) | payload[offset + 3]!) >>> 0
	);
}

/** The types that are read from an aggregate. No encoder puts an aggregate into an aggregate. */
const AGGREGATED_TYPES: ReadonlySet<number> = new Set([
	MESSAGE_TYPE.VIDEO,
	MESSAGE_TYPE.AUDIO,
	MESSAGE_TYPE.DATA_AMF0,
	MESSAGE_TYPE.DATA_AMF3,
]);

/**
 * Splits an aggregate message (Adobe RTMP 1.0 §7.1.6). Its sub-messages are FLV tags; the time of the first one equals
 * the aggregate's time. Returns media and data only; payloads are views. A cut tag ends it with a problem.
 */
export function splitAggregate(message: RtmpMessage): { parts: RtmpMessage[]; problem?: string } {
	const { payload } = message;
	const parts: RtmpMessage[] = [];
	let shiftMs: number | undefined;
	let offset = 0;
	while (offset < payload.length) {
		if (offset + FLV_TAG_HEADER_BYTES > payload.length) {
			return { parts, problem: 'an aggregate message ends inside a tag header' };
		}
		const { typeId, bodyBytes, timestampMs: tagMs } = readFlvTagHeader(payload, offset);
		shiftMs ??= message.timestampMs - tagMs;
		const start = offset + FLV_TAG_HEADER_BYTES;
		if (start + bodyBytes > payload.length) {
			return { parts, problem: 'an aggregate message ends inside a tag' };
		}
		if (AGGREGATED_TYPES.has(typeId)) {
			const timestampMs = (tagMs + shiftMs) >>> 0;
			const { messageStreamId } = message;
			parts.push({ typeId, timestampMs, messageStreamId, payload: payload.subarray(start, start + bodyBytes) });
		}
		offset = start + bodyBytes + FLV_BACK_POINTER_BYTES;
	}
	return { parts };
}

function controlMessage(typeId: number, payload: Uint8Array): RtmpMessage {
	return { typeId, timestampMs: 0, messageStreamId: 0, payload };
}

function userControlMessage(event: number, value: number): RtmpMessage {
	return controlMessage(MESSAGE_TYPE.USER_CONTROL, Uint8Array.of(event >> 8, event, ...uint32(value)));
}

function uint32(value: number): Uint8Array {
	return Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value);
}
