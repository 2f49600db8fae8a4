/** Tests of reading untrusted RTP headers, and of writing the stage's header. */
import fc from 'fast-check';
import * as mediasoup from 'mediasoup';
import { describe, expect, it } from 'vitest';
import { epochMsToNtp } from '../../units.ts';
import {
	ABS_CAPTURE_TIME_EXTENSION_ID,
	createRtpHeader,
	isRtcp,
	readRtpHeader,
	stageHeaderBytes,
	writeStageHeader,
	DEPENDENCY_DESCRIPTOR_EXTENSION_ID,
} from './rtp-packet.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('isRtcp', () => {
	it('is true for the packet types 192–223', () => {
		const types = Array.from({ length: 256 }, (_, type) => type);
		const found = types.filter((type) => isRtcp(Uint8Array.of(0x80, type, 0, 1, 0, 0, 0, 1)));
		expect(found).toEqual(types.slice(192, 224));
	});

	it.each(['80c80001000000', ''])('is false for %j, which is too short for a header with one SSRC', (bytes) => {
		expect(isRtcp(hex(bytes))).toBe(false);
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

	it('skips contributing sources, an extension and padding', () => {
		const header = createRtpHeader();
		const fixed = 'b2 6f 0001 00000002 00000003';
		const contributing = '0000000a 0000000b';
		const extension = 'bede 0001 10aa0000';
		expect(readRtpHeader(hex(`${fixed} ${contributing} ${extension} c0ffee 000003`), header)).toBe(true);
		expect(header).toMatchObject({ payloadStart: 28, payloadEnd: 31, hasMarker: false, payloadType: 111 });
	});

	it('accepts a packet without payload', () => {
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
		// Most cases have a plausible first byte, because it decides the rest.
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
	it('writes the fixed header and the extension', () => {
		const packet = Buffer.alloc(stageHeaderBytes(), 0xff);
		writeStageHeader(
			packet,
			{ payloadType: 108, hasMarker: true, sequenceNumber: 0x1_2345, timestampTicks: 2 ** 32 + 7, ssrc: 0x89ab_cdef },
			{ seconds: 0xeb00_0001, fraction: 0x8000_0000 },
		);
		expect(packet).toEqual(hex('90ec2345 00000007 89abcdef bede0003 a7 eb000001 80000000 000000'));
	});

	it.each([
		[{ captureClockOffsetMs: 1500 }, 'bede0005 af eb000001 80000000 00000001 80000000 000000'],
		[{ captureClockOffsetMs: -250 }, 'bede0005 af eb000001 80000000 ffffffff c0000000 000000'],
		[{ descriptor: 'hidden' }, 'bede0004 a7 eb000001 80000000 72 c10000 000000'],
		[
			{ descriptor: 'switch-point', captureClockOffsetMs: 0 },
			'bede0007 af eb000001 80000000 00000000 00000000 76 80000080007800 000000',
		],
	] as const)('adds %j', (extras, extensions) => {
		const packet = Buffer.alloc(stageHeaderBytes(extras), 0xff);
		const fields = { payloadType: 108, hasMarker: false, sequenceNumber: 1, timestampTicks: 2, ssrc: 3 };
		writeStageHeader(packet, fields, { seconds: 0xeb00_0001, fraction: 0x8000_0000 }, extras);
		expect(packet).toEqual(hex(`906c0001 00000002 00000003 ${extensions}`));
	});

	it('writes any fields so that readRtpHeader returns them', () => {
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
				const packet = Buffer.alloc(stageHeaderBytes() + 3);
				writeStageHeader(packet, values, epochMsToNtp(epochMs));
				expect(readRtpHeader(packet, header)).toBe(true);
				expect(header).toEqual({
					...values,
					sequenceNumber: values.sequenceNumber % 0x1_0000,
					timestampTicks: ((values.timestampTicks % 2 ** 32) + 2 ** 32) % 2 ** 32,
					payloadStart: stageHeaderBytes(),
					payloadEnd: stageHeaderBytes() + 3,
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

	it('uses the extension id that mediasoup gives the dependency descriptor', () => {
		const known = mediasoup.getSupportedRtpCapabilities().headerExtensions!.filter(({ uri }) => /dependency/.test(uri));
		expect(known.map(({ preferredId }) => preferredId)).toEqual([DEPENDENCY_DESCRIPTOR_EXTENSION_ID]);
	});
});
