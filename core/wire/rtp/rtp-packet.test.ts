/** Tests of reading RTP headers that strangers wrote, and of the header that the stage writes. */
import fc from 'fast-check';
import * as mediasoup from 'mediasoup';
import { describe, expect, it } from 'vitest';
import { epochMsToNtp } from '../../units.ts';
import {
	ABS_CAPTURE_TIME_EXTENSION_ID,
	createRtpHeader,
	isRtcp,
	readRtpHeader,
	STAGE_HEADER_BYTES,
	writeStageHeader,
} from './rtp-packet.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('isRtcp', () => {
	it('takes the packet types 192–223 for RTCP', () => {
		const withSecondByte = (byte: number): Buffer => Buffer.from([0x80, byte, 0, 1, 0, 0, 0, 1]);
		expect([191, 192, 200, 206, 223, 224].map((byte) => isRtcp(withSecondByte(byte)))).toEqual([
			false,
			true,
			true,
			true,
			true,
			false,
		]);
	});

	it('takes nothing shorter than an RTCP header with one SSRC', () => {
		expect(isRtcp(hex('80c80001000000'))).toBe(false);
		expect(isRtcp(new Uint8Array())).toBe(false);
	});
});

describe('readRtpHeader', () => {
	it('reads the fixed header', () => {
		const header = createRtpHeader();
		expect(readRtpHeader(hex('80 ec fffe ffffffff 89abcdef 0102'), header)).toBe(true);
		expect(header).toEqual({
			payloadType: 108,
			hasMarker: true,
			sequenceNumber: 0xfffe,
			timestampTicks: 0xffff_ffff,
			ssrc: 0x89ab_cdef,
			payloadStart: 12,
			payloadEnd: 14,
		});
	});

	it('steps over contributing sources and an extension, and leaves padding out', () => {
		const header = createRtpHeader();
		const fixed = 'b2 6f 0001 00000002 00000003';
		const contributing = '0000000a 0000000b';
		const extension = 'bede 0001 10aa0000';
		expect(readRtpHeader(hex(`${fixed} ${contributing} ${extension} c0ffee 000003`), header)).toBe(true);
		expect([header.payloadStart, header.payloadEnd, header.hasMarker, header.payloadType]).toEqual([
			28,
			31,
			false,
			111,
		]);
	});

	it('takes a packet without payload', () => {
		const header = createRtpHeader();
		expect(readRtpHeader(hex('80 6f 0001 00000002 00000003'), header)).toBe(true);
		expect(header.payloadEnd - header.payloadStart).toBe(0);
	});

	it.each([
		['it is too short', '80 6f 0001 00000002 000000'],
		['its version is not 2', '40 6f 0001 00000002 00000003 00'],
		['its contributing sources run past the end', '8f 6f 0001 00000002 00000003 00'],
		['its extension header runs past the end', '90 6f 0001 00000002 00000003 bede'],
		['its extension runs past the end', '90 6f 0001 00000002 00000003 bede0002 00000000'],
		['its padding is longer than the payload', 'a0 6f 0001 00000002 00000003 0005'],
	])('refuses a packet when %s', (_reason, bytes) => {
		expect(readRtpHeader(hex(bytes), createRtpHeader())).toBe(false);
	});

	it('never throws, and keeps the payload inside the packet', () => {
		const header = createRtpHeader();
		// The first byte decides nearly everything, so that most cases get a plausible one.
		const packets = fc.tuple(
			fc.oneof(fc.integer({ min: 0x80, max: 0xbf }), fc.integer({ min: 0, max: 255 })),
			fc.uint8Array({ maxLength: 80 }),
		);
		fc.assert(
			fc.property(packets, ([first, rest]) => {
				const packet = Buffer.from([first, ...rest]);
				isRtcp(packet);
				if (!readRtpHeader(packet, header)) {
					return true;
				}
				return (
					header.payloadStart >= 12 && header.payloadStart <= header.payloadEnd && header.payloadEnd <= packet.length
				);
			}),
			{ numRuns: 2000 },
		);
	});
});

describe('writeStageHeader', () => {
	it('writes these bytes', () => {
		const packet = Buffer.alloc(STAGE_HEADER_BYTES, 0xff);
		writeStageHeader(
			packet,
			{ payloadType: 108, hasMarker: true, sequenceNumber: 0x1_2345, timestampTicks: 2 ** 32 + 7, ssrc: 0x89ab_cdef },
			{ seconds: 0xeb00_0001, fraction: 0x8000_0000 },
		);
		expect(packet).toEqual(hex('90ec2345 00000007 89abcdef bede0003 a7 eb000001 80000000 000000'));
	});

	it('is undone by readRtpHeader, whatever the fields', () => {
		const fields = fc.record({
			payloadType: fc.integer({ min: 0, max: 127 }),
			hasMarker: fc.boolean(),
			sequenceNumber: fc.integer({ min: 0, max: 1_000_000 }),
			timestampTicks: fc.integer({ min: -1000, max: 2 ** 40 }),
			ssrc: fc.integer({ min: 0, max: 0xffff_ffff }),
		});
		const header = createRtpHeader();
		fc.assert(
			fc.property(fields, fc.integer({ min: 0, max: 2 ** 41 }), (values, epochMs) => {
				const packet = Buffer.alloc(STAGE_HEADER_BYTES + 3);
				writeStageHeader(packet, values, epochMsToNtp(epochMs));
				expect(readRtpHeader(packet, header)).toBe(true);
				expect(header).toEqual({
					...values,
					sequenceNumber: values.sequenceNumber % 0x1_0000,
					timestampTicks: ((values.timestampTicks % 2 ** 32) + 2 ** 32) % 2 ** 32,
					payloadStart: STAGE_HEADER_BYTES,
					payloadEnd: STAGE_HEADER_BYTES + 3,
				});
			}),
		);
	});

	it('uses the extension id that mediasoup gives abs-capture-time, for audio and for video', () => {
		const known = mediasoup
			.getSupportedRtpCapabilities()
			.headerExtensions!.filter(({ uri }) => uri === 'http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time');
		expect(known.map(({ kind, preferredId }) => ({ kind, preferredId }))).toEqual([
			{ kind: 'audio', preferredId: ABS_CAPTURE_TIME_EXTENSION_ID },
			{ kind: 'video', preferredId: ABS_CAPTURE_TIME_EXTENSION_ID },
		]);
	});
});
