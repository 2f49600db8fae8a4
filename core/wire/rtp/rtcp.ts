/** The RTCP between the stage and its worker: sender reports out, key-frame requests in (RFC 3550 §6.4, RFC 4585). */
import { epochMsToNtp } from '../../units.ts';

const SENDER_REPORT = 200;
const SOURCE_DESCRIPTION = 202;
const PAYLOAD_SPECIFIC_FEEDBACK = 206;

type SenderReport = {
	ssrc: number;
	/** The instant of `timestampTicks`, epoch milliseconds. */
	nowMs: number;
	timestampTicks: number;
	packetCount: number;
	octetCount: number;
	/** Common to audio and video, so that the receiver plays them in sync (RFC 3550 §6.5.1). */
	cname: string;
};

/** A compound packet of one sender report and its CNAME. */
export function writeSenderReport(report: SenderReport): Buffer {
	const cname = Buffer.from(report.cname, 'utf8').subarray(0, 255);
	// One item, its terminating zero, padded to whole words (RFC 3550 §6.5).
	const chunkBytes = Math.ceil((4 + 2 + cname.length + 1) / 4) * 4;
	const packet = Buffer.alloc(28 + 4 + chunkBytes);
	const ntp = epochMsToNtp(report.nowMs);
	packet[0] = 0x80;
	packet[1] = SENDER_REPORT;
	packet.writeUInt16BE(6, 2);
	packet.writeUInt32BE(report.ssrc, 4);
	packet.writeUInt32BE(ntp.seconds, 8);
	packet.writeUInt32BE(ntp.fraction, 12);
	packet.writeUInt32BE(report.timestampTicks >>> 0, 16);
	packet.writeUInt32BE(report.packetCount >>> 0, 20);
	packet.writeUInt32BE(report.octetCount >>> 0, 24);
	packet[28] = 0x81;
	packet[29] = SOURCE_DESCRIPTION;
	packet.writeUInt16BE(chunkBytes / 4, 30);
	packet.writeUInt32BE(report.ssrc, 32);
	packet[36] = 1;
	packet[37] = cname.length;
	cname.copy(packet, 38);
	return packet;
}

/** SSRCs for which a compound packet requests a key frame: PLI (RFC 4585 §6.3.1) or FIR (RFC 5104 §4.3.1). */
export function readKeyFrameRequests(packet: Buffer): number[] {
	const ssrcs: number[] = [];
	let offset = 0;
	while (offset + 4 <= packet.length) {
		const bytes = (packet.readUInt16BE(offset + 2) + 1) * 4;
		if (packet[offset]! >> 6 !== 2 || offset + bytes > packet.length) {
			break;
		}
		const format = packet[offset]! & 0x1f;
		if (packet[offset + 1] === PAYLOAD_SPECIFIC_FEEDBACK && bytes >= 12) {
			if (format === 1) {
				ssrcs.push(packet.readUInt32BE(offset + 8));
			} else if (format === 4) {
				for (let entry = offset + 12; entry + 8 <= offset + bytes; entry += 8) {
					ssrcs.push(packet.readUInt32BE(entry));
				}
			}
		}
		offset += bytes;
	}
	return ssrcs;
}
