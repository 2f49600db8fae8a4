/** Tests of flv-demuxer.ts and avc-track.ts. */
import type { TrackKind } from '../../core/media/access-unit.ts';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TrackConfig } from '../../core/media/codecs.ts';
import { writePps, writeSlice, writeSps } from '../../core/media/testing/h264-writer.ts';
import { FlvDemuxer, type RtmpMediaUnit } from './flv-demuxer.ts';
import * as double from '../../core/wire/rtmp/testing/encoder-double.ts';
import { ascii, avcRecord, concat, hex, legacy, lengthPrefixed } from '../../core/wire/rtmp/testing/encoder-double.ts';

const { SPS_320X180, PPS_320X180, SPS_640X360, PPS_640X360, IDR_NAL, SLICE_NAL } = double;

type Found = { config: TrackConfig } | { unit: RtmpMediaUnit } | { ended: string } | { ignored: string };

function demux() {
	const found: Found[] = [];
	const demuxer = new FlvDemuxer({
		configure: (config) => found.push({ config }),
		unit: (unit) => found.push({ unit }),
		sequenceEnded: (kind) => found.push({ ended: kind }),
		ignored: (code, detail) => found.push({ ignored: code === undefined ? detail : `${code}: ${detail}` }),
	});
	const push =
		(kind: TrackKind) =>
		(payload: Uint8Array, timestampMs = 0): Found[] => {
			const before = found.length;
			demuxer[kind]({ timestampMs, payload, arrivedAtMs: 7 });
			return found.slice(before);
		};
	return { found, video: push('video'), audio: push('audio') };
}

const SEI = hex('0605 0011');
const header = legacy.avcHeader(avcRecord([SPS_320X180], [PPS_320X180]));
const keyFrame = legacy.picture(lengthPrefixed([IDR_NAL]), { isKey: true });
const smallConfig = {
	config: { kind: 'video', codec: 'h264', widthPixels: 320, heightPixels: 180, sps: [SPS_320X180], pps: [PPS_320X180] },
};
const largeConfig = {
	config: { kind: 'video', codec: 'h264', widthPixels: 640, heightPixels: 360, sps: [SPS_640X360], pps: [PPS_640X360] },
};
const bytesOf = (found: Found[]): string[] =>
	found.flatMap((entry) => ('unit' in entry ? [Buffer.from(entry.unit.bytes).toString('hex')] : []));
