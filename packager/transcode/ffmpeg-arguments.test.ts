/** Unit tests of ffmpeg-arguments.ts. */
import { describe, expect, it } from 'vitest';
import type { VideoTrackConfig } from '../../core/media/codecs.ts';
import { writeSps, type SpsFields } from '../../core/media/testing/h264-writer.ts';
import { audioArguments, outputSize, videoArguments, videoThreadCount } from './ffmpeg-arguments.ts';

const INPUT: VideoTrackConfig = {
	kind: 'video',
	codec: 'h264',
	widthPixels: 1280,
	heightPixels: 720,
	sps: [],
	pps: [],
};
const COMMON_INPUT =
	'-hide_banner -loglevel warning -nostats -nostdin -protocol_whitelist pipe -copyts -analyzeduration 0';
const OUTPUT = { codec: 'h264', gopDurationSeconds: 1, maxBitrateBps: 4_000_000 } as const;

describe('audioArguments', () => {
	it('is the known command for AAC to Opus', () => {
		expect(
			audioArguments({ output: { codec: 'opus', bitrateBps: 128_000, sampleRate: 48_000, channelCount: 2 } }),
		).toEqual({
			input: `${COMMON_INPUT} -f nut`.split(' '),
			output: (
				'-map 0:a:0 -af aresample=48000:async=1:min_hard_comp=0.005 ' +
				'-c:a libopus -application lowdelay -compression_level 5 -frame_duration 20 -b:a 128000 -ac 2 ' +
				'-avoid_negative_ts disabled -write_index 0 -flush_packets 1 -f nut'
			).split(' '),
		});
	});

	it('is the known command for Opus to AAC', () => {
		expect(
			audioArguments({ output: { codec: 'aac', bitrateBps: 160_000, sampleRate: 48_000, channelCount: 2 } }).output,
		).toEqual(
			(
				'-map 0:a:0 -af aresample=48000:async=1:min_hard_comp=0.005 -c:a aac -aac_coder fast -profile:a aac_low -b:a 160000 -ac 2 ' +
				'-avoid_negative_ts disabled -write_index 0 -flush_packets 1 -f nut'
			).split(' '),
		);
	});
});

describe('videoArguments', () => {
	it('is the known command for the re-encode leg', () => {
		const start = 1234.5;
		expect(videoArguments({ input: INPUT, output: { ...OUTPUT, frameRate: 30 } }, 1, start)).toEqual({
			input: `${COMMON_INPUT} -fpsprobesize 0 -threads 1 -thread_type slice -f nut`.split(' '),
			output: (
				"-map 0:v:0 -vf select='isnan(prev_selected_t)+gte(t-prev_selected_t,0.0145)'," +
				'scale=1280:720:flags=fast_bilinear,setsar=1,format=yuv420p -fps_mode passthrough -enc_time_base 1:90000 ' +
				'-c:v libx264 -preset superfast -tune zerolatency -profile:v main -threads 1 ' +
				'-bf 0 -sc_threshold 0 -g 600 -forced-idr 1 -force_key_frames ' +
				'expr:isnan(prev_forced_t)+gt(floor((t+0.501000)/1),floor((prev_forced_t+0.501000)/1)) ' +
				'-crf 23 -maxrate 4000000 -bufsize 2000000 -x264-params fps=30000/1000 ' +
				'-avoid_negative_ts disabled -write_index 0 -flush_packets 1 -f nut'
			).split(' '),
		});
	});

	it('makes pixels square and takes interlaced frames apart', () => {
		const filters = (fields: SpsFields): string => {
			const input = { ...INPUT, widthPixels: 720, heightPixels: 576, sps: [writeSps(fields)] };
			return videoArguments({ input, output: OUTPUT }, 1, 0).output[3]!.replace(/^.*0\.0145\)',/, '');
		};
		expect(filters({ aspectRatio: 4 })).toBe('scale=1048:576:flags=fast_bilinear,setsar=1,format=yuv420p');
		expect(filters({ isInterlaced: true })).toBe(
			'yadif=0:-1:1,scale=720:576:flags=fast_bilinear,setsar=1,format=yuv420p',
		);
	});

	it('has no argument with a space, which fluent-ffmpeg would split', () => {
		const { input, output } = videoArguments({ input: INPUT, output: OUTPUT }, 2, 0);
		expect([...input, ...output].filter((argument) => argument.includes(' '))).toEqual([]);
	});
});

describe('outputSize', () => {
	it.each([
		[1280, 720, undefined, 1280, 720],
		[1920, 1080, 720, 1280, 720],
		[853, 481, undefined, 854, 482],
		[720, 1280, 640, 360, 640],
		[1, 1, undefined, 2, 2],
	])('turns %dx%d at height %s into %dx%d', (widthPixels, heightPixels, height, width, resultHeight) => {
		const output = height === undefined ? OUTPUT : { ...OUTPUT, heightPixels: height };
		expect(outputSize({ input: { ...INPUT, widthPixels, heightPixels }, output })).toEqual({
			widthPixels: width,
			heightPixels: resultHeight,
		});
	});
});

describe('videoThreadCount', () => {
	it.each([
		[1280, 720, 30, 8, 1],
		[1280, 720, 60, 8, 2],
		[1920, 1080, 60, 8, 4],
		[1920, 1080, 60, 2, 2],
		[320, 180, 30, 2, 1],
	])(
		'for %dx%d at %d frames a second and %d cores is %d',
		(widthPixels, heightPixels, frameRate, cpuCount, threads) => {
			const input = { ...INPUT, widthPixels, heightPixels };
			expect(videoThreadCount({ input, output: { ...OUTPUT, frameRate } }, cpuCount)).toBe(threads);
		},
	);
});
