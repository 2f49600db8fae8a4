/** Tests of the assembler: borders that framing hides, entry points, sets that are missing, and damaged input. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { nalType } from '../../core/media/h264.ts';
import { writePps, writeRecoveryPoint, writeSlice, writeSps } from '../../core/media/testing/h264-writer.ts';
import { H264Assembler } from './h264-assembler.ts';

const SPS = writeSps();
const PPS = writePps();
const IDR = writeSlice({ isIdr: true });
const picture = (frameNum: number, firstMb = 0): Uint8Array => writeSlice({ frameNum, firstMb });

type Bench = {
	assembler: H264Assembler<number>;
	results: string[];
	/** Pushes one frame; returns its results. */
	push: (timeMs: number, nals: readonly Uint8Array[], isEnd?: boolean) => string[];
};

/** `results`: `config`, a problem's code, or `key|recovery|picture TIME: NAL TYPES`. */
function bench(provesFraming = false): Bench {
	const results: string[] = [];
	const assembler = new H264Assembler<number>(
		{
			configure: ({ widthPixels, heightPixels }) => results.push(`config ${widthPixels}x${heightPixels}`),
			picture: ({ nals, isKeyFrame, isRecoveryPoint, stamp }) =>
				results.push(
					`${isRecoveryPoint ? 'recovery' : isKeyFrame ? 'key' : 'picture'} ${stamp}: ${nals.map(nalType).join(' ')}`,
				),
			problem: (problem) => results.push(problem),
		},
		{ provesFraming },
	);
	return {
		assembler,
		results,
		push: (timeMs, nals, isEnd = true) => {
			const before = results.length;
			assembler.push({ nals, timeMs, stamp: timeMs, isEnd });
			return results.slice(before);
		},
	};
}

