/** Init segments, decoded: the decoder configuration, and tracks that have none. */
import { describe, expect, it } from 'vitest';
import { writeSps, type SpsFields } from '../../core/media/testing/h264-writer.ts';
import { boxesIn, findBox, readMp4 } from '../testing/mp4-reader.ts';
import { SIMULATED_VIDEO, simulatedAudio } from '../testing/simulated-source.ts';
import { avcDecoderConfiguration, cmafTimescale, isPackageable, writeInitSegment } from './init-segment.ts';

describe('avcDecoderConfiguration', () => {
	it('ends after the PPS for Main profile', () => {
		const record = avcDecoderConfiguration(SIMULATED_VIDEO);
		expect([...record.subarray(-7)]).toEqual([1, 0, 4, 0x68, 0xef, 0x38, 0x80]);
	});

	it.each<[string, SpsFields, number[]]>([
		['High, 8 bits', {}, [0xfd, 0xf8, 0xf8, 0]],
		['High 10, 10 bits', { profileIdc: 110, bitDepth: 10 }, [0xfd, 0xfa, 0xfa, 0]],
		['High 4:2:2, 9 bits', { profileIdc: 122, chromaFormatIdc: 2, bitDepth: 9 }, [0xfe, 0xf9, 0xf9, 0]],
	])('has the extension with chroma and depth for %s', (_name, fields, expected) => {
		const record = avcDecoderConfiguration({ ...SIMULATED_VIDEO, sps: [writeSps(fields)] });
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

	it.each([
		['not square', 4, '1047x576', ['avcC', 'pasp'], '000000100000000b'],
		['square', 1, '720x576', ['avcC'], undefined],
	])('has the size on the screen where pixels are %s', async (_name, aspectRatio, shown, boxes, pasp) => {
		const sps = writeSps({ widthMbs: 45, heightMbs: 36, aspectRatio });
		const bytes = writeInitSegment({ ...SIMULATED_VIDEO, widthPixels: 720, heightPixels: 576, sps: [sps] });
		const entry = boxesIn(findBox(bytes, 'moov/trak/mdia/minf/stbl/stsd')!.subarray(8)).get('avc1')!;
		const children = boxesIn(entry.subarray(78));
		const header = findBox(bytes, 'moov/trak/tkhd')!;
		expect((await readMp4(bytes)).size).toBe('720x576');
		expect(`${header.readUInt32BE(76) / 65_536}x${header.readUInt32BE(80) / 65_536}`).toBe(shown);
		expect([...children.keys()]).toEqual(boxes);
		expect(children.get('pasp')?.toString('hex')).toBe(pasp);
	});

	it('carries the AudioSpecificConfig in its esds', async () => {
		const config = simulatedAudio(44_100);
		expect((await readMp4(writeInitSegment(config))).decoderConfiguration).toEqual(config.audioSpecificConfig);
	});

	it('throws TypeError for a track without its configuration', () => {
		expect(() => writeInitSegment({ ...SIMULATED_VIDEO, sps: [] })).toThrow(TypeError);
		expect(() => writeInitSegment({ ...SIMULATED_VIDEO, codec: 'vp8' })).toThrow(TypeError);
		expect(isPackageable({ ...simulatedAudio(48_000), codec: 'opus' })).toBe(false);
		expect([cmafTimescale(SIMULATED_VIDEO), cmafTimescale(simulatedAudio(44_100))]).toEqual([90_000, 44_100]);
	});
});
