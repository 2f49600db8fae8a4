/** Reads and writes RTP packets (RFC 3550 §5.1). For the packet path: no allocation and no exception per packet. */

/** One instance is filled for all packets. */
export type RtpHeader = {
	payloadType: number;
	hasMarker: boolean;
	sequenceNumber: number;
	timestampTicks: number;
	ssrc: number;
	/** Byte offsets of the payload, padding excluded. */
	payloadStart: number;
	payloadEnd: number;
};

export function createRtpHeader(): RtpHeader {
	return {
		payloadType: 0,
		hasMarker: false,
		sequenceNumber: 0,
		timestampTicks: 0,
		ssrc: 0,
		payloadStart: 0,
		payloadEnd: 0,
	};
}

/** True when the datagram is RTCP rather than RTP (RFC 5761 §4: packet types 192–223 share the port). */
export function isRtcp(packet: Uint8Array): boolean {
	return packet.length >= 8 && packet[1]! >= 192 && packet[1]! <= 223;
}

/** Fills `header`. Returns false, and does not change it, when the bytes are no whole RTP packet. */
export function readRtpHeader(packet: Buffer, header: RtpHeader): boolean {
	if (packet.length < 12 || packet[0]! >> 6 !== 2) {
		return false;
	}
	const first = packet[0]!;
	const second = packet[1]!;
	let start = 12 + (first & 0x0f) * 4;
	if ((first & 0x10) !== 0) {
		if (packet.length < start + 4) {
			return false;
		}
		start += 4 + packet.readUInt16BE(start + 2) * 4;
	}
	let end = packet.length;
	if ((first & 0x20) !== 0) {
		end -= packet[packet.length - 1]!;
	}
	if (start > end) {
		return false;
	}
	header.payloadType = second & 0x7f;
	header.hasMarker = (second & 0x80) !== 0;
	header.sequenceNumber = packet.readUInt16BE(2);
	header.timestampTicks = packet.readUInt32BE(4);
	header.ssrc = packet.readUInt32BE(8);
	header.payloadStart = start;
	header.payloadEnd = end;
	return true;
}

/** mediasoup's id of abs-capture-time; a test compares it with mediasoup's capabilities. */
export const ABS_CAPTURE_TIME_EXTENSION_ID = 10;
/** Bytes that {@link writeStageHeader} writes before the payload. */
export const STAGE_HEADER_BYTES = 28;

/**
 * Writes the header of a stage packet: the fixed part and one extension with a one-byte header (RFC 8285 §4.2). That is
 * abs-capture-time in its short form of 8 bytes
 * (https://webrtc.googlesource.com/src/+/refs/heads/main/docs/native-code/rtp-hdrext/abs-capture-time).
 */
export function writeStageHeader(
	packet: Buffer,
	fields: { payloadType: number; hasMarker: boolean; sequenceNumber: number; timestampTicks: number; ssrc: number },
	captureNtp: { seconds: number; fraction: number },
): void {
	packet[0] = 0x90;
	packet[1] = (fields.hasMarker ? 0x80 : 0) | fields.payloadType;
	packet.writeUInt16BE(fields.sequenceNumber & 0xffff, 2);
	packet.writeUInt32BE(fields.timestampTicks >>> 0, 4);
	packet.writeUInt32BE(fields.ssrc, 8);
	packet.writeUInt32BE(0xbede_0003, 12);
	packet[16] = (ABS_CAPTURE_TIME_EXTENSION_ID << 4) | 7;
	packet.writeUInt32BE(captureNtp.seconds >>> 0, 17);
	packet.writeUInt32BE(captureNtp.fraction >>> 0, 21);
	packet[25] = 0;
	packet[26] = 0;
	packet[27] = 0;
}