describe('H264Assembler', () => {
	it('finds two pictures in one frame, and one in two', () => {
		const { push } = bench();
		expect(push(0, [SPS, PPS, IDR, picture(1), picture(1, 20)])).toEqual([
			'config 320x176',
			'key 0: 5',
			'picture 0: 1 1',
		]);
		// The first picture in two frames disproves the ends of frames and is lost; the next ones are whole.
		expect(push(40, [picture(2)])).toEqual(['picture 40: 1']);
		expect(push(40, [picture(2, 20)])).toEqual([]);
		expect(push(80, [IDR])).toEqual(['picture-damaged']);
		expect(push(80, [writeSlice({ isIdr: true, firstMb: 20 })])).toEqual([]);
		expect(push(120, [picture(1)])).toEqual(['key 80: 5 5']);
		expect(push(120, [picture(1, 20)])).toEqual([]);
		expect(push(160, [picture(2)])).toEqual(['picture 120: 1 1']);
	});

	it('loses nothing of a first picture in two frames when framing has to be proved', () => {
		const { push, assembler } = bench(true);
		expect(push(0, [SPS, PPS, IDR])).toEqual(['config 320x176']);
		expect(assembler.isHolding).toBe(true);
		expect(push(0, [writeSlice({ isIdr: true, firstMb: 20 })])).toEqual([]);
		expect(push(40, [picture(1)])).toEqual(['key 0: 5 5']);
	});

	it('gives a held picture when it is settled, and accepts ends of frames from then on', () => {
		const { push, assembler, results } = bench(true);
		push(0, [SPS, PPS, IDR]);
		assembler.settle();
		expect(results.at(-1)).toBe('key 0: 5');
		expect(push(40, [picture(1)])).toEqual(['picture 40: 1']);
	});

	it('keeps both fields of a frame together', () => {
		const sps = writeSps({ isInterlaced: true });
		const field = (frameNum: number, which: 'top' | 'bottom', isIdr = false): Uint8Array =>
			writeSlice({ frameNum, field: which, isIdr }, { isInterlaced: true });
		const { push } = bench();
		expect(push(0, [sps, PPS, field(0, 'top', true), field(0, 'bottom')])).toEqual(['config 320x352', 'key 0: 5 1']);
		// Neither pair is referred to, so both have one number.
		const pairs = [field(1, 'top'), field(1, 'bottom'), field(1, 'top'), field(1, 'bottom')];
		expect(push(40, pairs)).toEqual(['picture 40: 1 1', 'picture 40: 1 1']);
	});

	it('adds SEI after a slice to the next picture', () => {
		const { push } = bench();
		const sei = Uint8Array.of(6, 5, 1, 0xaa, 0x80);
		expect(push(0, [SPS, PPS, IDR, sei, picture(1)])).toEqual(['config 320x176', 'key 0: 5', 'picture 0: 6 1']);
	});

	it('activates the set that the key frame refers to, among others', () => {
		const { push, assembler } = bench();
		assembler.addParameterSets([SPS, PPS, writeSps({ id: 1, widthMbs: 40 }), writePps({ id: 1, spsId: 1 })]);
		expect(push(0, [writeSlice({ isIdr: true, ppsId: 1 })])).toEqual(['config 640x176', 'key 0: 5']);
		expect(assembler.config!.sps[0]).toEqual(writeSps({ id: 1, widthMbs: 40 }));
	});

	it('does not alternate between a header and in-band sets of another size: the in-band sets count', () => {
		const { push, assembler, results } = bench();
		for (let gop = 0; gop < 4; gop++) {
			assembler.addParameterSets([writeSps({ widthMbs: 40 }), PPS]);
			push(gop * 80, [SPS, PPS, IDR]);
			push(gop * 80 + 40, [picture(1)]);
		}
		expect(results.filter((what) => what.startsWith('config'))).toEqual(['config 640x176', 'config 320x176']);
	});

	it('leaves out what cannot be decoded, with the reason, up to the next decodable key frame', () => {
		const { push, assembler } = bench();
		expect(push(0, [IDR])).toEqual(['parameter-sets-missing']);
		expect(push(40, [SPS])).toEqual([]);
		expect(push(80, [PPS, picture(1)])).toEqual(['config 320x176', 'key-frame-missing']);
		expect(push(120, [writeSlice({ isIdr: true, ppsId: 7 })])).toEqual(['parameter-sets-unknown']);
		expect(push(160, [IDR])).toEqual(['key 160: 5']);
		assembler.markLoss();
		expect(push(200, [picture(1)])).toEqual(['key-frame-missing']);
		expect(push(240, [IDR])).toEqual(['key 240: 5']);
	});

	it.each([
		['a recovery point', [writeRecoveryPoint(18), picture(1)]],
		['a picture of intra slices alone', [writeSlice({ frameNum: 1, sliceType: 7 })]],
	])('begins decoding at %s only after a long time without an IDR picture', (_what, nals) => {
		const { push } = bench();
		expect(push(0, [SPS, PPS, ...nals]).slice(1)).toEqual(['key-frame-missing']);
		expect(push(2600, nals)).toEqual(['key-frame-missing']);
		expect(push(2640, nals)[0]).toMatch(/^recovery 2640/);
		expect(push(2680, [picture(2)])).toEqual(['picture 2680: 1']);
		expect(push(2720, [IDR])).toEqual(['key 2720: 5']);
		expect(push(4720, nals)[0]).toMatch(/^picture 4720/);
		// A clock that steps back is no time without an IDR picture.
		expect(push(100, nals)[0]).toMatch(/^picture 100/);
	});

	it('never throws, gives no empty picture and none before its configuration, and recovers', () => {
		const nal = fc.oneof(
			fc.uint8Array({ maxLength: 30 }),
			fc.constantFrom(SPS, PPS, IDR, picture(1), picture(1, 20), writeRecoveryPoint(3), writeSps({ id: 1 })),
			fc
				.tuple(fc.constantFrom(SPS, PPS, IDR), fc.nat(20), fc.nat(255))
				.map(([bytes, at, value]) => bytes.map((byte, index) => (index === at % bytes.length ? value : byte))),
		);
		const frame = fc.record({
			nals: fc.array(nal, { maxLength: 6 }),
			timeMs: fc.nat(10_000),
			isEnd: fc.boolean(),
			then: fc.constantFrom('', '', '', 'loss', 'settle', 'flush'),
		});
		fc.assert(
			fc.property(fc.array(frame, { maxLength: 12 }), fc.boolean(), (frames, provesFraming) => {
				const { push, results, assembler } = bench(provesFraming);
				for (const { nals, timeMs, isEnd, then } of frames) {
					push(timeMs, nals, isEnd);
					if (then === 'loss') {
						assembler.markLoss();
					} else if (then !== '') {
						assembler[then]();
					}
				}
				const firstPicture = results.findIndex((what) => /^(key|recovery|picture) \d/.test(what));
				expect(firstPicture < 0 || results.slice(0, firstPicture).some((what) => what.startsWith('config'))).toBe(true);
				expect(results.filter((what) => what.endsWith(': '))).toEqual([]);
				push(20_000, [SPS, PPS, IDR]);
				push(20_040, [picture(1)]);
				push(20_080, [picture(2)]);
				expect(results.filter((what) => what.startsWith('key 20000: '))).toHaveLength(1);
			}),
			{ numRuns: 500 },
		);
	});

	it('bounds the units and the bytes of a picture', () => {
		const { push } = bench();
		push(0, [SPS, PPS]);
		const slices = Array.from({ length: 1001 }, (_, index) => writeSlice({ isIdr: true, firstMb: index }));
		expect(push(40, slices)).toEqual(['picture-damaged']);
		const large = writeSlice({ isIdr: true, body: new Uint8Array(3_000_000).fill(7) });
		expect(
			push(
				80,
				[large, large.with(1, large[1]!), large].map((nal, index) => (index === 0 ? nal : asLater(nal))),
			),
		).toEqual(['picture-damaged']);
		expect(push(120, [IDR])).toEqual(['key 120: 5']);
	});
});

/** The same bytes behind the header of a slice further down. */
function asLater(nal: Uint8Array): Uint8Array {
	const header = writeSlice({ isIdr: true, firstMb: 20 });
	const later = new Uint8Array(nal.length);
	later.set(nal);
	later.set(header);
	return later;
}
