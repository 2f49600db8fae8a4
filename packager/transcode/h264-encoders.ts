/** What each H.264 encoder needs for live pictures: no delay, no B-frames, IDR pictures where asked for. Pure. */
import type { H264EncoderName } from '../../core/media/transcoder.ts';

/** Of one output. */
type OutputRate = {
	/** Ceiling. */
	maxBitrateBps: number;
	/** Pictures a second of the output, and those that FFmpeg takes for its rate, which are the input's. */
	frameRate: number;
	inputFrameRate: number;
	/** Slices that are encoded at once. */
	threadCount: number;
};

type H264Encoder = {
	/** Options before the input; empty where the encoder finds its device. */
	device: string;
	/** The last filters: the form in which the encoder takes pictures. */
	pixels: string;
	/** Options of the output, but for the places of its key frames. */
	options(rate: OutputRate): string;
};

/** Encoders without a constant quality aim at this share of the ceiling. */
const TARGET_SHARE = 0.8;

/** The options are FFmpeg 5.1's, and still those of FFmpeg 8. */
export const H264_ENCODERS: Readonly<Record<H264EncoderName, H264Encoder>> = {
	h264_nvenc: {
		device: '',
		pixels: 'format=yuv420p',
		options: (rate) =>
			`-c:v h264_nvenc -preset p2 -tune ull -profile:v main -zerolatency 1 -delay 0 -rc-lookahead 0 ` +
			`-forced-idr 1 -rc vbr -cq 26 -b:v 0 ${ceiling(rate)}`,
	},
	h264_qsv: {
		device: '',
		pixels: 'format=nv12',
		options: (rate) =>
			`-c:v h264_qsv -preset veryfast -profile:v main -async_depth 1 -look_ahead 0 -forced_idr 1 ` +
			`${target(rate)} ${ceiling(rate)}`,
	},
	h264_vaapi: {
		// The first device that works.
		device: '-init_hw_device vaapi=gpu -filter_hw_device gpu',
		pixels: 'format=nv12,hwupload',
		options: (rate) =>
			`-c:v h264_vaapi -profile:v main -async_depth 1 -idr_interval 0 -rc_mode VBR ${target(rate)} ${ceiling(rate)}`,
	},
	h264_videotoolbox: {
		device: '',
		pixels: 'format=nv12',
		options: (rate) =>
			`-c:v h264_videotoolbox -profile:v main -realtime 1 -allow_sw 0 ${target(rate)} ${ceiling(rate)}`,
	},
	h264_v4l2m2m: {
		device: '',
		pixels: 'format=yuv420p',
		// It has no ceiling.
		options: (rate) => `-c:v h264_v4l2m2m ${target(rate)}`,
	},
	libx264: {
		device: '',
		pixels: 'format=yuv420p',
		options: ({ maxBitrateBps, frameRate, threadCount }) =>
			`-c:v libx264 -preset superfast -tune zerolatency -profile:v main -threads ${threadCount} ` +
			`-sc_threshold 0 -forced-idr 1 -crf 23 -maxrate ${maxBitrateBps} -bufsize ${Math.round(maxBitrateBps / 2)} ` +
			// Only x264 takes the output's own rate.
			`-x264-params fps=${Math.round(frameRate * 1000)}/1000`,
	},
};

// Rate control counts pictures, and all but x264 take the input's rate for the output's. So an output of every second
// picture gets its bits with twice the rate.
function scaled(bitrateBps: number, { frameRate, inputFrameRate }: OutputRate): number {
	return Math.round((bitrateBps * inputFrameRate) / frameRate);
}

function ceiling(rate: OutputRate): string {
	return `-maxrate ${scaled(rate.maxBitrateBps, rate)} -bufsize ${Math.round(rate.maxBitrateBps / 2)}`;
}

function target(rate: OutputRate): string {
	return `-b:v ${scaled(rate.maxBitrateBps * TARGET_SHARE, rate)}`;
}
