/** Tests of slice headers, picture borders and recovery points. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseSps } from './h264-parameter-sets.ts';
import { beginsPicture, readRecoveryPoint, readSliceHeader, type SliceHeader } from './h264-slices.ts';
import { writeRecoveryPoint, writeSlice, writeSps, type SliceFields, type SpsFields } from './testing/h264-writer.ts';

function read(fields: SliceFields, sps: SpsFields = {}): SliceHeader {
	const syntax = parseSps(writeSps(sps))!.sliceSyntax;
	return readSliceHeader(writeSlice(fields, sps), () => syntax)!;
}

describe('readSliceHeader', () => {
	it('reads any written header', () => {
		const sps: SpsFields = { frameNumBits: 9, pictureOrderType: 0, pictureOrderBits: 10, isInterlaced: true };
		const fields = fc.record({
			isIdr: fc.boolean(),
			firstMb: fc.nat(8000),
			ppsId: fc.nat(255),
			frameNum: fc.nat(511),
			pictureOrder: fc.nat(1023),
			field: fc.constantFrom('none' as const, 'top' as const, 'bottom' as const),
			sliceType: fc.nat(9),
		});
		fc.assert(
			fc.property(fields, ({ sliceType, ...written }) => {
				expect(read({ ...written, sliceType, idrPicId: 7 }, sps)).toEqual({
					...written,
					isIntra: [2, 4, 7, 9].includes(sliceType),
				});
			}),
		);
	});

	it('reads the first three numbers of a header without its layout, and nothing of other bytes', () => {
		expect(readSliceHeader(writeSlice({ firstMb: 40, ppsId: 2 }), () => undefined)).toMatchObject({
			firstMb: 40,
			ppsId: 2,
			frameNum: undefined,
		});
		for (const bytes of [[0x65], [0x65, 0, 0, 0, 0, 7], [0x41, 0x80]]) {
			expect(readSliceHeader(Uint8Array.from(bytes), () => undefined)).toBeUndefined();
		}
	});

	it('never throws', () => {
		const syntax = parseSps(writeSps({ isInterlaced: true, pictureOrderType: 0 }))!.sliceSyntax;
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
				readSliceHeader(bytes, () => syntax);
				readRecoveryPoint(bytes);
			}),
			{ numRuns: 1000 },
		);
	});
});

describe('beginsPicture', () => {
	const PAFF: SpsFields = { isInterlaced: true };
	it.each<[string, SliceHeader, SliceHeader, boolean]>([
		['a further slice', read({ frameNum: 1 }), read({ frameNum: 1, firstMb: 40 }), false],
		['the first slice of the next', read({ frameNum: 1 }), read({ frameNum: 2 }), true],
		['the next picture of two that are no reference', read({ frameNum: 1, firstMb: 40 }), read({ frameNum: 1 }), true],
		['a later slice of the next, after a loss', read({ frameNum: 1 }), read({ frameNum: 2, firstMb: 40 }), true],
		['an IDR picture after another', read({ isIdr: true }), read({ isIdr: true }), true],
		['the second field', read({ field: 'top' }, PAFF), read({ field: 'bottom' }, PAFF), false],
		[
			'the second field of an IDR picture',
			read({ isIdr: true, field: 'top' }, PAFF),
			read({ field: 'bottom' }, PAFF),
			false,
		],
		['a frame after a field', read({ field: 'bottom' }, PAFF), read({}, PAFF), true],
		['the next frame as fields', read({ field: 'bottom' }, PAFF), read({ field: 'top', frameNum: 1 }, PAFF), true],
	])('for %s', (_what, previous, slice, expected) => {
		expect(beginsPicture(previous, slice)).toBe(expected);
	});
});

describe('readRecoveryPoint', () => {
	it.each([0, 18, 300])('reads a recovery point after %d frames that follows another message', (count) => {
		expect(readRecoveryPoint(writeRecoveryPoint(count))).toBe(count);
	});

	it.each([
		['another message', [6, 5, 2, 0xaa, 0xaa, 0x80]],
		['a type past the end', [6, 0xff, 0xff, 0xff]],
		['a size past the end', [6, 6, 200]],
	])('reads none in %s', (_what, bytes) => {
		expect(readRecoveryPoint(Uint8Array.from(bytes))).toBeUndefined();
	});
});