const asHex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('FlvDemuxer, video', () => {
	it('configures the track, then gives its pictures with their times', () => {
		const { video } = demux();
		expect(video(header)).toEqual([smallConfig]);
		expect(video(legacy.picture(lengthPrefixed([IDR_NAL]), { isKey: true, compositionOffsetMs: 80 }), 1000)).toEqual([
			{
				unit: {
					kind: 'video',
					decodeTimeMs: 1000,
					compositionOffsetMs: 80,
					isKeyFrame: true,
					bytes: lengthPrefixed([IDR_NAL]),
					arrivedAtMs: 7,
				},
			},
		]);
		expect(video(legacy.picture(lengthPrefixed([SLICE_NAL]), { compositionOffsetMs: -20 }), 1040)).toMatchObject([
			{ unit: { decodeTimeMs: 1040, compositionOffsetMs: -20, isKeyFrame: false } },
		]);
	});

	it('reads Enhanced RTMP like the legacy form', () => {
		const { video } = demux();
		expect(video(double.enhanced.video(0, 'avc1', avcRecord([SPS_320X180], [PPS_320X180])))).toEqual([smallConfig]);
		expect(video(double.enhanced.video(3, 'avc1', lengthPrefixed([IDR_NAL])), 5)).toMatchObject([
			{ unit: { decodeTimeMs: 5, isKeyFrame: true } },
		]);
	});

	it('ignores a repeated configuration, and reports a changed one', () => {
		const { video } = demux();
		video(header);
		video(keyFrame);
		expect(video(header)).toEqual([]);
		// It is active from the key frame that uses it.
		expect(video(legacy.avcHeader(avcRecord([SPS_640X360], [PPS_640X360])))).toEqual([]);
		expect(video(keyFrame)).toMatchObject([largeConfig, { unit: { isKeyFrame: true } }]);
	});

	it.each([1, 2, 4] as const)('turns lengths of %i bytes into four', (lengthSize) => {
		const { video } = demux();
		video(legacy.avcHeader(avcRecord([SPS_320X180], [PPS_320X180], lengthSize)));
		expect(bytesOf(video(legacy.picture(lengthPrefixed([SEI, IDR_NAL], lengthSize))))).toEqual([
			asHex(lengthPrefixed([SEI, IDR_NAL])),
		]);
	});

	it('strips parameter sets, delimiters and filler, and keeps SEI', () => {
		const { video } = demux();
		video(header);
		const nals = [hex('09f0'), SPS_320X180, PPS_320X180, SEI, IDR_NAL, hex('0cffff'), hex('0a')];
		const found = video(legacy.picture(lengthPrefixed(nals), { isKey: true }));
		expect(found).toHaveLength(1);
		expect(bytesOf(found)).toEqual([asHex(lengthPrefixed([SEI, IDR_NAL]))]);
	});

	it('does not copy a picture that is clean', () => {
		const { video } = demux();
		video(header);
		const message = legacy.picture(lengthPrefixed([IDR_NAL]));
		const [found] = video(message);
		expect((found as { unit: RtmpMediaUnit }).unit.bytes.buffer).toBe(message.buffer);
	});

	it('configures from parameter sets in band, before the picture they come with', () => {
		const { video } = demux();
		expect(video(legacy.avcHeader(avcRecord([], [])))).toEqual([]);
		expect(video(legacy.picture(lengthPrefixed([SLICE_NAL])))).toEqual([
			{ ignored: 'video-config-missing: a picture before its parameter sets' },
		]);
		const found = video(legacy.picture(lengthPrefixed([SPS_320X180, PPS_320X180, IDR_NAL])));
		expect(found[0]).toEqual(smallConfig);
		expect(bytesOf(found)).toEqual([asHex(lengthPrefixed([IDR_NAL]))]);
	});

	it('reports a change in band, also when SPS and PPS come in separate messages', () => {
		const { video } = demux();
		video(header);
		expect(video(legacy.picture(lengthPrefixed([SPS_640X360, PPS_640X360, IDR_NAL])))).toMatchObject([
			largeConfig,
			{ unit: { isKeyFrame: true } },
		]);
		const separate = demux();
		expect(separate.video(legacy.picture(lengthPrefixed([SPS_320X180])))).toEqual([]);
		expect(separate.video(legacy.picture(lengthPrefixed([PPS_320X180])))).toEqual([smallConfig]);
	});

	it('adds a PPS of another id and replaces one of the same id; both travel with the pictures', () => {
		const { video } = demux();
		video(header);
		video(keyFrame);
		// pic_parameter_set_id 1 is the code 010, 0 is 1.
		const second = hex('68 4f8fcb');
		const added = video(legacy.picture(lengthPrefixed([second, SLICE_NAL])), 40);
		expect(added[0]).toMatchObject({ config: { pps: [PPS_320X180, second] } });
		expect(bytesOf(added)).toEqual([asHex(lengthPrefixed([second, SLICE_NAL]))]);
		const changed = hex('68 4f8fcc');
		const replaced = video(legacy.picture(lengthPrefixed([changed, SLICE_NAL])), 80);
		expect(replaced[0]).toMatchObject({ config: { pps: [PPS_320X180, changed] } });
		expect(bytesOf(replaced)).toEqual([asHex(lengthPrefixed([changed, SLICE_NAL]))]);
		// A decoder that begins with the configuration's sets gets all of them at each key frame.
		expect(bytesOf(video(keyFrame, 120))).toEqual([
			asHex(lengthPrefixed([SPS_320X180, PPS_320X180, changed, IDR_NAL])),
		]);
	});

	it('accepts Annex B where lengths belong', () => {
		const { video } = demux();
		video(header);
		const annexB = concat(hex('00000001'), SEI, hex('000001'), IDR_NAL);
		expect(bytesOf(video(legacy.picture(annexB)))).toEqual([asHex(lengthPrefixed([SEI, IDR_NAL]))]);
	});

	const record = 'video-config-unreadable: an AVC configuration record that cannot be read';
	const sps = 'video-config-unreadable: a parameter set that cannot be read';
	it.each([
		['a wrong record', legacy.avcHeader(hex('0264001e ff e1')), record],
		['a record with lengths of three bytes', legacy.avcHeader(hex('0164001e fe e0 00')), record],
		['a cut record', legacy.avcHeader(avcRecord([SPS_320X180], [PPS_320X180]).subarray(0, 20)), record],
		['a record with lists exchanged', legacy.avcHeader(avcRecord([PPS_320X180], [SPS_320X180])), record],
		['an unreadable SPS', legacy.avcHeader(avcRecord([hex('67640000')], [PPS_320X180])), sps],
		['HEVC', double.enhanced.video(1, 'hvc1', hex('00')), 'video-codec-unsupported: HEVC (H.265)'],
	])('ignores %s and continues', (_name, message, why) => {
		const { video } = demux();
		expect(video(message)).toEqual([{ ignored: why }]);
		expect(video(header)).toEqual([smallConfig]);
	});

	it('keeps the whole NAL units of a damaged picture and reports the damage', () => {
		const { video } = demux();
		video(header);
		const found = video(legacy.picture(concat(lengthPrefixed([IDR_NAL]), hex('000000ff aa'))));
		expect(found[0]).toEqual({
			ignored: 'video-damaged: NAL unit lengths that do not add up, or too many of them',
		});
		expect(bytesOf(found)).toEqual([asHex(lengthPrefixed([IDR_NAL]))]);
	});

	it('bounds the number of NAL units and of parameter sets', () => {
		const { video } = demux();
		video(header);
		const many = Array<Uint8Array>(5000).fill(SEI);
		expect(video(legacy.picture(lengthPrefixed([...many.slice(0, 999), IDR_NAL])))).toHaveLength(1);
		expect(video(legacy.picture(lengthPrefixed([...many, IDR_NAL])))).toEqual([
			{ ignored: 'video-damaged: NAL unit lengths that do not add up, or too many of them' },
		]);
		expect(video(legacy.picture(concat(...many.map((nal) => concat(hex('00000001'), nal)))))).toMatchObject([
			{ ignored: expect.any(String) as string },
		]);
		const sets = Array.from({ length: 33 }, (_, index) => writePps({ id: index }));
		expect(video(legacy.picture(lengthPrefixed(sets)))).toEqual([
			{ ignored: 'video-config-unreadable: more than 32 parameter sets' },
		]);
	});

	it('R-24 reports the end of a sequence', () => {
		expect(demux().video(legacy.avcEnd())).toEqual([{ ended: 'video' }]);
		expect(demux().audio(double.enhanced.audio(2, 'mp4a', new Uint8Array(0)))).toEqual([{ ended: 'audio' }]);
	});
});

