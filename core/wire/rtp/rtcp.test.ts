/** Tests of writing sender reports and of reading key-frame requests. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readKeyFrameRequests, writeSenderReport } from './rtcp.ts';

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex');

const PLI = '81 ce 0002 00000001 89abcdef';
/** Two entries, each with a command number and three reserved bytes. */
const FIR = '84 ce 0006 00000001 00000000 00000011 05000000 00000012 06000000';
const RECEIVER_REPORT = '80 c9 0001 00000001';

describe('writeSenderReport', () => {
	it('writes a report and a CNAME, padded to whole words', () => {
		const packet = writeSenderReport({
			ssrc: 0x89ab_cdef,
			nowMs: Date.UTC(2026, 0, 1) + 500,
			timestampTicks: 2 ** 32 + 0x10,
			packetCount: 3,
			octetCount: 0x1000,
			cname: 'stage',
		});
		expect(packet).toEqual(
			hex('80c80006 89abcdef ed003780 80000000 00000010 00000003 00001000 81ca0003 89abcdef 01 05 7374616765 00'),
		);
	});

	it('has correct lengths and a zero after any CNAME', () => {
		fc.assert(
			fc.property(fc.string({ maxLength: 300 }), (cname) => {
				const counts = { timestampTicks: 0, packetCount: 0, octetCount: 0 };
				const packet = writeSenderReport({ ssrc: 1, nowMs: 0, ...counts, cname });
				const descriptionBytes = (packet.readUInt16BE(30) + 1) * 4;
				expect(packet.length).toBe(28 + descriptionBytes);
				const cnameBytes = packet[37]!;
				expect(Buffer.from(cname, 'utf8').subarray(0, 255)).toEqual(packet.subarray(38, 38 + cnameBytes));
				// RFC 3550 §6.5: at least one null octet ends the list of items.
				expect(packet[38 + cnameBytes]).toBe(0);
			}),
		);
	});
});

describe('readKeyFrameRequests', () => {
	it('reads PLI and FIR anywhere in a compound packet', () => {
		expect(readKeyFrameRequests(hex(`${RECEIVER_REPORT} ${PLI} ${FIR}`))).toEqual([0x89ab_cdef, 0x11, 0x12]);
	});

	it('ignores other feedback of the same packet type', () => {
		expect(readKeyFrameRequests(hex('8f ce 0004 00000001 00000000 52454d42 01000000'))).toEqual([]);
	});

	it.each([
		['a length past the end', `${PLI} 81 ce 0009 00000001 00000002`, [0x89ab_cdef]],
		['another version', `41 ce 0002 00000001 89abcdef ${PLI}`, []],
		['a packet without media SSRC', '81 ce 0001 00000001', []],
		['no bytes', '', []],
	])('stops at %s', (_what, bytes, ssrcs) => {
		expect(readKeyFrameRequests(hex(bytes))).toEqual(ssrcs);
	});

	it('never throws and never returns more SSRCs than the bytes can hold', () => {
		const words = fc.array(
			fc.oneof(fc.constantFrom(PLI, FIR, RECEIVER_REPORT, '84ce0003'), fc.stringMatching(/^[0-9a-f]{8}$/)),
		);
		fc.assert(
			fc.property(words, fc.uint8Array({ maxLength: 40 }), (parts, tail) => {
				const packet = Buffer.concat([hex(parts.join('')), tail]);
				return readKeyFrameRequests(packet).length <= packet.length / 8;
			}),
			{ numRuns: 1000 },
		);
	});
});
