/** Tests of the NUT writer. */
import { describe, expect, it } from 'vitest';
import type { AudioTrackConfig, VideoTrackConfig } from '../../media/codecs.ts';
import { nutClockRate, nutFrameHeader, nutHeader, nutStreamHeader } from './nut-writer.ts';

const AAC: AudioTrackConfig = {
	kind: 'audio',
	codec: 'aac',
	sampleRate: 44_100,
	channelCount: 2,
	audioSpecificConfig: Uint8Array.from([0x12, 0x10]),
};
const VP8: VideoTrackConfig = { kind: 'video', codec: 'vp8', widthPixels: 640, heightPixels: 360, sps: [], pps: [] };

function hex(bytes: Uint8Array): string {
	return Buffer.from(bytes).toString('hex');
}

describe('nutStreamHeader', () => {
	it('is the known bytes for AAC', () => {
		expect(hex(nutStreamHeader(AAC))).toBe(
			[
				// File id.
				'6e75742f6d756c74696d6564696120636f6e7461696e657200',
				// Main header: 52 bytes; version 4.0, one stream, max_distance 65536, one time base of 1/44100.
				'4e4d7a561f5f04ad',
				'34 04 00 01 848000 01 01 82d844',
				// Frame codes: 0 invalid, 1 delta frame, 2 key frame, the other 252 invalid.
				'c000 06 0001000000 01',
				'68 06 0001000000 01',
				'69 06 0001000000 01',
				'c000 06 0001000000 817c',
				// No elision headers, pipe flag, checksum.
				'00 02 678e62bd',
				// Stream header: audio, fourcc ff 00, time base 0, shift 0, max_pts_distance, no delay, no flags, the ASC,
				// rate, channels.
				'4e5311405bf2f9db',
				'18 00 01 02ff00 00 00 82d844 00 00 021210 82d844 01 02 181c0ebb',
				// Syncpoint at time 0.
				'4e4be4adeeca4569 06 0000 00000000',
			]
				.join('')
				.replaceAll(' ', ''),
		);
	});
});

describe('a frame rate', () => {
	it('is an info packet of the stream, before the syncpoint', () => {
		const info = '4e49ab68b596ba78 22 01 00 00 00 01 0c'.replaceAll(' ', '');
		const [name, text] = ['r_frame_rate', '\x02\x0a29970/1000'].map((part) => hex(Buffer.from(part, 'latin1')));
		const header = hex(nutStreamHeader(VP8, 29.97));
		expect(header).toMatch(new RegExp(`${info}${name}${text}[0-9a-f]{8}4e4be4adeeca4569`));
		expect(hex(nutStreamHeader(VP8))).not.toContain(info.slice(0, 16));
	});
});

describe('nutFrameHeader', () => {
	it('is code, time plus one, size and checksum', () => {
		expect(hex(nutFrameHeader(127, true, 128)).slice(0, -8)).toBe('02' + '8100' + '8100');
		expect(hex(nutFrameHeader(0, false, 1)).slice(0, -8)).toBe('01' + '01' + '01');
	});

	it('has two codes for each track, as in the main header', () => {
		const raw = { codecSpecificData: new Uint8Array(0), decodeDelay: 0 };
		const header = nutHeader([
			{ ...raw, kind: 'video', fourcc: Buffer.from('I420'), clockRate: 90_000, widthPixels: 320, heightPixels: 180 },
			{ ...raw, kind: 'audio', fourcc: Buffer.from('PSD\x10'), clockRate: 48_000, channelCount: 2 },
		]);
		const codes = (trackIndex: string): string =>
			['68', '69'].map((flags) => `${flags}0600010${trackIndex}000001`).join('');
		// Two time bases, then the codes: 0 invalid, 1 and 2, 3 and 4, the other 250 invalid.
		expect(hex(header)).toContain(`020185bf100182f700c00006000100000001${codes('0')}${codes('1')}c000060001000000817a`);
		expect(hex(nutFrameHeader(0, true, 1, 1)).slice(0, 2)).toBe('04');
		expect(hex(nutFrameHeader(0, false, 1, 1)).slice(0, 2)).toBe('03');
	});

	it('refuses times that NUT cannot hold', () => {
		expect(() => nutFrameHeader(-2, true, 1)).toThrow(TypeError);
		expect(() => nutFrameHeader(0.5, true, 1)).toThrow(TypeError);
	});
});

describe('nutClockRate', () => {
	it('is 90 kHz for video, 48 kHz for Opus, the sample rate for AAC', () => {
		expect([VP8, { ...AAC, codec: 'opus' as const }, AAC].map(nutClockRate)).toEqual([90_000, 48_000, 44_100]);
	});
});
