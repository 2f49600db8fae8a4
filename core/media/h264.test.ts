/** Tests of NAL unit splitting, with untrusted input. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { joinLengthPrefixed, NAL_TYPE, nalType, splitAnnexB, splitLengthPrefixed } from './h264.ts';

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));

describe('nalType', () => {
	it.each([
		[0x67, NAL_TYPE.SPS],
		[0x27, NAL_TYPE.SPS],
		[0x65, NAL_TYPE.IDR],
		[0x41, NAL_TYPE.NON_IDR],
	])('of %d is %d, its low five bits', (byte, type) => {
		expect(nalType(Uint8Array.of(byte))).toBe(type);
	});
});

describe('splitLengthPrefixed', () => {
	it.each([
		[4, '00000002 6742 00000001 68'],
		[2, '0002 6742 0001 68'],
		[1, '02 6742 01 68'],
	] as const)('splits by lengths of %d bytes', (lengthSize, bytes) => {
		expect(splitLengthPrefixed(hex(bytes), lengthSize)).toEqual([hex('6742'), hex('68')]);
	});

	it('skips empty units and stops at a length past the end', () => {
		expect(splitLengthPrefixed(hex('00000000 00000001 68 ffffffff 6742'))).toEqual([hex('68')]);
		expect(splitLengthPrefixed(hex('000000'))).toEqual([]);
	});

	it('undoes joinLengthPrefixed', () => {
		const nals = fc.array(fc.uint8Array({ minLength: 1, maxLength: 50 }), { maxLength: 10 });
		fc.assert(
			fc.property(nals, (units) => {
				expect(splitLengthPrefixed(joinLengthPrefixed(units))).toEqual(units);
			}),
		);
	});

	it('returns only pieces of its input for any bytes', () => {
		fc.assert(
			fc.property(
				fc.uint8Array({ maxLength: 200 }),
				fc.constantFrom(1 as const, 2 as const, 4 as const),
				(bytes, size) => {
					const total = splitLengthPrefixed(bytes, size).reduce((sum, nal) => sum + nal.length + size, 0);
					return total <= bytes.length;
				},
			),
		);
	});
});

describe('splitAnnexB', () => {
	it('splits at start codes of three and four bytes and drops the zeros between', () => {
		expect(splitAnnexB(hex('00000001 6742 000001 68ce 000000 000001 6588'))).toEqual([
			hex('6742'),
			hex('68ce'),
			hex('6588'),
		]);
	});

	it('ignores bytes before the first start code, and empty units', () => {
		expect(splitAnnexB(hex('ffff 000001 000001 67'))).toEqual([hex('67')]);
		expect(splitAnnexB(hex('6742ff'))).toEqual([]);
		expect(splitAnnexB(hex('000001'))).toEqual([]);
		expect(splitAnnexB(new Uint8Array())).toEqual([]);
	});

	it('leaves escaped zeros inside a unit', () => {
		expect(splitAnnexB(hex('000001 67 000003 01'))).toEqual([hex('6700000301')]);
	});

	it('finds every joined unit', () => {
		// Without a start code inside or a zero at the end: an encoder escapes the first and never writes the second.
		const nal = fc
			.uint8Array({ minLength: 1, maxLength: 40 })
			.map((bytes) =>
				Uint8Array.from(bytes, (byte, index) => (index % 2 === 1 || index === bytes.length - 1 ? byte | 4 : byte)),
			);
		const code = fc.constantFrom(hex('000001'), hex('00000001'));
		fc.assert(
			fc.property(fc.array(fc.tuple(code, nal), { maxLength: 8 }), (parts) => {
				const stream = Buffer.concat(parts.flat());
				expect(splitAnnexB(new Uint8Array(stream))).toEqual(parts.map(([, unit]) => unit));
			}),
		);
	});

	it('returns units without start codes or zeros at their end for any bytes', () => {
		const bytes = fc.array(fc.oneof(fc.constantFrom(0, 0, 1, 3), fc.integer({ min: 0, max: 255 })), { maxLength: 100 });
		fc.assert(
			fc.property(bytes, (values) =>
				splitAnnexB(Uint8Array.from(values)).every(
					(nal) => nal.length > 0 && nal.at(-1) !== 0 && !Buffer.from(nal).includes(Buffer.from([0, 0, 1])),
				),
			),
		);
	});
});
