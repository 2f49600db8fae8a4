/** Tests of the NUT reader. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SpillwayError } from '../../errors/errors.ts';
import type { AudioTrackConfig, TrackConfig, VideoTrackConfig } from '../../media/codecs.ts';
import { damaged, expectOnlyError } from '../../testing/untrusted-bytes.ts';
import type { NutStream } from './nut-headers.ts';
import { NUT_MAX_PACKET_BYTES, type NutFrame, NutReader } from './nut-reader.ts';
import { nutClockRate, nutFrameHeader, nutStreamHeader } from './nut-writer.ts';

// A whole stream from FFmpeg 5.1: mono Opus at 48 kHz, three frames of 10 ms at 0, 480 and 960. Made with
// `-f lavfi -i sine=f=440:r=48000:d=0.02 -c:a libopus -b:a 16k -frame_duration 10 -bitexact -write_index 0`.
const FFMPEG_NUT_FIXTURE = Uint8Array.from(
	Buffer.from(
		'6e75742f6d756c74696d6564696120636f6e7461696e6572004e4d7a561f' +
			'5f04ad4c030181ff7f010182f700c00006000000000001a0000201012801' +
			'002900010200020101012102018176c00006000000000001060300000104' +
			'000001b602fffa02fffb02fffc02fffd7a1cff034e5311405bf2f9db2b00' +
			'01044f707573000e82f7000000134f707573486561640101380180bb0000' +
			'00000082f70001012ff7a2124e49ab68b596ba7809000000000000000000' +
			'4e49ab68b596ba781f010000000107656e636f646572020c4c617663206c' +
			'69626f7075733c7b20614e4be4adeeca45690600000000000003001c7082' +
			'5b6853155ef55439640eb631408c9a5b914e2192f3d7e8be15450383601a' +
			'70a48cae34aba728dc32e17c14a5a854115ba86e8f6d6137ed5303874019' +
			'70b2bf662a3e27a581ee12dcc2df521c693491b19b9ce7cafe',
		'hex',
	),
);
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
// Invalid parameter sets: NUT does not read them.
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

describe('NutReader with a stream from FFmpeg', () => {
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

	it('reads the same from single bytes', () => {
		expect(read(cut(FFMPEG_NUT_FIXTURE, [1])).frames).toEqual(read([FFMPEG_NUT_FIXTURE]).frames);
	});

	it('does not output a frame before its last byte', () => {
		expect(read([FFMPEG_NUT_FIXTURE.subarray(0, -1)]).frames).toHaveLength(2);
	});

	it('rejects a header with a wrong bit', () => {
		const wrong = FFMPEG_NUT_FIXTURE.slice();
		wrong[40]! ^= 4;
		expect(() => read([wrong])).toThrow('FFmpeg failed (its output cannot be read)');
	});
});

describe('NutReader', () => {
	it.each([OPUS, AAC, VP8, H264])("reads the writer's output for $codec in any pieces", (config) => {
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

	it('reads parameter sets, size and channels from the header', () => {
		const video = read([nutStreamHeader(H264)]).streams[0]!;
		expect([...video.codecSpecificData]).toEqual([0, 0, 0, 1, 0x67, 1, 2, 0, 0, 0, 1, 0x68, 3]);
		expect([video.fourcc, video.widthPixels, video.heightPixels]).toEqual(['H264', 640, 360]);
		const audio = read([nutStreamHeader(AAC)]).streams[0]!;
		expect([...audio.codecSpecificData]).toEqual([0x12, 0x10]);
		expect([audio.fourcc, audio.sampleRate, audio.channelCount]).toEqual(['00ff', 44_100, 2]);
	});

	it('throws only SpillwayErrors, and ends, for any bytes', () => {
		const header = nutStreamHeader(OPUS);
		const start = fc.constantFrom(new Uint8Array(0), header, FFMPEG_NUT_FIXTURE);
		fc.assert(
			fc.property(start, fc.uint8Array({ maxLength: 2000 }), fc.integer({ min: 1, max: 500 }), (first, noise, size) => {
				expectOnlyError('TRANSCODER_FAILED', () => read(cut(Buffer.concat([first, noise]), [size])));
			}),
			{ numRuns: 500 },
		);
	});

	it('throws only SpillwayErrors for a damaged stream', () => {
		const check = (bytes: Uint8Array): void => expectOnlyError('TRANSCODER_FAILED', () => read(cut(bytes, [7])));
		fc.assert(fc.property(damaged(FFMPEG_NUT_FIXTURE), check), { numRuns: 1000 });
	});

	it('rejects a frame header above the size limit, and does not allocate memory by the size', () => {
		expect(() => read([nutStreamHeader(OPUS), nutFrameHeader(0, true, NUT_MAX_PACKET_BYTES + 1)])).toThrow(
			SpillwayError,
		);
		const { reader } = read([nutStreamHeader(OPUS), nutFrameHeader(0, true, NUT_MAX_PACKET_BYTES)]);
		expect(reader.bufferedBytes).toBeLessThan(100);
	});

	it('throws again after the first error', () => {
		const reader = new NutReader({ onStream: () => undefined, onFrame: () => undefined });
		expect(() => reader.push(new Uint8Array(100))).toThrow(SpillwayError);
		expect(() => reader.push(nutStreamHeader(OPUS))).toThrow(SpillwayError);
		expect(reader.bufferedBytes).toBe(0);
	});

	it('rejects a frame before the headers', () => {
		expect(() => read([Buffer.from('nut/multimedia container\0'), Uint8Array.from([1, 2, 3])])).toThrow(
			'a frame came before the headers',
		);
	});
});
