/** Unit tests of ffmpeg-arguments.ts. */
import { describe, expect, it } from 'vitest';
import type { VideoTrackConfig } from '../../core/media/codecs.ts';
import { H264_ENCODER_NAMES } from '../../core/media/transcoder.ts';
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
const COMMON_OUTPUT = '-avoid_negative_ts disabled -write_index 0 -flush_packets 1 -protocol_whitelist unix -f nut';
const OUTPUT = {
	trackId: 'video0',
	codec: 'h264',
	keyFrames: 'timeline',
	gopDurationSeconds: 1,
	maxBitrateBps: 4_000_000,
} as const;
const RUNG = { ...OUTPUT, keyFrames: 'source', frameRate: 60 } as const;
const LADDER = [
	{ ...RUNG, trackId: 'video1', heightPixels: 360, maxFrameRate: 60, maxBitrateBps: 2_000_000 },
	{ ...RUNG, trackId: 'video2', heightPixels: 240, maxFrameRate: 30, maxBitrateBps: 800_000 },
	{ ...RUNG, trackId: 'video3', heightPixels: 160, maxFrameRate: 30, maxBitrateBps: 250_000 },
] as const;

const PROCESS = { encoder: 'libx264', cpuCount: 1, startTimeSeconds: 0 } as const;

describe('audioArguments', () => {
	it('is the known command for AAC to Opus', () => {
		expect(
			audioArguments({ output: { codec: 'opus', bitrateBps: 128_000, sampleRate: 48_000, channelCount: 2 } }),
		).toEqual({
			input: `${COMMON_INPUT} -f nut`.split(' '),
			filters: [],
			outputs: [
				(
					'-map 0:a:0 -af aresample=48000:async=1:min_hard_comp=0.005 ' +
					'-c:a libopus -application lowdelay -compression_level 5 -frame_duration 20 -b:a 128000 -ac 2 ' +
					COMMON_OUTPUT
				).split(' '),
			],
		});
	});

	it('is the known command for Opus to AAC', () => {
		expect(
			audioArguments({ output: { codec: 'aac', bitrateBps: 160_000, sampleRate: 48_000, channelCount: 2 } }).outputs,
		).toEqual([
			(
				'-map 0:a:0 -af aresample=48000:async=1:min_hard_comp=0.005 -c:a aac -aac_coder fast -profile:a aac_low -b:a 160000 -ac 2 ' +
				COMMON_OUTPUT
			).split(' '),
		]);
	});
});

