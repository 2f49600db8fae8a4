/** Tests of the packet counter. */
import fc from 'fast-check';
import { beforeEach, describe, expect, it } from 'vitest';
import { epochMsToNtp } from '../../../core/units.ts';
import { readCaptureTimeMs, RtpSink } from './rtp-sink.ts';
import type { AnsweredTrack } from './whep-offer.ts';

const NOW_MS = 1_900_000_000_000;
const TRACKS: AnsweredTrack[] = [
	{ kind: 'video', payloadType: 96, clockRate: 90_000, captureTimeExtensionId: 2 },
	{ kind: 'audio', payloadType: 111, clockRate: 48_000, captureTimeExtensionId: 2 },
];

type Fields = {
	number: number;
	ticks?: number;
	marker?: boolean;
	payloadType?: number;
	captureMs?: number;
	ssrc?: number;
};

function packet({ number, ticks = 0, marker = false, payloadType = 96, captureMs, ssrc = 7 }: Fields): Buffer {
	const head = Buffer.alloc(12);
	head[0] = captureMs === undefined ? 0x80 : 0x90;
	head[1] = payloadType | (marker ? 0x80 : 0);
	head.writeUInt16BE(((number % 65_536) + 65_536) % 65_536, 2);
	head.writeUInt32BE(ticks >>> 0, 4);
	head.writeUInt32BE(ssrc, 8);
	if (captureMs === undefined) {
		return Buffer.concat([head, Buffer.alloc(100)]);
	}
	const { seconds, fraction } = epochMsToNtp(captureMs);
	const extension = Buffer.alloc(4 + 12);
	extension.writeUInt16BE(0xbede, 0);
	extension.writeUInt16BE(3, 2);
	extension[4] = (2 << 4) | 7;
	extension.writeUInt32BE(seconds, 5);
	extension.writeUInt32BE(fraction, 9);
	return Buffer.concat([head, extension, Buffer.alloc(100)]);
}

let latencies: [string, number][];
let freezes: number[];
let sink: RtpSink;

beforeEach(() => {
	[latencies, freezes] = [[], []];
	sink = new RtpSink(TRACKS, {
		latency: (kind, ms) => latencies.push([kind, ms]),
		freeze: (ms) => freezes.push(ms),
	});
});

describe('RtpSink', () => {
	it('reports the latency of a picture at its last packet and of every packet of sound', () => {
		const captureMs = NOW_MS - 123;
		expect(sink.receive(packet({ number: 1, captureMs }), NOW_MS - 1)).toBe(false);
		expect(sink.receive(packet({ number: 2, captureMs, marker: true }), NOW_MS)).toBe(true);
		sink.receive(packet({ number: 1, captureMs, payloadType: 111 }), NOW_MS);
		expect(latencies.map(([kind, ms]) => [kind, Math.round(ms)])).toEqual([
			['video', 123],
			['audio', 123],
		]);
	});

	it('counts missing packets, requests each once, and counts those that were not sent again as lost', () => {
		[1, 2, 5].forEach((number) => sink.receive(packet({ number }), NOW_MS));
		expect(sink.takeMissing()).toEqual([{ ssrc: 7, numbers: [3, 4] }]);
		expect(sink.takeMissing()).toEqual([]);
		sink.receive(packet({ number: 3 }), NOW_MS + 20);
		sink.receive(packet({ number: 3 }), NOW_MS + 21);
		sink.expireMissing(NOW_MS + 999);
		expect(sink.totals).toMatchObject({ missedCount: 2, lostCount: 0 });
		sink.expireMissing(NOW_MS + 1001);
		expect(sink.totals).toMatchObject({ missedCount: 2, lostCount: 1, packetCount: 5 });
		expect(sink.reports()).toMatchObject([{ ssrc: 7, highest: 5, lost: 1 }]);
	});

	it('counts no loss at the wrap of the sequence number', () => {
		[65_534, 65_535, 65_536, 65_537].forEach((number) => sink.receive(packet({ number }), NOW_MS));
		expect(sink.totals).toMatchObject({ missedCount: 0, packetCount: 4 });
	});

	it('counts neither a new stream nor a far jump as loss', () => {
		sink.receive(packet({ number: 10 }), NOW_MS);
		sink.receive(packet({ number: 20_000 }), NOW_MS);
		sink.receive(packet({ number: 5, ssrc: 8 }), NOW_MS);
		sink.receive(packet({ number: 6, ssrc: 8 }), NOW_MS);
		expect(sink.totals.missedCount).toBe(0);
	});

	it('finds a freeze by the rule of webrtc-stats, and no freeze at an even pace', () => {
		let at = NOW_MS;
		for (let number = 0; number < 100; number++) {
			at += number === 60 ? 400 : 33;
			sink.receive(packet({ number, marker: true }), at);
		}
		expect(freezes).toEqual([400]);
		expect(sink.totals.frameCount).toBe(100);
	});

	it('reports no jitter for an even pace and some for an uneven one', () => {
		for (let number = 0; number < 200; number++) {
			sink.receive(packet({ number, ticks: number * 3000 }), NOW_MS + (number * 100) / 3);
			const uneven = packet({ number, ticks: number * 960, payloadType: 111 });
			sink.receive(uneven, NOW_MS + number * 20 + (number % 2) * 10);
		}
		const [video, audio] = sink.reports();
		expect(video!.jitterMs).toBeLessThan(0.1);
		expect(audio!.jitterMs).toBeGreaterThan(8);
		expect(audio!.jitterMs).toBeLessThan(12);
	});

	it('counts packets of other streams, and never throws for any bytes', () => {
		sink.receive(packet({ number: 1, payloadType: 50 }), NOW_MS);
		sink.receive(Buffer.alloc(3), NOW_MS);
		expect(sink.totals.strangeCount).toBe(2);
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 80 }), fc.boolean(), (bytes, isVideo) => {
				const datagram = Buffer.from(bytes);
				if (datagram.length > 1) {
					datagram[1] = isVideo ? 0xe0 : 111;
				}
				sink.receive(datagram, NOW_MS);
				readCaptureTimeMs(Buffer.concat([datagram, Buffer.alloc(12)]), 2);
			}),
		);
	});

	it('reads extensions in the two-byte form, after others', () => {
		const two = Buffer.alloc(12 + 4 + 16);
		two[0] = 0x90;
		two.writeUInt16BE(0x1000, 12);
		two.writeUInt16BE(4, 14);
		two[16] = 1;
		two[17] = 2;
		two[20] = 2;
		two[21] = 8;
		const { seconds, fraction } = epochMsToNtp(NOW_MS + 0.5);
		two.writeUInt32BE(seconds, 22);
		two.writeUInt32BE(fraction, 26);
		expect(readCaptureTimeMs(two, 2)).toBeCloseTo(NOW_MS + 0.5, 3);
		expect(readCaptureTimeMs(two, 3)).toBeUndefined();
	});
});