describe('FlvDemuxer, audio and time', () => {
	it('configures the track, then gives its frames', () => {
		const { audio } = demux();
		expect(audio(legacy.aacFrame(hex('2110')))).toEqual([
			{ ignored: 'audio-config-missing: an AAC frame before its configuration' },
		]);
		expect(audio(legacy.aacHeader(double.AAC_48K_STEREO))).toEqual([
			{
				config: {
					kind: 'audio',
					codec: 'aac',
					sampleRate: 48_000,
					channelCount: 2,
					audioSpecificConfig: double.AAC_48K_STEREO,
				},
			},
		]);
		expect(audio(legacy.aacHeader(double.AAC_48K_STEREO))).toEqual([]);
		expect(audio(legacy.aacFrame(hex('2110')), 21)).toEqual([
			{
				unit: {
					kind: 'audio',
					decodeTimeMs: 21,
					compositionOffsetMs: 0,
					isKeyFrame: true,
					bytes: hex('2110'),
					arrivedAtMs: 7,
				},
			},
		]);
		expect(audio(legacy.aacFrame(new Uint8Array(0)), 42)).toEqual([{ ignored: 'an empty AAC frame' }]);
		expect(audio(legacy.aacHeader(double.AAC_44K_MONO))).toMatchObject([
			{ config: { sampleRate: 44_100, channelCount: 1 } },
		]);
	});

	it('adds nanosecond offsets to the times of their messages', () => {
		const { video, audio } = demux();
		video(header);
		audio(legacy.aacHeader(double.AAC_48K_STEREO));
		const picture = concat(hex('97 02 07a120 01'), ascii('avc1'), hex('000014'), lengthPrefixed([IDR_NAL]));
		expect(video(picture, 1000)).toMatchObject([{ unit: { decodeTimeMs: 1000.5, compositionOffsetMs: 20 } }]);
		const frame = concat(hex('97 02 03d090 01'), ascii('mp4a'), hex('2110'));
		expect(audio(frame, 1021)).toMatchObject([{ unit: { decodeTimeMs: 1021.25 } }]);
		// The fraction does not move the unwrapping of later times.
		expect(audio(legacy.aacFrame(hex('2110')), 1021)).toMatchObject([{ unit: { decodeTimeMs: 1021 } }]);
	});

	it('joins messages of one picture, whichever of them have a nanosecond offset', () => {
		const [first, second] = [0, 100].map((firstMb) => lengthPrefixed([writeSlice({ isIdr: true, firstMb })]));
		const withOffset = (nals: Uint8Array): Uint8Array =>
			concat(hex('97 02 07a120 01'), ascii('avc1'), hex('000000'), nals);
		const without = (nals: Uint8Array): Uint8Array => double.enhanced.video(1, 'avc1', concat(hex('000000'), nals));
		const bytesWith = (one: typeof without, other: typeof without): string[] => {
			const { found, video } = demux();
			video(legacy.avcHeader(avcRecord([writeSps()], [writePps()])));
			for (const timeMs of [1000, 1040, 1080]) {
				video(one(first!), timeMs);
				video(other(second!), timeMs);
			}
			return bytesOf(found);
		};
		const expected = bytesWith(without, without);
		expect(expected).toContain(asHex(concat(first!, second!)));
		expect(bytesWith(withOffset, without)).toEqual(expected);
		expect(bytesWith(without, withOffset)).toEqual(expected);
	});

	it('R-11 counts past 2^32, audio and video at the same place, and steps back without wrapping', () => {
		const { video, audio } = demux();
		video(header);
		audio(legacy.aacHeader(double.AAC_48K_STEREO));
		const timeOf = (found: Found[]): number => (found[0] as { unit: RtmpMediaUnit }).unit.decodeTimeMs;
		const frame = legacy.aacFrame(hex('2110'));
		expect(timeOf(video(keyFrame, 0xffff_ff00))).toBe(0xffff_ff00);
		expect(timeOf(audio(frame, 0x10))).toBe(2 ** 32 + 0x10);
		expect(timeOf(video(keyFrame, 0xffff_fff0))).toBe(0xffff_fff0);
		expect(timeOf(video(keyFrame, 0x20))).toBe(2 ** 32 + 0x20);
		expect(timeOf(audio(frame, 0x18))).toBe(2 ** 32 + 0x18);
	});

	it('never throws and never gives an empty unit, for any input', () => {
		const kind = fc.constantFrom('video' as const, 'audio' as const);
		const start = fc.constantFrom(
			header,
			legacy.aacHeader(double.AAC_48K_STEREO),
			legacy.picture(lengthPrefixed([SPS_640X360, PPS_640X360, IDR_NAL])),
		);
		const message = fc.tuple(start, fc.uint8Array({ maxLength: 30 }), fc.nat(40)).map(([bytes, noise, at]) => {
			const copy = bytes.slice();
			copy.set(noise.subarray(0, Math.max(0, copy.length - at)), Math.min(at, copy.length));
			return copy;
		});
		fc.assert(
			fc.property(
				fc.array(fc.tuple(kind, fc.oneof(message, start, fc.uint8Array({ maxLength: 60 })), fc.nat(0xffff_ffff)), {
					maxLength: 12,
				}),
				(sent) => {
					const target = demux();
					for (const [which, payload, timestampMs] of sent) {
						target[which](payload, timestampMs);
					}
					let isVideoConfigured = false;
					for (const entry of target.found) {
						isVideoConfigured ||= 'config' in entry && entry.config.kind === 'video';
						if ('unit' in entry) {
							expect(entry.unit.bytes.length).toBeGreaterThan(0);
							expect(entry.unit.kind === 'audio' || isVideoConfigured).toBe(true);
							expect(Number.isSafeInteger(Math.floor(entry.unit.decodeTimeMs))).toBe(true);
						}
					}
				},
			),
			{ numRuns: 1500 },
		);
	});
});
