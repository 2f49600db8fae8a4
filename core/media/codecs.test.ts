/** Tests of codec names and of the comparison of track configurations. */
import { describe, expect, it } from 'vitest';
import { codecString, isSameBytes, isSameConfig, type AudioTrackConfig, type VideoTrackConfig } from './codecs.ts';

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
	it('takes equal content as the same', () => {
		for (const config of [H264, AAC, OPUS, VP8]) {
			expect(isSameConfig(config, structuredClone(config))).toBe(true);
		}
	});

	it.each([
		['size', H264, { ...H264, widthPixels: 1920 }],
		['height', H264, { ...H264, heightPixels: 1080 }],
		['SPS', H264, { ...H264, sps: [new Uint8Array([0x67, 0x64, 0x00, 0x20])] }],
		['number of PPS', H264, { ...H264, pps: [...H264.pps, new Uint8Array([0x68])] }],
		['codec', H264, { ...H264, codec: 'vp8' as const }],
		['sample rate', AAC, { ...AAC, sampleRate: 44_100 }],
		['channels', AAC, { ...AAC, channelCount: 1 }],
		['AudioSpecificConfig', AAC, { ...AAC, audioSpecificConfig: new Uint8Array([0x12, 0x10]) }],
		['audio codec', AAC, OPUS],
		['kind', H264, AAC],
	])('sees another %s', (_what, one, other) => {
		expect([isSameConfig(one, other), isSameConfig(other, one)]).toEqual([false, false]);
	});
});

describe('isSameBytes', () => {
	it('compares length and content', () => {
		const bytes = (...values: number[]): Uint8Array => new Uint8Array(values);
		expect(isSameBytes(bytes(1, 2), bytes(1, 2))).toBe(true);
		expect(isSameBytes(bytes(1, 2), bytes(1, 2, 3))).toBe(false);
		expect(isSameBytes(bytes(1, 2), bytes(1, 3))).toBe(false);
		expect(isSameBytes(bytes(), bytes())).toBe(true);
	});
});
