/** Unit tests of encoded-track.ts. */
import { describe, expect, it } from 'vitest';
import { splitLengthPrefixed } from '../../core/media/h264.ts';
import { CaptureTimes } from './capture-times.ts';
import { EncodedTrack, TIMELINE_OFFSET_SECONDS, encodedTrackConfig } from './encoded-track.ts';
import type { NutStream } from '../../core/wire/nut/nut-headers.ts';

const VIDEO: NutStream = {
	kind: 'video',
	fourcc: 'H264',
	timeBase: { numerator: 1, denominator: 90_000 },
	codecSpecificData: Uint8Array.from([0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3]),
	widthPixels: 640,
	heightPixels: 360,
	sampleRate: 0,
	channelCount: 0,
};
const AUDIO: NutStream = {
	...VIDEO,
	kind: 'audio',
	timeBase: { numerator: 1, denominator: 48_000 },
	sampleRate: 48_000,
	channelCount: 2,
};
const OFFSET_TICKS = TIMELINE_OFFSET_SECONDS * 90_000;

function makeTrack(): EncodedTrack {
	const captureTimes = new CaptureTimes();
	captureTimes.add(0, 90_000, 1000);
	const track = new EncodedTrack({ codec: 'h264', trackId: 'video0', run: 7, frameDurationMs: 0, captureTimes });
	track.onStream(VIDEO);
	return track;
}

describe('encodedTrackConfig', () => {
	it('finds parameter sets, and the AudioSpecificConfig only for AAC', () => {
		expect(encodedTrackConfig(VIDEO, 'h264')).toEqual({
			kind: 'video',
			codec: 'h264',
			widthPixels: 640,
			heightPixels: 360,
			sps: [Uint8Array.from([0x67, 1, 2])],
			pps: [Uint8Array.from([0x68, 3])],
		});
		expect(encodedTrackConfig({ ...AUDIO, codecSpecificData: Uint8Array.from([0x11, 0x90]) }, 'aac')).toMatchObject({
			audioSpecificConfig: Uint8Array.from([0x11, 0x90]),
		});
		expect(encodedTrackConfig(AUDIO, 'opus')).toMatchObject({
			audioSpecificConfig: new Uint8Array(0),
			sampleRate: 48_000,
		});
	});

	it.each([
		['video without parameter sets', { ...VIDEO, codecSpecificData: Uint8Array.from([0, 0, 1, 9]) }, 'h264' as const],
		['video on another clock', { ...VIDEO, timeBase: { numerator: 1, denominator: 1000 } }, 'h264' as const],
		['sound instead of a picture', AUDIO, 'h264' as const],
		['AAC without a configuration', { ...AUDIO, codecSpecificData: new Uint8Array(0) }, 'aac' as const],
		['sound on another clock', { ...AUDIO, timeBase: { numerator: 1, denominator: 1000 } }, 'opus' as const],
	])('refuses %s', (_, stream, codec) => {
		expect(() => encodedTrackConfig(stream, codec)).toThrow('FFmpeg failed (its output is not what was asked for)');
	});
});

describe('EncodedTrack', () => {
	const idr = Uint8Array.from([
		0, 0, 0, 1, 9, 0xf0, 0, 0, 0, 1, 0x67, 1, 0, 0, 1, 0x68, 3, 0, 0, 1, 0x65, 5, 6, 0, 0, 1, 0x65, 7,
	]);

	it('passes nothing on before its configuration, and reports one only when it is new', () => {
		const captureTimes = new CaptureTimes();
		captureTimes.add(0, 90_000, 1000);
		const track = new EncodedTrack({ codec: 'h264', trackId: 'video0', run: 7, frameDurationMs: 0, captureTimes });
		const frame = { timeTicks: OFFSET_TICKS + 900, isKeyFrame: true, bytes: idr };
		expect([track.onFrame(frame).unit, track.newestMs]).toEqual([undefined, undefined]);
		expect(track.onStream(VIDEO)).toEqual(encodedTrackConfig(VIDEO, 'h264'));
		expect(track.onStream(VIDEO)).toBeUndefined();
		expect([track.onFrame(frame).unit?.decodeTimeTicks, track.newestMs]).toEqual([900, 10]);
		expect(track.onStream({ ...VIDEO, widthPixels: 320 })).toMatchObject({ widthPixels: 320 });
	});

	it('finds parameter sets that are in the first frame only, as graphics cards have them', () => {
		const captureTimes = new CaptureTimes();
		captureTimes.add(0, 90_000, 1000);
		const track = new EncodedTrack({ codec: 'h264', trackId: 'video0', run: 7, frameDurationMs: 0, captureTimes });
		const bare = { ...VIDEO, codecSpecificData: new Uint8Array(0) };
		expect(track.onStream(bare)).toBeUndefined();
		const first = track.onFrame({ timeTicks: OFFSET_TICKS + 900, isKeyFrame: true, bytes: idr });
		const sets = { sps: [Uint8Array.from([0x67, 1])], pps: [Uint8Array.from([0x68, 3])] };
		expect(first).toMatchObject({ config: sets, unit: { decodeTimeTicks: 900 } });
		const slice = Uint8Array.from([0, 0, 0, 1, 0x41, 5]);
		const second = track.onFrame({ timeTicks: OFFSET_TICKS + 1800, isKeyFrame: false, bytes: slice });
		expect(second).toMatchObject({ config: undefined, unit: { decodeTimeTicks: 1800 } });
		track.onStream(bare);
		expect(() => track.onFrame({ timeTicks: OFFSET_TICKS + 2700, isKeyFrame: false, bytes: slice })).toThrow(
			'no H.264 parameter sets came out',
		);
	});

	it('keeps slices only, with lengths, and takes the key frame flag from the pictures', () => {
		const unit = makeTrack().onFrame({ timeTicks: OFFSET_TICKS + 900, isKeyFrame: false, bytes: idr }).unit!;
		expect(unit).toMatchObject({
			trackId: 'video0',
			run: 7,
			isKeyFrame: true,
			decodeTimeTicks: 900,
			presentationTimeTicks: 900,
		});
		expect(unit.captureTimeMs).toBeCloseTo(1010, 6);
		expect(splitLengthPrefixed(unit.bytes)).toEqual([Uint8Array.from([0x65, 5, 6]), Uint8Array.from([0x65, 7])]);
	});

	it('drops a time that is not later than the last, and any before 0', () => {
		const track = makeTrack();
		const at = (timeTicks: number): boolean =>
			track.onFrame({ timeTicks: OFFSET_TICKS + timeTicks, isKeyFrame: true, bytes: idr }).unit !== undefined;
		expect([at(-1), at(900), at(900), at(899), at(901)]).toEqual([false, true, false, false, true]);
	});
});
