/** Tests of NAL unit splitting and of the SPS reader, with parameter sets that x264 wrote and with what strangers may send. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { joinLengthPrefixed, NAL_TYPE, nalType, parseSps, splitAnnexB, splitLengthPrefixed } from './h264.ts';

const hex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));

/** Whole sequence parameter sets, as x264 (core 164) wrote them for 30 frames a second. */
const SPS = {
	'1280 × 720, constrained baseline': '6742c01fda014016ec0440000003004000000f23c60ca8',
	'1920 × 1080 with cropping, high, two B-frames': '67640028acd940780227e5c044000003000400000300f03c60c658',
	'640 × 360 with cropping, baseline': '6742c01ed900a02ff970110000030001000003003c0f162e48',
	'854 × 480, 4:4:4': '67f4001f919b281b07bc5f8088000003000800000301e078c18cb0',
	'720 × 576, interlaced, 4:2:2': '677a001fbcd940b424d80880000003008000001e0f8b16cb',
	'1920 × 1080 with HRD parameters': '67640028acd940780227e5c044000003000400000300f1810003d090007a13930c01e30632c0',
};

describe('nalType', () => {
	it('reads the low five bits', () => {
		expect([0x67, 0x27, 0x65, 0x41].map((byte) => nalType(new Uint8Array([byte])))).toEqual([
			NAL_TYPE.SPS,
			NAL_TYPE.SPS,
			NAL_TYPE.IDR,
			NAL_TYPE.NON_IDR,
		]);
	});
});

describe('splitLengthPrefixed', () => {
	it('splits by lengths of 1, 2 and 4 bytes', () => {
		expect(splitLengthPrefixed(hex('00000002 6742 00000001 68'))).toEqual([hex('6742'), hex('68')]);
		expect(splitLengthPrefixed(hex('0002 6742 0001 68'), 2)).toEqual([hex('6742'), hex('68')]);
		expect(splitLengthPrefixed(hex('02 6742 01 68'), 1)).toEqual([hex('6742'), hex('68')]);
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

	it('returns nothing but pieces of what it got, whatever that is', () => {
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

	it('ignores what stands before the first start code, and empty units', () => {
		expect(splitAnnexB(hex('ffff 000001 000001 67'))).toEqual([hex('67')]);
		expect(splitAnnexB(hex('6742ff'))).toEqual([]);
		expect(splitAnnexB(hex('000001'))).toEqual([]);
		expect(splitAnnexB(new Uint8Array())).toEqual([]);
	});

	it('leaves escaped zeros inside a unit', () => {
		expect(splitAnnexB(hex('000001 67 000003 01'))).toEqual([hex('6700000301')]);
	});

	it('finds every unit that was joined', () => {
		// Neither a start code inside nor a zero at the end: an encoder escapes the first and never writes the second.
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

	it('returns units without start codes or zeros at their end, whatever it gets', () => {
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

describe('parseSps', () => {
	it('reads what x264 writes', () => {
		expect(Object.fromEntries(Object.entries(SPS).map(([name, text]) => [name, parseSps(hex(text))]))).toEqual({
			'1280 × 720, constrained baseline': facts(66, 31, 1280, 720, 0),
			'1920 × 1080 with cropping, high, two B-frames': facts(100, 40, 1920, 1080, 2),
			'640 × 360 with cropping, baseline': facts(66, 30, 640, 360, 0),
			'854 × 480, 4:4:4': facts(244, 31, 854, 480, 2),
			'720 × 576, interlaced, 4:2:2': facts(122, 31, 720, 576, 2),
			'1920 × 1080 with HRD parameters': facts(100, 40, 1920, 1080, 2),
		});
	});

	it('reads size and cropping that a bit writer wrote', () => {
		const part = fc.integer({ min: 0, max: 7 });
		fc.assert(
			fc.property(
				fc.integer({ min: 4, max: 255 }),
				fc.integer({ min: 4, max: 255 }),
				part,
				part,
				(widthMbs, heightMbs, right, bottom) => {
					expect(parseSps(writeSps(widthMbs, heightMbs, right, bottom))).toEqual(
						facts(66, 31, widthMbs * 16 - right * 2, heightMbs * 16 - bottom * 2, undefined),
					);
				},
			),
		);
	});

	it('cannot read one that is cut short, unless only the end of the VUI is missing', () => {
		for (const text of Object.values(SPS)) {
			const whole = hex(text);
			const size = parseSps(whole)!;
			for (let length = 0; length < whole.length; length++) {
				const result = parseSps(whole.subarray(0, length));
				if (result !== undefined) {
					expect([result.widthPixels, result.heightPixels]).toEqual([size.widthPixels, size.heightPixels]);
				}
			}
			expect(parseSps(whole.subarray(0, 6))).toBeUndefined();
		}
	});

	it('refuses sizes that no picture has', () => {
		expect(parseSps(writeSps(1, 1, 8, 0))).toBeUndefined();
		expect(parseSps(writeSps(1025, 1, 0, 0))).toBeUndefined();
		expect(parseSps(hex('6742c01f ffffffffffffffff'))).toSatisfy((result) => result === undefined || isSane(result));
	});

	it('neither throws nor invents a size, whatever it gets', () => {
		const isHarmless = (bytes: Uint8Array): boolean => {
			const result = parseSps(bytes);
			return result === undefined || isSane(result);
		};
		fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), isHarmless), { numRuns: 2000 });
		const change = fc.tuple(fc.constantFrom(...Object.values(SPS)), fc.nat(60), fc.integer({ min: 0, max: 255 }));
		const isHarmlessChanged = ([text, place, value]: [string, number, number]): boolean => {
			const bytes = hex(text);
			bytes[place % bytes.length] = value;
			return isHarmless(bytes);
		};
		fc.assert(fc.property(change, isHarmlessChanged), { numRuns: 2000 });
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

/** A baseline SPS without VUI (ITU-T H.264 §7.3.2.1.1): 4:2:0, frames only, picture order type 2. */
function writeSps(widthMbs: number, heightMbs: number, cropRight: number, cropBottom: number): Uint8Array {
	const ue = (value: number): string => {
		const bits = (value + 1).toString(2);
		return '0'.repeat(bits.length - 1) + bits;
	};
	const fixed = [66, 0xc0, 31].map((byte) => byte.toString(2).padStart(8, '0')).join('');
	const size = `${ue(widthMbs - 1)}${ue(heightMbs - 1)}11`;
	const crop = `1${ue(0)}${ue(cropRight)}${ue(0)}${ue(cropBottom)}`;
	const bits = `${fixed}${ue(0)}${ue(0)}${ue(2)}${ue(1)}0${size}${crop}01`;
	const bytes = bits.padEnd(Math.ceil(bits.length / 8) * 8, '0').match(/.{8}/g)!.map((byte) => parseInt(byte, 2)); // prettier-ignore
	const out = [0x67];
	for (const byte of bytes) {
		if (byte <= 3 && out.at(-1) === 0 && out.at(-2) === 0) {
			out.push(3);
		}
		out.push(byte);
	}
	return Uint8Array.from(out);
}
