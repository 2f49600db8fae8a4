/** Tests of NUT's checksums and numbers. */
import { describe, expect, it } from 'vitest';
import { nutChecksum, pushVarint } from './nut-format.ts';

describe('nutChecksum', () => {
	it('equals the check value of the polynomial', () => {
		// CRC-32 with polynomial 04C11DB7, start 0, nothing reflected: "123456789" gives 89A1897F.
		expect(nutChecksum(Buffer.from('123456789')).toString(16)).toBe('89a1897f');
	});
});

describe('pushVarint', () => {
	it.each([
		[0, [0]],
		[127, [127]],
		[128, [0x81, 0]],
		[16_384, [0x81, 0x80, 0]],
		[2 ** 32, [0x90, 0x80, 0x80, 0x80, 0]],
	])('writes %d in groups of seven bits', (value, bytes) => {
		const out: number[] = [];
		pushVarint(out, value);
		expect(out).toEqual(bytes);
	});

	it.each([-1, 1.5, NaN, 2 ** 60])('refuses %d', (value) => {
		expect(() => pushVarint([], value)).toThrow(TypeError);
	});
});
