/** Tests of the packets in a tunnel, and of what is sent again. */
import { describe, expect, it } from 'vitest';
import { ResendCounter } from './resend-counter.ts';
import { completeChecksum, readInnerPacket, TUNNEL_BYTES } from './tunnel-frame.ts';

/** VXLAN, Ethernet, IPv4 from 198.18.0.1 to 198.18.0.2, then the packet of that protocol. */
function frameOf(protocol: 6 | 17, packet: Buffer): Buffer {
	const ip = Buffer.alloc(20);
	ip[0] = 0x45;
	ip.writeUInt16BE(20 + packet.length, 2);
	ip[9] = protocol;
	ip.set([198, 18, 0, 1, 198, 18, 0, 2], 12);
	const outer = Buffer.alloc(TUNNEL_BYTES - 42);
	outer.writeUInt16BE(0x0800, outer.length - 2);
	return Buffer.concat([outer, ip, packet]);
}

function udp(payload: Uint8Array): Buffer {
	const header = Buffer.alloc(8);
	header.writeUInt16BE(40_000, 0);
	header.writeUInt16BE(50_000, 2);
	header.writeUInt16BE(8 + payload.length, 4);
	return frameOf(17, Buffer.concat([header, payload]));
}

function rtp(ssrc: number, number: number, timestamp: number, payloadType = 96): Buffer {
	const packet = Buffer.alloc(12 + 100);
	packet[0] = 0x80;
	packet[1] = payloadType;
	packet.writeUInt16BE(number, 2);
	packet.writeUInt32BE(timestamp, 4);
	packet.writeUInt32BE(ssrc, 8);
	return udp(packet);
}

function tcp(number: number, payloadBytes: number, flags = 0x10): Buffer {
	const packet = Buffer.alloc(20 + payloadBytes);
	packet.writeUInt16BE(80, 0);
	packet.writeUInt16BE(50_000, 2);
	packet.writeUInt32BE(number, 4);
	packet[12] = 0x50;
	packet[13] = flags;
	return frameOf(6, packet);
}

function resent(counter: ResendCounter, frames: readonly Buffer[]): number[] {
	return frames.map((frame) => counter.resentBytes(frame, readInnerPacket(frame)!));
}

describe('readInnerPacket', () => {
	it('finds TCP and UDP over IPv4', () => {
		expect(readInnerPacket(udp(Buffer.alloc(10)))).toMatchObject({ protocol: 'udp', ipBytes: 38, headerAt: 42 });
		expect(readInnerPacket(tcp(1, 10))).toMatchObject({ protocol: 'tcp', ipBytes: 50, endAt: 72 });
	});

	it('finds nothing in frames of other kinds, fragments and frames that are cut', () => {
		const arp = udp(Buffer.alloc(10));
		arp.writeUInt16BE(0x0806, 20);
		const fragment = udp(Buffer.alloc(10));
		fragment.writeUInt16BE(0x2000, 22 + 6);
		const whole = udp(Buffer.alloc(10));
		const cut = Array.from({ length: whole.length }, (_, length) => whole.subarray(0, length));
		expect([arp, fragment, ...cut].map(readInnerPacket).every((packet) => packet === undefined)).toBe(true);
	});
});

describe('completeChecksum', () => {
	// RFC 1071: the sum over pseudo header and packet, its checksum included, is all ones.
	function sumOf(frame: Buffer): number {
		const { protocol, headerAt, endAt } = readInnerPacket(frame)!;
		const bytes = Buffer.concat([frame.subarray(34, 42), frame.subarray(headerAt, endAt), Buffer.alloc(1)]);
		let sum = (protocol === 'udp' ? 17 : 6) + endAt - headerAt;
		for (let index = 0; index + 1 < bytes.length; index += 2) {
			sum += bytes.readUInt16BE(index);
			sum = (sum & 0xffff) + (sum >> 16);
		}
		return sum;
	}

	it.each([0, 1, 2, 99, 1200])('makes the sum of a packet with %i bytes right, whatever stood there', (length) => {
		for (const fill of [0x00, 0xff, 0x5a]) {
			for (const frame of [udp(Buffer.alloc(length, fill)), tcp(0x1234_5678, length)]) {
				frame.writeUInt16BE(0xabcd, frame.length - length - 2);
				completeChecksum(frame, readInnerPacket(frame)!);
				expect(sumOf(frame)).toBe(0xffff);
			}
		}
	});
});

describe('ResendCounter', () => {
	it('counts packets of a stream that were sent before', () => {
		const frames = [rtp(1, 65_535, 10), rtp(1, 0, 20), rtp(1, 65_535, 10), rtp(1, 1, 20)];
		expect(resent(new ResendCounter(), frames)).toEqual([0, 0, 112, 0]);
	});

	it('counts a stream for retransmissions, and not a second stream of the same kind', () => {
		const frames = [rtp(1, 5, 1000), rtp(2, 5, 77_000), rtp(1, 6, 2000), rtp(3, 900, 1000, 97), rtp(3, 901, 2000, 97)];
		expect(resent(new ResendCounter(), frames)).toEqual([0, 0, 0, 112, 112]);
	});

	it('does not take the same media of another viewer for retransmissions', () => {
		const frames = [rtp(1, 5, 1000), rtp(2, 8000, 1000), rtp(1, 6, 2000), rtp(2, 8001, 2000)];
		expect(resent(new ResendCounter(), frames)).toEqual([0, 0, 0, 0]);
	});

	it('does not count RTCP and other datagrams', () => {
		const rtcp = rtp(1, 1, 1);
		rtcp[42 + 8 + 1] = 200;
		const stun = udp(Buffer.alloc(40));
		expect(resent(new ResendCounter(), [rtcp, rtcp, stun, stun])).toEqual([0, 0, 0, 0]);
	});

	it('counts the bytes of TCP that were sent before, also over the wrap of its numbers', () => {
		const start = 2 ** 32 - 150;
		const frames = [tcp(start - 1, 0, 0x12), tcp(start, 100), tcp(start + 50, 100), tcp(0, 100), tcp(start, 100)];
		expect(resent(new ResendCounter(), frames)).toEqual([0, 0, 50, 0, 100]);
	});

	it('begins again with a new connection from the same port', () => {
		const frames = [tcp(5000, 100), tcp(1000, 0, 0x12), tcp(1001, 100), tcp(1001, 100)];
		expect(resent(new ResendCounter(), frames)).toEqual([0, 0, 0, 100]);
	});

	it('remembers a bounded number of packets', () => {
		const counter = new ResendCounter();
		resent(
			counter,
			Array.from({ length: 10_000 }, (_, number) => rtp(1, number, number)),
		);
		expect(resent(counter, [rtp(1, 9999, 9999), rtp(1, 100, 100)])).toEqual([112, 0]);
	});
});
