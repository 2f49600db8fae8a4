/** Tests of flv-tags.ts and enhanced-rtmp.ts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
	announcesOtherCodecsOnly,
	enhancedConnectProperties,
	parseEnhancedAudio,
	parseEnhancedVideo,
	readsEnhancedRtmp,
} from '../../core/wire/rtmp/enhanced-rtmp.ts';
import type { TrackProblemCode } from '../publisher/track-problems.ts';
import { parseAudioMessage, parseVideoMessage, type FlvContent } from './flv-tags.ts';
import { ascii, concat, enhanced, hex, int24, legacy } from '../../core/wire/rtmp/testing/encoder-double.ts';

const body = hex('0102030405');
const start: FlvContent = { kind: 'sequence-start', bytes: body };
const end: FlvContent = { kind: 'sequence-end' };
const frames = (compositionOffsetMs = 0): FlvContent => ({ kind: 'coded-frames', bytes: body, compositionOffsetMs });
const ignored = (code: TrackProblemCode | undefined, detail: string): FlvContent => ({ kind: 'ignored', code, detail });

describe('parseVideoMessage, legacy form', () => {
	it.each([
		['a configuration', legacy.avcHeader(body), start],
		['a key frame', legacy.picture(body, { isKey: true }), frames()],
		['a late picture', legacy.picture(body, { compositionOffsetMs: 8_388_607 }), frames(8_388_607)],
		['R-17 a negative offset', legacy.picture(body, { compositionOffsetMs: -40 }), frames(-40)],
		['the end', legacy.avcEnd(), end],
		['nothing', new Uint8Array(0), ignored(undefined, 'an empty video message')],
		['a seek command', hex('57 00'), ignored(undefined, 'a video command frame')],
		['HEVC the old way', hex('1c 00 000000'), ignored('video-codec-unsupported', 'HEVC (H.265)')],
		['a cut header', hex('17 01 00'), ignored('video-damaged', 'a message ends inside its header')],
		['an unknown packet', hex('17 09 000000'), ignored('video-message-unknown', 'AVC packet type 9')],
	] satisfies [string, Uint8Array, FlvContent][])('reads %s', (_name, payload, tag) => {
		expect(parseVideoMessage(payload)).toEqual([tag]);
	});
});

describe('parseAudioMessage, legacy form', () => {
	it.each([
		['a configuration', legacy.aacHeader(body), start],
		['a frame', legacy.aacFrame(body), frames()],
		['nothing', new Uint8Array(0), ignored(undefined, 'an empty audio message')],
		['MP3', hex('2f 00'), ignored('audio-codec-unsupported', 'MP3')],
		['an unknown packet', hex('af 09'), ignored('audio-message-unknown', 'AAC packet type 9')],
		['half a header', hex('af'), ignored('audio-damaged', 'a message ends inside its header')],
	] satisfies [string, Uint8Array, FlvContent][])('reads %s', (_name, payload, tag) => {
		expect(parseAudioMessage(payload)).toEqual([tag]);
	});
});

describe('Enhanced RTMP (R-18 to R-20)', () => {
	it.each([
		['avc1 SequenceStart', enhanced.video(0, 'avc1', body), start],
		['avc1 CodedFrames', enhanced.video(1, 'avc1', concat(Uint8Array.of(...int24(-7)), body)), frames(-7)],
		['avc1 CodedFramesX', enhanced.video(3, 'avc1', body), frames()],
		['avc1 SequenceEnd', enhanced.video(2, 'avc1', new Uint8Array(0)), end],
		['avc1 Metadata', enhanced.video(4, 'avc1', body), ignored(undefined, 'video packet type metadata')],
		[
			'avc1 CodedFrames without its time',
			enhanced.video(1, 'avc1', hex('00')),
			ignored('video-damaged', 'a message ends inside its composition time'),
		],
		['R-19 hvc1', enhanced.video(1, 'hvc1', body), ignored('video-codec-unsupported', 'HEVC (H.265)')],
		['R-19 av01', enhanced.video(0, 'av01', body), ignored('video-codec-unsupported', 'AV1')],
		[
			'an unprintable FourCC',
			enhanced.video(0, '\n\x00\xffa', body),
			ignored('video-codec-unsupported', 'codec "???a"'),
		],
		['R-19 a further type', enhanced.video(9, 'avc1', body), ignored('video-message-unknown', 'packet type unknown')],
		['a command', enhanced.video(1, '\x00', new Uint8Array(0), 5), ignored(undefined, 'video packet type command')],
		['a cut FourCC', hex('91 6176'), ignored('video-damaged', 'the message ends inside the FourCC')],
	] satisfies [string, Uint8Array, FlvContent][])('reads video: %s', (_name, payload, tag) => {
		expect(parseVideoMessage(payload)).toEqual([tag]);
	});

	it.each([
		['mp4a SequenceStart', enhanced.audio(0, 'mp4a', body), start],
		['mp4a CodedFrames', enhanced.audio(1, 'mp4a', body), frames()],
		['mp4a SequenceEnd', enhanced.audio(2, 'mp4a', new Uint8Array(0)), end],
		['mp4a channels', enhanced.audio(4, 'mp4a', body), ignored(undefined, 'audio packet type multichannel-config')],
		['Opus', enhanced.audio(1, 'Opus', body), ignored('audio-codec-unsupported', 'Opus')],
	] satisfies [string, Uint8Array, FlvContent][])('reads audio: %s', (_name, payload, tag) => {
		expect(parseAudioMessage(payload)).toEqual([tag]);
	});

	it('reads the nanoseconds of a ModEx, of either size form, and not more than a millisecond', () => {
		const frame = concat(ascii('avc1'), body);
		const short = concat(hex('97 02 0003e8 03'), frame);
		expect(parseVideoMessage(short)).toEqual([{ ...frames(), nanosecondOffset: 1000 }]);
		const long = concat(hex('97 ff 012b 0003e8'), new Uint8Array(297), hex('03'), frame);
		expect(parseVideoMessage(long)).toEqual([{ ...frames(), nanosecondOffset: 1000 }]);
		const huge = concat(hex('97 02 ffffff 03'), frame);
		expect(parseVideoMessage(huge)[0]).toMatchObject({ nanosecondOffset: 999_999 });
		const unknownModifier = concat(hex('97 00 aa 17 02 000001 03'), frame);
		expect(parseVideoMessage(unknownModifier)[0]).toMatchObject({ nanosecondOffset: 1 });
		const audio = concat(hex('97 02 000002 01'), ascii('mp4a'), body);
		expect(parseAudioMessage(audio)[0]).toMatchObject({ nanosecondOffset: 2 });
	});

	it('R-20 ends a chain of ModEx', () => {
		const chain = concat(hex('97'), ...Array<Uint8Array>(100).fill(hex('00 aa 07')));
		expect(parseVideoMessage(chain)).toEqual([ignored('video-damaged', 'too many or cut packet modifiers')]);
		const long = parseVideoMessage(hex('97 ff ffff 00'));
		expect(long).toEqual([ignored('video-damaged', 'a packet modifier runs past the end')]);
	});

	it('accepts track 0 of a multitrack message and reports the others', () => {
		const furtherTrack = ignored('video-further-track', 'a further track');
		const oneTrack = concat(hex('96 03'), ascii('avc1'), hex('01'), body);
		expect(parseVideoMessage(oneTrack)).toEqual([furtherTrack]);
		const manyTracks = concat(hex('96 13'), ascii('avc1'), hex('00 000005'), body, hex('01 000002 aabb'));
		expect(parseVideoMessage(manyTracks)).toEqual([frames(), furtherTrack]);
		const manyCodecs = concat(hex('96 23'), ascii('hvc1'), hex('00 000001 cc'), ascii('avc1'), hex('00 000005'), body);
		const hevc = ignored('video-codec-unsupported', 'HEVC (H.265)');
		expect(parseVideoMessage(manyCodecs)).toEqual([hevc, frames()]);
		const audio = concat(hex('95 11'), ascii('mp4a'), hex('00 000005'), body);
		expect(parseAudioMessage(audio)).toEqual([frames()]);
	});

	it.each([
		['no multitrack type', '96'],
		['an unknown multitrack type', '96 31 61766331 00 000000'],
		['a track past the end', '96 13 61766331 00 0000ff aa'],
		['a cut track header', '96 13 61766331 00 00'],
	])('ignores a multitrack message with %s', (_name, bytes) => {
		expect(parseVideoMessage(hex(bytes))).toEqual([expect.objectContaining({ kind: 'ignored' })]);
	});

	it('announces its codecs at connect when the encoder supports Enhanced RTMP', () => {
		expect(readsEnhancedRtmp(new Map([['capsEx', 1]]))).toBe(true);
		expect(readsEnhancedRtmp(new Map([['app', 'live']]))).toBe(false);
		expect(announcesOtherCodecsOnly(new Map([['fourCcList', ['hvc1', 'av01']]]))).toBe(true);
		expect(announcesOtherCodecsOnly(new Map([['videoFourCcInfoMap', new Map([['hvc1', 4]])]]))).toBe(true);
		for (const list of [['*'], ['hvc1', 'avc1'], ['Opus', 'mp4a'], []]) {
			expect(announcesOtherCodecsOnly(new Map([['fourCcList', list]]))).toBe(false);
		}
		expect(announcesOtherCodecsOnly(new Map([['fourCcList', 'hvc1']]))).toBe(false);
		expect(enhancedConnectProperties()).toEqual([
			['fourCcList', ['avc1', 'mp4a']],
			['videoFourCcInfoMap', new Map([['avc1', 5]])],
			['audioFourCcInfoMap', new Map([['mp4a', 5]])],
			['capsEx', 12],
		]);
	});
});

describe('any bytes', () => {
	it('are read without throwing and without pieces beyond the message', () => {
		const first = fc.constantFrom(0x17, 0x27, 0x80, 0x90, 0x91, 0x93, 0x95, 0x96, 0x97, 0x9f, 0xaf, 0xd7);
		const message = fc
			.tuple(first, fc.uint8Array({ maxLength: 400 }))
			.map(([byte, rest]) => Uint8Array.of(byte, ...rest));
		fc.assert(
			fc.property(fc.oneof(message, fc.uint8Array({ maxLength: 40 })), (payload) => {
				for (const tag of [...parseVideoMessage(payload), ...parseAudioMessage(payload)]) {
					if ('bytes' in tag) {
						expect(tag.bytes.buffer).toBe(payload.buffer);
						expect(tag.bytes.length).toBeLessThan(payload.length);
					}
				}
				for (const pieces of [parseEnhancedVideo(payload), parseEnhancedAudio(payload)]) {
					expect('problem' in pieces || pieces.length <= payload.length).toBe(true);
				}
			}),
			{ numRuns: 3000 },
		);
	});
});
