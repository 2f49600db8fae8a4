/** Tests of codec names and of the comparison of track configurations. */
import { describe, expect, it } from 'vitest';
import {
	codecString,
	displaySize,
	isIdenticalConfig,
	isSameBytes,
	isSameConfig,
	type AudioTrackConfig,
	type VideoTrackConfig,
} from './codecs.ts';
import { writePps, writeSps, type SpsFields } from './testing/h264-writer.ts';

const H264: VideoTrackConfig = {
	kind: 'video',
	codec: 'h264',
	widthPixels: 1280,
	heightPixels: 720,
	sps: [new Uint8Array([0x67, 0x64, 0x00, 0x1f])],
	pps: [new Uint8Array([0x68, 0xeb])],
};
const AAC: AudioTrackConfig = {
	kind: 'audio',
	codec: 'aac',
	sampleRate: 48_000,
	channelCount: 2,
	// AAC-LC, 48 kHz, stereo (ISO/IEC 14496-3 §1.6.2.1).
	audioSpecificConfig: new Uint8Array([0x11, 0x90]),
};
const OPUS: AudioTrackConfig = { ...AAC, codec: 'opus', audioSpecificConfig: new Uint8Array() };
const VP8: VideoTrackConfig = { ...H264, codec: 'vp8', sps: [], pps: [] };

describe('codecString', () => {
	it('names codecs as RFC 6381 does', () => {
		expect([H264, AAC, OPUS, VP8].map(codecString)).toEqual(['avc1.64001f', 'mp4a.40.2', 'opus', undefined]);
	});

	it('names other profiles of AAC, and no H.264 without parameter sets', () => {
		expect(codecString({ ...AAC, audioSpecificConfig: new Uint8Array([0x2b, 0x11]) })).toBe('mp4a.40.5');
		expect(codecString({ ...H264, sps: [] })).toBeUndefined();
	});
});

describe('isSameConfig', () => {
	it.each([H264, AAC, OPUS, VP8])('is true for equal content of $codec', (config) => {
		expect(isSameConfig(config, structuredClone(config))).toBe(true);
	});

	it.each([
		['size', H264, { ...H264, widthPixels: 1920 }],
		['height', H264, { ...H264, heightPixels: 1080 }],
		['SPS', H264, { ...H264, sps: [new Uint8Array([0x67, 0x64, 0x00, 0x20])] }],
		['codec', H264, { ...H264, codec: 'vp8' as const }],
		['sample rate', AAC, { ...AAC, sampleRate: 44_100 }],
		['channels', AAC, { ...AAC, channelCount: 1 }],
		['AudioSpecificConfig', AAC, { ...AAC, audioSpecificConfig: new Uint8Array([0x12, 0x10]) }],
		['audio codec', AAC, OPUS],
		['kind', H264, AAC],
	])('is false for another %s', (_what, one, other) => {
		expect([isSameConfig(one, other), isSameConfig(other, one)]).toEqual([false, false]);
	});
});

describe('isSameConfig for H.264', () => {
	const of = (fields: SpsFields, pps = [writePps()]): VideoTrackConfig => ({ ...H264, sps: [writeSps(fields)], pps });
	const one = of({});

	it.each<[string, VideoTrackConfig]>([
		['the level', of({ levelIdc: 40 })],
		['the compatibility flags', of({ constraintFlags: 0x40 })],
		['the id', of({ id: 3 })],
		['the importance in the NAL unit header', of({ nalRefIdc: 1 })],
		['the colour', of({ colour: [1, 1, 1] })],
		['the nominal frame rate', of({ frameRate: 60 })],
		['an explicit square pixel', of({ aspectRatio: 1 })],
		['an added reordering limit', of({ reorder: { maxNumReorderFrames: 0, maxDecFrameBuffering: 1 } })],
		['further PPS', of({}, [writePps(), writePps({ id: 1 })])],
		['the content of a PPS', of({}, [writePps({ initQp: 30 })])],
		['the order of PPS', of({}, [writePps({ id: 1 }), writePps()])],
		['a second SPS that is not in use', { ...one, sps: [...one.sps, writeSps({ id: 1, widthMbs: 40 })] }],
	])('ignores %s', (_what, other) => {
		expect([isSameConfig(one, other), isSameConfig(other, one)]).toEqual([true, true]);
		expect(isIdenticalConfig(one, other)).toBe(false);
	});

	const withOrder = of({ reorder: { maxNumReorderFrames: 0, maxDecFrameBuffering: 1 } });
	it.each<[string, VideoTrackConfig, VideoTrackConfig]>([
		['profile', one, of({ profileIdc: 110 })],
		['chroma format', of({ profileIdc: 122 }), of({ profileIdc: 122, chromaFormatIdc: 2 })],
		['bit depth', of({ profileIdc: 110 }), of({ profileIdc: 110, bitDepth: 10 })],
		['coded width', one, of({ widthMbs: 40 })],
		['coded height', one, of({ heightMbs: 22 })],
		['cropping', one, of({ cropBottom: 4 })],
		['interlacing', of({ heightMbs: 22 }), of({ isInterlaced: true })],
		['sample aspect ratio', one, of({ aspectRatio: 4 })],
		['written-out sample aspect ratio', of({ aspectRatio: [64, 45] }), of({ aspectRatio: [16, 15] })],
		['number of reference frames', one, of({ maxNumRefFrames: 4 })],
		['number of reordered frames', withOrder, of({ reorder: { maxNumReorderFrames: 2, maxDecFrameBuffering: 1 } })],
		['size of the picture buffer', withOrder, of({ reorder: { maxNumReorderFrames: 0, maxDecFrameBuffering: 4 } })],
		['numbering of frames', one, of({ frameNumBits: 8 })],
		['order count', one, of({ pictureOrderType: 0 })],
		['scaling', one, of({ scalingList: [1, ...new Array<number>(15).fill(0)] })],
	])('is false for another %s', (_what, first, second) => {
		expect([isSameConfig(first, second), isSameConfig(second, first)]).toEqual([false, false]);
	});
});

describe('displaySize', () => {
	it.each([
		[720, 576, undefined, '720x576'],
		[720, 576, 1, '720x576'],
		[720, 576, 4, '1047x576'],
		[720, 576, [64, 45] as const, '1024x576'],
		[720, 480, 3, '655x480'],
		[1440, 1080, 14, '1920x1080'],
		// A ratio that is "unspecified", is reserved, lacks a side or is absurd.
		[720, 576, 0, '720x576'],
		[720, 576, 200, '720x576'],
		[720, 576, [0, 11] as const, '720x576'],
		[720, 576, [9000, 1] as const, '720x576'],
	])('of %dx%d with the ratio %s is %s', (widthPixels, heightPixels, aspectRatio, expected) => {
		const sps = [writeSps(aspectRatio === undefined ? {} : { aspectRatio })];
		const shown = displaySize({ ...H264, widthPixels, heightPixels, sps });
		expect(`${shown.widthPixels}x${shown.heightPixels}`).toBe(expected);
	});

	it('is the coded size without a parameter set', () => {
		expect(displaySize(VP8)).toEqual({ widthPixels: 1280, heightPixels: 720 });
	});
});

describe('isSameBytes', () => {
	it.each([
		[[1, 2], [1, 2], true],
		[[1, 2], [1, 2, 3], false],
		[[1, 2], [1, 3], false],
		[[], [], true],
	])('of %j and %j is %s', (one, other, expected) => {
		expect(isSameBytes(Uint8Array.from(one), Uint8Array.from(other))).toBe(expected);
	});
});
