/** Tests of the PROXY header: both versions, skipped fields, refused headers, any bytes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readProxyHeader } from './proxy-protocol.ts';

const SIGNATURE = [0x0d, 0x0a, 0x0d, 0x0a, 0x00, 0x0d, 0x0a, 0x51, 0x55, 0x49, 0x54, 0x0a];

function line(text: string): Uint8Array {
	return new TextEncoder().encode(text);
}

function binary(command: number, family: number, block: readonly number[]): Uint8Array {
	return Uint8Array.of(...SIGNATURE, command, family, block.length >> 8, block.length & 0xff, ...block);
}

const IPV4_BLOCK = [203, 0, 113, 7, 192, 0, 2, 1, 0xd4, 0x31, 0x07, 0x8f];
const IPV6_BLOCK = [0x20, 1, 0x0d, 0xb8, ...new Array<number>(11).fill(0), 7, ...new Array<number>(20).fill(0)];

describe('readProxyHeader', () => {
	it.each([
		['TCP4', 'PROXY TCP4 203.0.113.7 192.0.2.1 54321 1935\r\n', '203.0.113.7'],
		['TCP6', 'PROXY TCP6 2001:DB8::7 2001:db8::1 1 65535\r\n', '2001:DB8::7'],
		// prettier-ignore
		['the longest line', `PROXY TCP6 ${'ffff:'.repeat(7)}ffff ${'ffff:'.repeat(7)}ffff 65535 65535\r\n`, 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
		['UNKNOWN, the short form', 'PROXY UNKNOWN\r\n', undefined],
		// prettier-ignore
		['UNKNOWN with the rest', `PROXY UNKNOWN ${'ffff:'.repeat(7)}ffff ${'ffff:'.repeat(7)}ffff 65535 65535\r\n`, undefined],
	])('reads %s of version 1', (_, text, address) => {
		const bytes = line(`${text}\x03rest`);
		expect(readProxyHeader(bytes)).toEqual({ state: 'complete', address, headerBytes: text.length });
	});

	it.each([
		['TCP over IPv4', binary(0x21, 0x11, IPV4_BLOCK), '203.0.113.7'],
		['TCP over IPv6', binary(0x21, 0x21, IPV6_BLOCK), '2001:db8:0:0:0:0:0:7'],
		['vectors behind the addresses', binary(0x21, 0x11, [...IPV4_BLOCK, 0x04, 0, 2, 1, 1, 0x20, 0, 0]), '203.0.113.7'],
		['LOCAL, a health check', binary(0x20, 0x00, []), undefined],
		['LOCAL with a block and a family that mean nothing', binary(0x20, 0xff, [1, 2, 3]), undefined],
		['an unspecified family', binary(0x21, 0x00, [9, 9]), undefined],
		['UDP over IPv4', binary(0x21, 0x12, IPV4_BLOCK), undefined],
		['a UNIX socket', binary(0x21, 0x31, new Array<number>(216).fill(47)), undefined],
		['the largest header', binary(0x21, 0x11, [...IPV4_BLOCK, ...new Array<number>(508).fill(0)]), '203.0.113.7'],
	])('reads %s of version 2', (_, header, address) => {
		const bytes = Uint8Array.of(...header, 3, 1, 2);
		expect(readProxyHeader(bytes)).toEqual({ state: 'complete', address, headerBytes: header.length });
	});

	it.each([
		['RTMP without a header', Uint8Array.of(3, 0, 0, 0)],
		['another case', line('proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n')],
		['a family that does not match', line('PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n')],
		['the other family that does not match', line('PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n')],
		['an IPv4 address with a leading zero', line('PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n')],
		['an IPv4 address that is none', line('PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n')],
		['an IPv6 address that is none', line('PROXY TCP6 1::2::3 ::1 1 2\r\n')],
		['a port that is none', line('PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n')],
		['a port with a leading zero', line('PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n')],
		['two blanks', line('PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n')],
		['something behind the ports', line('PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n')],
		['a line feed alone', line(`PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n${'x'.repeat(100)}`)],
		['a line without an end', line(`PROXY UNKNOWN ${'x'.repeat(100)}\r\n`)],
		['version 3', binary(0x31, 0x11, IPV4_BLOCK)],
		['an unknown command', binary(0x22, 0x11, IPV4_BLOCK)],
		['an unknown family', binary(0x21, 0x41, IPV4_BLOCK)],
		['an unknown transport', binary(0x21, 0x13, IPV4_BLOCK)],
		['a block that is too short', binary(0x21, 0x21, IPV4_BLOCK)],
		['a header that is too long', binary(0x21, 0x11, [...IPV4_BLOCK, ...new Array<number>(509).fill(0)])],
	])('refuses %s', (_, bytes) => {
		expect(readProxyHeader(bytes)).toMatchObject({ state: 'malformed' });
	});

	it('waits for the rest of a header that arrives in pieces, with the same result', () => {
		const headers = [line('PROXY TCP4 203.0.113.7 192.0.2.1 54321 1935\r\n'), binary(0x21, 0x21, IPV6_BLOCK)];
		for (const header of headers) {
			for (let length = 0; length < header.length; length++) {
				expect(readProxyHeader(header.subarray(0, length))).toEqual({ state: 'incomplete' });
			}
			expect(readProxyHeader(header)).toMatchObject({ state: 'complete', headerBytes: header.length });
		}
	});

	it('accepts any bytes, never waits for more than 536 of them, and never gives an address that is none', () => {
		const starts = [[], SIGNATURE, [...SIGNATURE, 0x21, 0x11, 0], [...line('PROXY TCP4 ')]];
		const start = fc.constantFrom<readonly number[]>(...starts);
		fc.assert(
			fc.property(start, fc.uint8Array({ maxLength: 600 }), (first, rest) => {
				const bytes = Uint8Array.of(...first, ...rest);
				const header = readProxyHeader(bytes);
				expect(header.state === 'incomplete' && bytes.length >= 536).toBe(false);
				if (header.state === 'complete') {
					expect(header.headerBytes).toBeLessThanOrEqual(Math.min(536, bytes.length));
					expect(header.address ?? '0.0.0.0').toMatch(/^[0-9a-fA-F:.]+$/);
				}
			}),
			{ numRuns: 500 },
		);
	});
});
