/** Accept-Encoding and Range of real clients and of untrusted ones. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseCoding, readByteRange } from './request-headers.ts';

describe('chooseCoding', () => {
	it.each([
		[undefined, undefined],
		['', undefined],
		['gzip', 'gzip'],
		['gzip, deflate, br, zstd', 'br'],
		['GZIP;q=0.5, br;q=0', 'gzip'],
		['gzip;q=0', undefined],
		['*', 'br'],
		['*;q=0', undefined],
		['*, br;q=0', 'gzip'],
		['deflate', undefined],
		['gzip;q=x', undefined],
	])('answers %s with %s', (header, coding) => {
		expect(chooseCoding(header)).toBe(coding);
		expect(chooseCoding(header)).toBe(coding);
	});
});

describe('readByteRange', () => {
	it.each([
		[undefined, { kind: 'whole' }],
		['bytes=0-', { kind: 'part', startByte: 0, endByte: 100 }],
		['bytes=10-19', { kind: 'part', startByte: 10, endByte: 20 }],
		['Bytes=90-500', { kind: 'part', startByte: 90, endByte: 100 }],
		['bytes=-10', { kind: 'part', startByte: 90, endByte: 100 }],
		['bytes=-500', { kind: 'part', startByte: 0, endByte: 100 }],
		['bytes=-0', { kind: 'none' }],
		['bytes=100-', { kind: 'none' }],
		['bytes=9-3', { kind: 'whole' }],
		['bytes=0-1,5-6', { kind: 'whole' }],
		['bytes=-', { kind: 'whole' }],
		['lines=1-2', { kind: 'whole' }],
	])('reads %s', (header, expected) => {
		expect(readByteRange(header, 100)).toEqual(expected);
	});

	it('names only bytes that exist, for any header', () => {
		const text = fc.oneof(fc.string(), fc.stringMatching(/^bytes=\d{0,20}-\d{0,20}$/));
		fc.assert(
			fc.property(text, fc.nat(1000), (header, sizeBytes) => {
				const range = readByteRange(header, sizeBytes);
				if (range.kind === 'part') {
					expect(range.startByte).toBeLessThan(range.endByte);
					expect(range.endByte).toBeLessThanOrEqual(sizeBytes);
				}
			}),
		);
	});
});
