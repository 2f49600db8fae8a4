/** Init segments, decoded: what the decoder configuration says, and who gets none. */
import { describe, expect, it } from 'vitest';
import type { VideoTrackConfig } from '../../core/media/codecs.ts';
import { writeSps, type SpsFields } from '../../core/media/testing/h264-writer.ts';
import { SIMULATED_VIDEO, simulatedAudio } from '../testing/simulated-source.ts';
import { findBox, readBoxes, readInitSegment } from './box-reader.ts';
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
	])('has the extension that tells chroma and depth for %s', (_name, fields, expected) => {
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

	it('tells the size on the screen, and the shape of a pixel that is not square', () => {
		const shape = (config: VideoTrackConfig): object => {
			const bytes = writeInitSegment(config);
			const entries = readBoxes(findBox(bytes, 'moov/trak/mdia/minf/stbl/stsd')!.subarray(8))!;
			const children = readBoxes(entries[0]!.contents.subarray(78))!;
			const pixel = children.find(({ type }) => type === 'pasp')?.contents;
			const header = Buffer.from(findBox(bytes, 'moov/trak/tkhd')!);
			const { widthPixels, heightPixels } = readInitSegment(bytes)!;
			return {
				coded: `${widthPixels}x${heightPixels}`,
				shown: `${header.readUInt32BE(76) / 65_536}x${header.readUInt32BE(80) / 65_536}`,
				boxes: children.map(({ type }) => type),
				pasp: pixel === undefined ? undefined : Buffer.from(pixel).toString('hex'),
			};
		};
		const anamorphic = writeSps({ widthMbs: 45, heightMbs: 36, aspectRatio: 4 });
		expect(shape({ ...SIMULATED_VIDEO, widthPixels: 720, heightPixels: 576, sps: [anamorphic] })).toEqual({
			...{ coded: '720x576', shown: '1047x576', boxes: ['avcC', 'pasp'], pasp: '000000100000000b' },
		});
		const square = writeSps({ widthMbs: 45, heightMbs: 36, aspectRatio: 1 });
		expect(shape({ ...SIMULATED_VIDEO, widthPixels: 720, heightPixels: 576, sps: [square] })).toEqual({
			...{ coded: '720x576', shown: '720x576', boxes: ['avcC'], pasp: undefined },
		});
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