describe('videoArguments', () => {
	it('is the known command for the re-encode leg', () => {
		expect(
			videoArguments(
				{ input: INPUT, outputs: [{ ...OUTPUT, frameRate: 30 }] },
				{ ...PROCESS, startTimeSeconds: 1234.5 },
			),
		).toEqual({
			input: `${COMMON_INPUT} -fpsprobesize 0 -threads 1 -thread_type slice -filter_complex_threads 1 -f nut`.split(
				' ',
			),
			filters: [
				'[0:v:0]null[kept0]',
				"[kept0]select='isnan(prev_selected_t)" +
					'+gt(floor((t+0.00000556)/1),floor((prev_t+0.00000556)/1))+gte(t-prev_selected_t,0.0133278)' +
					"'[in0]",
				'[in0]scale=1280:720:flags=fast_bilinear,setsar=1,format=yuv420p[out0]',
			],
			outputs: [
				(
					'-map [out0] -fps_mode passthrough -enc_time_base 1:90000 ' +
					'-c:v libx264 -preset superfast -tune zerolatency -profile:v main -threads 1 -sc_threshold 0 ' +
					'-forced-idr 1 -crf 23 -maxrate 4000000 -bufsize 2000000 -x264-params fps=30000/1000 ' +
					'-bf 0 -g 600 -force_key_frames ' +
					'expr:isnan(prev_forced_t)+gt(floor((t+0.50000556)/1),floor((prev_forced_t+0.50000556)/1)) ' +
					COMMON_OUTPUT
				).split(' '),
			],
		});
	});

	it('is the known command for a ladder: one decoder, the same pictures for all rungs of a rate', () => {
		const { filters, outputs } = videoArguments({ input: INPUT, outputs: LADDER }, { ...PROCESS, cpuCount: 2 });
		expect(filters).toEqual([
			'[0:v:0]split=2[kept0][kept1]',
			"[kept0]select='isnan(prev_selected_t)+gt(key,0)+gte(t-prev_selected_t,0.0133278)'[in0]",
			"[kept1]select='isnan(prev_selected_t)+gt(key,0)+gte(t-prev_selected_t,0.0266611)',split=2[in1][in2]",
			'[in0]scale=640:360:flags=fast_bilinear,setsar=1,format=yuv420p[out0]',
			'[in1]scale=426:240:flags=fast_bilinear,setsar=1,format=yuv420p[out1]',
			'[in2]scale=284:160:flags=fast_bilinear,setsar=1,format=yuv420p[out2]',
		]);
		expect(outputs[1]).toEqual(
			(
				'-map [out1] -fps_mode passthrough -enc_time_base 1:90000 ' +
				'-c:v libx264 -preset superfast -tune zerolatency -profile:v main -threads 1 -sc_threshold 0 ' +
				'-forced-idr 1 -crf 23 -maxrate 800000 -bufsize 400000 -x264-params fps=30000/1000 ' +
				'-bf 0 -g 30 -force_key_frames source ' +
				COMMON_OUTPUT
			).split(' '),
		);
	});

	it('opens the device of a graphics card, hands it the pictures, and gives a slower rung its bits', () => {
		const { input, filters, outputs } = videoArguments(
			{ input: INPUT, outputs: LADDER },
			{ ...PROCESS, encoder: 'h264_vaapi' },
		);
		expect(input.join(' ')).toContain('-init_hw_device vaapi=gpu -filter_hw_device gpu -f nut');
		expect(filters.at(-1)).toBe('[in2]scale=284:160:flags=fast_bilinear,setsar=1,format=nv12,hwupload[out2]');
		const rates = outputs.map((words) =>
			['-b:v', '-maxrate', '-bufsize'].map((name) => words[words.indexOf(name) + 1]),
		);
		// Those of 30 pictures a second believe in 60.
		expect(rates).toEqual([
			['1600000', '2000000', '1000000'],
			['1280000', '1600000', '400000'],
			['400000', '500000', '125000'],
		]);
	});

	it.each(H264_ENCODER_NAMES)('has no B-frames and the key frames asked for with %s', (encoder) => {
		for (const words of videoArguments({ input: INPUT, outputs: LADDER }, { ...PROCESS, encoder }).outputs) {
			expect(words.join(' ')).toContain(`-c:v ${encoder} `);
			expect(words.join(' ')).toMatch(/-bf 0 -g \d+ -force_key_frames source /);
		}
	});

	it('makes pixels square and takes interlaced frames apart, before any is left out', () => {
		const filters = (fields: SpsFields): string[] => {
			const input = { ...INPUT, widthPixels: 720, heightPixels: 576, sps: [writeSps(fields)] };
			return videoArguments({ input, outputs: [OUTPUT] }, PROCESS).filters;
		};
		expect(filters({ aspectRatio: 4 }).at(-1)).toBe(
			'[in0]scale=1048:576:flags=fast_bilinear,setsar=1,format=yuv420p[out0]',
		);
		expect(filters({ isInterlaced: true })[0]).toBe('[0:v:0]yadif=0:-1:1[kept0]');
	});

	// The number of pictures between two key frames is that of the output's rate.
	it.each([
		[60, 60, '60', '60000/1000'],
		[60, 30, '30', '30000/1000'],
		[50, 30, '25', '25000/1000'],
		[30, 30, '30', '30000/1000'],
		[24, 30, '24', '24000/1000'],
		[120, 60, '60', '60000/1000'],
		[undefined, 30, '30', '30000/1000'],
	])(
		'of %s pictures a second and at most %d, has a key frame after %s and a rate of %s',
		(frameRate, max, gop, hint) => {
			const output = { ...RUNG, maxFrameRate: max, frameRate: frameRate as number };
			const words = videoArguments({ input: INPUT, outputs: [output] }, PROCESS).outputs[0]!;
			expect([words[words.indexOf('-g') + 1], words[words.indexOf('-x264-params') + 1]]).toEqual([gop, `fps=${hint}`]);
		},
	);

	it('has no argument with a space, which fluent-ffmpeg would split', () => {
		const all = H264_ENCODER_NAMES.flatMap((encoder) => {
			const { input, filters, outputs } = videoArguments({ input: INPUT, outputs: LADDER }, { ...PROCESS, encoder });
			return [...input, ...filters, ...outputs.flat()];
		});
		expect(all.filter((argument) => argument.includes(' ') || argument === '')).toEqual([]);
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
		const output = height === undefined ? {} : { heightPixels: height };
		expect(outputSize({ ...INPUT, widthPixels, heightPixels }, output)).toEqual({
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
			expect(videoThreadCount(input, { ...OUTPUT, frameRate }, cpuCount)).toBe(threads);
		},
	);
});
