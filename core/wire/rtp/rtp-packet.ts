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
/** mediasoup's id of the dependency descriptor; a test compares it with mediasoup's capabilities. */
export const DEPENDENCY_DESCRIPTOR_EXTENSION_ID = 7;

/**
 * What mediasoup reads in a stage packet's dependency descriptor, in place of the payload
 * (https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension). Viewers do not negotiate
 * it.
 *
 * - `switch-point`: the packet counts as the first one of a key frame, so that Consumers change layers at it.
 * - `hidden`: the packet keeps its layer alive, and no Consumer forwards it.
 */
export type StageDescriptor = 'switch-point' | 'hidden';

const DESCRIPTOR_BYTES: Readonly<Record<StageDescriptor, readonly number[]>> = {
	// Start of a frame of template 0, with a structure: one decode target, and two templates of temporal layers 0 and 1.
	// mediasoup takes a packet with a structure for a key frame.
	'switch-point': [0x80, 0, 0, 0x80, 0, 0x78, 0],
	// A whole frame of template 1. Consumers drop temporal layer 1, because the encodings have one temporal layer.
	hidden: [0xc1, 0, 0],
};

/** What few stage packets carry. */
type StageExtras = {
	descriptor?: StageDescriptor | undefined;
	/** Capture time minus the sender's idea of it: "Capture NTP Clock = Sender NTP Clock + Capture Clock Offset". */
	captureClockOffsetMs?: number | undefined;
};

/** Bytes that {@link writeStageHeader} writes before the payload. */
export function stageHeaderBytes({ descriptor, captureClockOffsetMs }: StageExtras = {}): number {
	const captureTime = captureClockOffsetMs === undefined ? 9 : 17;
	const others = descriptor === undefined ? 0 : 1 + DESCRIPTOR_BYTES[descriptor].length;
	return 16 + Math.ceil((captureTime + others) / 4) * 4;
}

/**
 * Writes the header of a stage packet: the fixed part and extensions with one-byte headers (RFC 8285 §4.2).
 * abs-capture-time has its short form of 8 bytes, or 16 with an offset
 * (https://webrtc.googlesource.com/src/+/refs/heads/main/docs/native-code/rtp-hdrext/abs-capture-time).
 */
export function writeStageHeader(
	packet: Buffer,
	fields: { payloadType: number; hasMarker: boolean; sequenceNumber: number; timestampTicks: number; ssrc: number },
	captureNtp: { seconds: number; fraction: number },
	extras: StageExtras = {},
): void {
	const { descriptor, captureClockOffsetMs } = extras;
	const end = stageHeaderBytes(extras);
	packet[0] = 0x90;
	packet[1] = (fields.hasMarker ? 0x80 : 0) | fields.payloadType;
	packet.writeUInt16BE(fields.sequenceNumber & 0xffff, 2);
	packet.writeUInt32BE(fields.timestampTicks >>> 0, 4);
	packet.writeUInt32BE(fields.ssrc, 8);
	packet.writeUInt16BE(0xbede, 12);
	packet.writeUInt16BE((end - 16) / 4, 14);
	packet[16] = (ABS_CAPTURE_TIME_EXTENSION_ID << 4) | (captureClockOffsetMs === undefined ? 7 : 15);
	packet.writeUInt32BE(captureNtp.seconds >>> 0, 17);
	let offset = packet.writeUInt32BE(captureNtp.fraction >>> 0, 21);
	if (captureClockOffsetMs !== undefined) {
		// Signed, in units of 2^-32 s.
		const seconds = Math.floor(captureClockOffsetMs / 1000);
		offset = packet.writeInt32BE(seconds, offset);
		const fraction = (captureClockOffsetMs / 1000 - seconds) * 2 ** 32;
		offset = packet.writeUInt32BE(Math.min(0xffff_ffff, Math.round(fraction)), offset);
	}
	if (descriptor !== undefined) {
		const bytes = DESCRIPTOR_BYTES[descriptor];
		packet[offset] = (DEPENDENCY_DESCRIPTOR_EXTENSION_ID << 4) | (bytes.length - 1);
		packet.set(bytes, offset + 1);
		offset += 1 + bytes.length;
	}
	packet.fill(0, offset, end);
}
