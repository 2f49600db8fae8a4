/** The FFmpeg options of the bench's encoders. Pure text, so that reports can show it. */
import { AAC_FRAME_SAMPLES } from '../../core/units.ts';
import type { SourceFormat } from './source-loop.ts';

export type EncoderSettings = SourceFormat & {
	/**
	 * `low-latency`: x264 ultrafast, zerolatency, no B-frames, so that the encoder's own delay is small.
	 * `b-frames`: the same with two B-frames, which are its only delay.
	 * `obs-rtmp-defaults`: x264 veryfast High with two B-frames and, without `gopSeconds`, a GOP of 250 frames.
	 */
	profile: 'low-latency' | 'b-frames' | 'obs-rtmp-defaults';
	/** Seconds between key frames. Undefined: 250 frames, which is x264's and OBS's default. */
	gopSeconds: number | undefined;
	videoBitrateBps: number;
	audioBitrateBps: number;
	/** See {@link SourceLoop}; 0 for a sound card. */
	soundLeadMs: number;
	/** See {@link EncoderProcess.patienceMs}; by default 0, because a measurement is void without its pictures. */
	patienceMs?: number;
};

/** Milliseconds that FFmpeg's AAC encoder holds: the frame being filled and the one before. */
export function aacDelayMs(sampleRate: number): number {
	return (2 * AAC_FRAME_SAMPLES * 1000) / sampleRate;
}

/** 720p30 with a GOP of 2 s, as in the tables of docs/performance.md. */
export const BENCH_SETTINGS: EncoderSettings = {
	widthPixels: 1280,
	heightPixels: 720,
	frameRate: 30,
	sampleRate: 48_000,
	profile: 'low-latency',
	gopSeconds: 2,
	videoBitrateBps: 2_500_000,
	audioBitrateBps: 128_000,
	soundLeadMs: aacDelayMs(48_000),
};

/** x264's and OBS's default key-frame interval. */
const DEFAULT_GOP_FRAMES = 250;

/** Input options: NUT of raw tracks on standard input. Without probing, which delays the first pictures. */
export const RAW_INPUT: readonly string[] = [
	...['-probesize', '32', '-analyzeduration', '0', '-fpsprobesize', '0', '-fflags', 'nobuffer'],
	...['-f', 'nut', '-i', 'pipe:0'],
];

export function videoEncoder(settings: EncoderSettings): string[] {
	const gopFrames =
		settings.gopSeconds === undefined ? DEFAULT_GOP_FRAMES : Math.round(settings.gopSeconds * settings.frameRate);
	const rate = String(settings.videoBitrateBps);
	const common = [
		...['-vsync', 'cfr', '-r', String(settings.frameRate), '-c:v', 'libx264', '-pix_fmt', 'yuv420p'],
		...['-g', String(gopFrames), '-b:v', rate, '-maxrate', rate],
	];
	if (settings.profile === 'low-latency') {
		// One thread and no slices: 720p takes some 3 ms, and slices add more hand-overs between threads than they save.
		return [
			...common,
			...['-bufsize', String(Math.round(settings.videoBitrateBps / 4)), '-preset', 'ultrafast', '-tune', 'zerolatency'],
			...['-bf', '0', '-keyint_min', String(gopFrames), '-sc_threshold', '0', '-threads', '1'],
		];
	}
	if (settings.profile === 'b-frames') {
		return [
			...common,
			...['-bufsize', rate, '-preset', 'ultrafast', '-bf', '2', '-rc-lookahead', '0', '-b_strategy', '0'],
			...['-keyint_min', String(gopFrames), '-sc_threshold', '0', '-threads', '1'],
		];
	}
	return [...common, '-bufsize', rate, '-preset', 'veryfast', '-profile:v', 'high', '-bf', '2'];
}

/** One line for reports. */
export function describeSettings(settings: EncoderSettings): string {
	const gop = settings.gopSeconds === undefined ? `${DEFAULT_GOP_FRAMES} frames` : `${settings.gopSeconds} s`;
	const encoder = {
		'low-latency': 'x264 ultrafast zerolatency, no B-frames',
		'b-frames': 'x264 ultrafast, two B-frames',
		'obs-rtmp-defaults': 'x264 veryfast High, two B-frames',
	}[settings.profile];
	const size = `${settings.widthPixels}x${settings.heightPixels}`;
	return `${size} at ${settings.frameRate} frames/s, ${encoder}, GOP ${gop}, ${settings.sampleRate / 1000} kHz sound`;
}

/** For tests, which do not measure time: small, and a busy machine may leave pictures out. */
export const TEST_SETTINGS: EncoderSettings = {
	...BENCH_SETTINGS,
	widthPixels: 320,
	heightPixels: 180,
	videoBitrateBps: 300_000,
	gopSeconds: 1,
	patienceMs: 10_000,
};
