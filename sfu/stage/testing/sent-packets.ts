/** Keeps what a stage stream sends, decoded, for tests. */
import { ntpToEpochMs, VIDEO_CLOCK_RATE } from '../../../core/units.ts';
import type { Clock } from '../../../core/lifecycle/clock.ts';
import {
	ABS_CAPTURE_TIME_EXTENSION_ID,
	createRtpHeader,
	DEPENDENCY_DESCRIPTOR_EXTENSION_ID,
	isRtcp,
	readRtpHeader,
} from '../../../core/wire/rtp/rtp-packet.ts';
import { StageStream } from '../layer/stage-stream.ts';

export type SentPacket = {
	ssrc: number;
	payloadType: number;
	sequenceNumber: number;
	timestampTicks: number;
	hasMarker: boolean;
	payload: Buffer;
	/** From the abs-capture-time extension; undefined without one. */
	captureTimeMs: number | undefined;
	/** Of the dependency descriptor extension; undefined without one. */
	descriptor: 'switch-point' | 'hidden' | undefined;
};

/** One sender report with its CNAME. */
export type SentReport = {
	ssrc: number;
	nowMs: number;
	timestampTicks: number;
	packetCount: number;
	octetCount: number;
	cname: string | undefined;
};

/** Decodes and sorts datagrams. */
export class SentPackets {
	readonly packets: SentPacket[] = [];
	readonly reports: SentReport[] = [];
	/** Packets and reports in the order of sending. */
	readonly order: ('packet' | 'report')[] = [];

	readonly add = (datagram: Buffer): void => {
		if (isRtcp(datagram)) {
			this.#addRtcp(datagram);
		} else {
			this.#addRtp(datagram);
		}
	};

	/** Packets of one SSRC. */
	of(ssrc: number): SentPacket[] {
		return this.packets.filter((packet) => packet.ssrc === ssrc);
	}

	#addRtp(datagram: Buffer): void {
		const header = createRtpHeader();
		if (!readRtpHeader(datagram, header)) {
			throw new Error('What was sent is no RTP packet.');
		}
		const { ssrc, payloadType, sequenceNumber, timestampTicks, hasMarker } = header;
		this.order.push('packet');
		this.packets.push({
			ssrc,
			payloadType,
			sequenceNumber,
			timestampTicks,
			hasMarker,
			payload: Buffer.from(datagram.subarray(header.payloadStart, header.payloadEnd)),
			...readExtensions(datagram),
		});
	}

	#addRtcp(datagram: Buffer): void {
		let report: SentReport | undefined;
		for (let offset = 0; offset + 4 <= datagram.length; offset += (datagram.readUInt16BE(offset + 2) + 1) * 4) {
			if (datagram[offset + 1] === 200) {
				report = {
					ssrc: datagram.readUInt32BE(offset + 4),
					nowMs: ntpToEpochMs(datagram.readUInt32BE(offset + 8), datagram.readUInt32BE(offset + 12)),
					timestampTicks: datagram.readUInt32BE(offset + 16),
					packetCount: datagram.readUInt32BE(offset + 20),
					octetCount: datagram.readUInt32BE(offset + 24),
					cname: undefined,
				};
				this.reports.push(report);
				this.order.push('report');
			} else if (datagram[offset + 1] === 202 && report !== undefined && datagram[offset + 8] === 1) {
				report.cname = datagram.toString('utf8', offset + 10, offset + 10 + datagram[offset + 9]!);
			}
		}
	}
}

// RFC 8285 §4.2: one-byte headers, zero bytes between them are padding.
function readExtensions(datagram: Buffer): Pick<SentPacket, 'captureTimeMs' | 'descriptor'> {
	const found: ReturnType<typeof readExtensions> = { captureTimeMs: undefined, descriptor: undefined };
	const start = 12 + (datagram[0]! & 0x0f) * 4;
	if ((datagram[0]! & 0x10) === 0 || datagram.readUInt16BE(start) !== 0xbede) {
		return found;
	}
	const end = start + 4 + datagram.readUInt16BE(start + 2) * 4;
	for (let offset = start + 4; offset < end;) {
		const id = datagram[offset]! >> 4;
		const size = id === 0 ? 0 : (datagram[offset]! & 0x0f) + 1;
		if (id === ABS_CAPTURE_TIME_EXTENSION_ID) {
			found.captureTimeMs = ntpToEpochMs(datagram.readUInt32BE(offset + 1), datagram.readUInt32BE(offset + 5));
		} else if (id === DEPENDENCY_DESCRIPTOR_EXTENSION_ID) {
			found.descriptor = size > 3 ? 'switch-point' : 'hidden';
		}
		offset += 1 + size;
	}
	return found;
}

/** A video stream whose datagrams are kept. */
export function createStream(ssrc: number, clock: Clock, sent: SentPackets): StageStream {
	const options = { ssrc, payloadType: 108, clockRate: VIDEO_CLOCK_RATE, cname: 'stage' };
	return new StageStream({ clock, send: sent.add }, options);
}

/** Steps from each RTP sequence number to the next, as a receiver sees them: 1 where nothing is missing. */
export function sequenceSteps(packets: readonly SentPacket[]): number[] {
	return packets
		.slice(1)
		.map((packet, index) => (packet.sequenceNumber - packets[index]!.sequenceNumber + 0x1_0000) % 0x1_0000);
}

/** Differences from each RTP timestamp to the next, unwrapped: negative where time goes back. */
export function timestampSteps(packets: readonly SentPacket[]): number[] {
	return packets.slice(1).map((packet, index) => (packet.timestampTicks - packets[index]!.timestampTicks) | 0);
}
