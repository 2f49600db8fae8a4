/** Accept-Encoding as clients write it. */
import { describe, expect, it } from 'vitest';
import { chooseCoding } from './request-headers.ts';

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
