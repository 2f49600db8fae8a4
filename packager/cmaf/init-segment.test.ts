/** Init segments, decoded: what the decoder configuration says, and who gets none. */
import { describe, expect, it } from 'vitest';
import { SIMULATED_VIDEO, simulatedAudio } from '../testing/simulated-source.ts';
import { findBox } from './box-reader.ts';
import { avcDecoderConfiguration, cmafTimescale, isPackageable, writeInitSegment } from './init-segment.ts';

describe('avcDecoderConfiguration', () => {
	it('ends after the PPS for Main profile', () => {
		const record = avcDecoderConfiguration(SIMULATED_VIDEO);
		expect([...record.subarray(-7)]).toEqual([1, 0, 4, 0x68, 0xef, 0x38, 0x80]);
	});

	// After the level: sequence parameter set id 0 (1), chroma format 1 (010), then the depths beyond 8 bits.
	it.each([
		['8 bits', [0b1010_1100], [0xfd, 0xf8, 0xf8, 0]],
		['9 bits', [0b1010_0100, 0b1000_0000], [0xfd, 0xf9, 0xf9, 0]],
	])('has the extension of High profile: 4:2:0 with %s', (_name, bytes, expected) => {
		const sps = Uint8Array.of(0x67, 100, 0, 0x1f, ...bytes, 0x80);
		const record = avcDecoderConfiguration({ ...SIMULATED_VIDEO, sps: [sps] });
		expect([...record.subarray(-4)]).toEqual(expected);
	});

	it('assumes 4:2:0 with 8 bits when the parameter set is cut short', () => {
		const record = avcDecoderConfiguration({ ...SIMULATED_VIDEO, sps: [Uint8Array.of(0x67, 100, 0, 0x1f)] });
		expect([...record.subarray(-4)]).toEqual([0xfd, 0xf8, 0xf8, 0]);
	});
});

describe('writeInitSegment', () => {
	it('declares no samples, no duration, and movie extends (L-30)', () => {
		const bytes = writeInitSegment(simulatedAudio(48_000));
		expect([...findBox(bytes, 'moov/trak/mdia/minf/stbl/stsz')!]).toEqual(new Array(12).fill(0));
		expect([...findBox(bytes, 'moov/mvex/trex')!.subarray(4, 8)]).toEqual([0, 0, 0, 1]);
		expect(findBox(bytes, 'moov/trak/edts')).toBeUndefined();
	});

	it('carries the AudioSpecificConfig in its esds', () => {
		const stsd = findBox(writeInitSegment(simulatedAudio(44_100)), 'moov/trak/mdia/minf/stbl/stsd')!;
		expect(
			Buffer.from(stsd).includes(
				Buffer.from([0x05, 0x80, 0x80, 0x80, 2, ...simulatedAudio(44_100).audioSpecificConfig]),
			),
		).toBe(true);
	});

	it('throws TypeError for a track without its configuration', () => {
		expect(() => writeInitSegment({ ...SIMULATED_VIDEO, sps: [] })).toThrow(TypeError);
		expect(() => writeInitSegment({ ...SIMULATED_VIDEO, codec: 'vp8' })).toThrow(TypeError);
		expect(isPackageable({ ...simulatedAudio(48_000), codec: 'opus' })).toBe(false);
		expect([cmafTimescale(SIMULATED_VIDEO), cmafTimescale(simulatedAudio(44_100))]).toEqual([90_000, 44_100]);
	});
});
