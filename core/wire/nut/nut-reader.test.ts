/** Unit tests of nut-reader.ts. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SpillwayError } from '../../errors/errors.ts';
import type { AudioTrackConfig, TrackConfig, VideoTrackConfig } from '../../media/codecs.ts';
import type { NutStream } from './nut-headers.ts';
import { NUT_MAX_PACKET_BYTES, type NutFrame, NutReader } from './nut-reader.ts';
import { nutClockRate, nutFrameHeader, nutStreamHeader } from './nut-writer.ts';
import { FFMPEG_NUT_FIXTURE } from './testing/nut-fixture.ts';

const OPUS: AudioTrackConfig = {
	kind: 'audio',
	codec: 'opus',
	sampleRate: 48_000,
	channelCount: 2,
	audioSpecificConfig: new Uint8Array(0),
};
const AAC: AudioTrackConfig = {
	...OPUS,
	codec: 'aac',
	sampleRate: 44_100,
	audioSpecificConfig: Uint8Array.from([0x12, 0x10]),
};
const VP8: VideoTrackConfig = { kind: 'video', codec: 'vp8', widthPixels: 640, heightPixels: 360, sps: [], pps: [] };
// Not real parameter sets, but no more is asked of them here.
const H264: VideoTrackConfig = {
	...VP8,
	codec: 'h264',
	sps: [Uint8Array.from([0x67, 1, 2])],
	pps: [Uint8Array.from([0x68, 3])],
};

function read(chunks: readonly Uint8Array[]): { streams: NutStream[]; frames: NutFrame[]; reader: NutReader } {
	const streams: NutStream[] = [];
	const frames: NutFrame[] = [];
	const reader = new NutReader({ onStream: (stream) => streams.push(stream), onFrame: (frame) => frames.push(frame) });
	for (const chunk of chunks) {
		reader.push(chunk);
	}
	return { streams, frames, reader };
}

function write(config: TrackConfig, frames: readonly NutFrame[]): Uint8Array {
	const parts = frames.flatMap((frame) => [
		nutFrameHeader(frame.timeTicks, frame.isKeyFrame, frame.bytes.length),
		frame.bytes,
	]);
	return Buffer.concat([nutStreamHeader(config), ...parts]);
}

function cut(bytes: Uint8Array, sizes: readonly number[]): Uint8Array[] {
	const chunks: Uint8Array[] = [];
	let offset = 0;
	for (let index = 0; offset < bytes.length; index++) {
		const size = sizes[index % sizes.length]!;
		chunks.push(bytes.slice(offset, offset + size));
		offset += size;
	}
	return chunks;
}

describe('NutReader on what FFmpeg wrote', () => {
	it('reads the stream header and every frame', () => {
		const { streams, frames, reader } = read([FFMPEG_NUT_FIXTURE]);
		expect(streams).toHaveLength(1);
		expect(streams[0]).toMatchObject({
			kind: 'audio',
			fourcc: 'Opus',
			timeBase: { numerator: 1, denominator: 48_000 },
			channelCount: 1,
		});
		expect(Buffer.from(streams[0]!.codecSpecificData).subarray(0, 8).toString()).toBe('OpusHead');
		expect(frames.map((frame) => [frame.timeTicks, frame.isKeyFrame, frame.bytes.length])).toEqual([
			[0, true, 28],
			[480, true, 26],
			[960, true, 25],
		]);
		expect(reader.bufferedBytes).toBe(0);
	});

	it('reads the same when every byte comes alone', () => {
		expect(read(cut(FFMPEG_NUT_FIXTURE, [1])).frames).toEqual(read([FFMPEG_NUT_FIXTURE]).frames);
	});

	it('puts a frame out with its last byte, not with the first of the next', () => {
		expect(read([FFMPEG_NUT_FIXTURE.subarray(0, -1)]).frames).toHaveLength(2);
		expect(read([FFMPEG_NUT_FIXTURE]).frames).toHaveLength(3);
	});

	it('refuses it when a bit of a header is wrong', () => {
		const damaged = FFMPEG_NUT_FIXTURE.slice();
		damaged[40]! ^= 4;
		expect(() => read([damaged])).toThrow('FFmpeg failed (its output cannot be read)');
	});
});

describe('NutReader', () => {
	it.each([OPUS, AAC, VP8, H264])('reads what the writer wrote for $codec, cut anywhere', (config) => {
		fc.assert(
			fc.property(
				fc.array(
					fc.record({
						timeTicks: fc.nat({ max: 2 ** 40 }),
						isKeyFrame: fc.boolean(),
						bytes: fc.uint8Array({ maxLength: 5000 }),
					}),
					{ maxLength: 8 },
				),
				fc.array(fc.integer({ min: 1, max: 3000 }), { minLength: 1, maxLength: 10 }),
				(frames, sizes) => {
					const result = read(cut(write(config, frames), sizes));
					expect(result.streams[0]!.timeBase).toEqual({ numerator: 1, denominator: nutClockRate(config) });
					expect(result.frames).toEqual(frames);
					expect(result.reader.bufferedBytes).toBe(0);
				},
			),
			{ numRuns: 50 },
		);
	});

	it('carries parameter sets, size and channels in the header', () => {
		const video = read([nutStreamHeader(H264)]).streams[0]!;
		expect([...video.codecSpecificData]).toEqual([0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3]);
		expect([video.fourcc, video.widthPixels, video.heightPixels]).toEqual(['H264', 640, 360]);
		const audio = read([nutStreamHeader(AAC)]).streams[0]!;
		expect([...audio.codecSpecificData]).toEqual([0x12, 0x10]);
		expect([audio.fourcc, audio.sampleRate, audio.channelCount]).toEqual(['00ff', 44_100, 2]);
	});

	it('never throws anything but a SpillwayError, and ends, whatever it is fed', () => {
		const header = nutStreamHeader(OPUS);
		const start = fc.constantFrom(new Uint8Array(0), header, FFMPEG_NUT_FIXTURE);
		fc.assert(
			fc.property(start, fc.uint8Array({ maxLength: 2000 }), fc.integer({ min: 1, max: 500 }), (first, noise, size) => {
				expectOnlySpillwayErrors(() => read(cut(Buffer.concat([first, noise]), [size])));
			}),
			{ numRuns: 500 },
		);
	});

	it('survives any damage to a real stream', () => {
		const position = fc.nat({ max: FFMPEG_NUT_FIXTURE.length - 1 });
		fc.assert(
			fc.property(fc.array(fc.tuple(position, fc.nat({ max: 255 })), { minLength: 1, maxLength: 6 }), (changes) => {
				const damaged = FFMPEG_NUT_FIXTURE.slice();
				for (const [at, value] of changes) {
					damaged[at] = value;
				}
				expectOnlySpillwayErrors(() => read(cut(damaged, [7])));
			}),
			{ numRuns: 1000 },
		);
	});

	it('refuses a frame that claims to be larger than the bound, instead of collecting it', () => {
		expect(() => read([nutStreamHeader(OPUS), nutFrameHeader(0, true, NUT_MAX_PACKET_BYTES + 1)])).toThrow(
			SpillwayError,
		);
		const { reader } = read([nutStreamHeader(OPUS), nutFrameHeader(0, true, NUT_MAX_PACKET_BYTES)]);
		expect(reader.bufferedBytes).toBeLessThan(100);
	});

	it('keeps refusing after the first refusal', () => {
		const reader = new NutReader({ onStream: () => undefined, onFrame: () => undefined });
		expect(() => reader.push(new Uint8Array(100))).toThrow(SpillwayError);
		expect(() => reader.push(nutStreamHeader(OPUS))).toThrow(SpillwayError);
		expect(reader.bufferedBytes).toBe(0);
	});

	it('refuses a frame before the headers', () => {
		expect(() => read([Buffer.from('nut/multimedia container\0'), Uint8Array.from([1, 2, 3])])).toThrow(
			'a frame came before the headers',
		);
	});
});

function expectOnlySpillwayErrors(callback: () => unknown): void {
	try {
		callback();
	} catch (error) {
		expect(error).toBeInstanceOf(SpillwayError);
	}
}
