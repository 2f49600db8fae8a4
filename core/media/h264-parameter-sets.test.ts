/** Tests of the parameter set readers, with sets from x264 and with untrusted input. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { damaged } from '../testing/untrusted-bytes.ts';
import { parsePps, parseSps } from './h264-parameter-sets.ts';
import { writePps, writeSps } from './testing/h264-writer.ts';

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));

const INTERLACED = '677a001fbcd940b424d80880000003008000001e0f8b16cb';
/** Whole sequence parameter sets, as x264 (core 164) wrote them for 30 frames a second, and their facts. */
const SPS: [name: string, sps: string, expected: object][] = [
	['1280 × 720, constrained baseline', '6742c01fda014016ec0440000003004000000f23c60ca8', facts(66, 31, 1280, 720, 0)],
	[
		'1920 × 1080 with cropping, high, two B-frames',
		'67640028acd940780227e5c044000003000400000300f03c60c658',
		facts(100, 40, 1920, 1080, 2),
	],
	['640 × 360, cropping, baseline', '6742c01ed900a02ff970110000030001000003003c0f162e48', facts(66, 30, 640, 360, 0)],
	['854 × 480, 4:4:4', '67f4001f919b281b07bc5f8088000003000800000301e078c18cb0', facts(244, 31, 854, 480, 2)],
	['720 × 576, interlaced, 4:2:2', INTERLACED, facts(122, 31, 720, 576, 2)],
	[
		'1920 × 1080 with HRD parameters',
		'67640028acd940780227e5c044000003000400000300f1810003d090007a13930c01e30632c0',
		facts(100, 40, 1920, 1080, 2),
	],
];

describe('parseSps', () => {
	it.each(SPS)('reads %s', (_name, sps, expected) => {
		expect(parseSps(hex(sps))).toMatchObject(expected);
	});

	it('reads any size and cropping', () => {
		const part = fc.integer({ min: 0, max: 7 });
		fc.assert(
			fc.property(
				fc.integer({ min: 4, max: 255 }),
				fc.integer({ min: 4, max: 255 }),
				part,
				part,
				(widthMbs, heightMbs, right, bottom) => {
					const sps = writeSps({ profileIdc: 66, widthMbs, heightMbs, cropRight: right, cropBottom: bottom });
					expect(parseSps(sps)).toMatchObject(
						facts(66, 31, widthMbs * 16 - right * 2, heightMbs * 16 - bottom * 2, undefined),
					);
				},
			),
		);
	});

	it.each(SPS)('rejects %s when it is cut, unless only the end of the VUI is missing', (_name, sps) => {
		const whole = hex(sps);
		const size = parseSps(whole)!;
		for (let length = 0; length < whole.length; length++) {
			const result = parseSps(whole.subarray(0, length)) ?? size;
			expect([result.widthPixels, result.heightPixels]).toEqual([size.widthPixels, size.heightPixels]);
		}
		expect(parseSps(whole.subarray(0, 6))).toBeUndefined();
	});

	it('reads format, references and shape', () => {
		expect(parseSps(hex(INTERLACED))).toMatchObject({
			chromaFormatIdc: 2,
			bitDepthLuma: 8,
			isInterlaced: true,
			sampleAspectRatio: { width: 1, height: 1 },
		});
		const fields = { id: 5, profileIdc: 110, bitDepth: 10, maxNumRefFrames: 4, aspectRatio: [32, 22] as const };
		expect(parseSps(writeSps(fields))).toMatchObject({
			id: 5,
			bitDepthLuma: 10,
			bitDepthChroma: 10,
			maxNumRefFrames: 4,
			isInterlaced: false,
			sampleAspectRatio: { width: 16, height: 11 },
		});
	});

	it('rejects impossible sizes', () => {
		expect(parseSps(writeSps({ widthMbs: 1, heightMbs: 1, cropRight: 8 }))).toBeUndefined();
		expect(parseSps(writeSps({ widthMbs: 1025, heightMbs: 1 }))).toBeUndefined();
		expect(parseSps(hex('6742c01f ffffffffffffffff'))).toSatisfy((result) => result === undefined || isSane(result));
	});

	it('neither throws nor returns an impossible size for any bytes', () => {
		const isHarmless = (bytes: Uint8Array): boolean => {
			const result = parseSps(bytes);
			return result === undefined || isSane(result);
		};
		fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), isHarmless), { numRuns: 2000 });
		fc.assert(fc.property(damaged(...SPS.map(([, sps]) => hex(sps))), isHarmless), { numRuns: 2000 });
	});
});

describe('parsePps', () => {
	it('reads both ids', () => {
		expect(parsePps(hex('68ef8fcbfdf8f8'))).toEqual({ id: 0, spsId: 0 });
		expect(parsePps(writePps({ id: 255, spsId: 31 }))).toEqual({ id: 255, spsId: 31 });
	});

	it('rejects ids that do not exist, and a cut one', () => {
		expect(parsePps(writePps({ id: 256 }))).toBeUndefined();
		expect(parsePps(writePps({ spsId: 32 }))).toBeUndefined();
		expect(parsePps(hex('68'))).toBeUndefined();
		fc.assert(fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => (parsePps(bytes)?.id ?? 0) <= 255));
	});
});

function facts(
	profileIdc: number,
	levelIdc: number,
	widthPixels: number,
	heightPixels: number,
	maxNumReorderFrames: number | undefined,
): object {
	return { profileIdc, levelIdc, widthPixels, heightPixels, maxNumReorderFrames };
}

function isSane(result: { widthPixels: number; heightPixels: number }): boolean {
	return [result.widthPixels, result.heightPixels].every(
		(size) => Number.isInteger(size) && size > 0 && size <= 16_384,
	);
}
