/** FFmpeg's command lines as data. Pure: options in, arguments out. */
import { displaySize, spsFacts } from '../../core/media/codecs.ts';
import type { AudioTranscodeOptions, VideoTranscodeOptions } from '../../core/media/transcoder.ts';

/** Arguments around the one input and the one output, as fluent-ffmpeg wants them. No argument contains a space. */
export type FfmpegArguments = { input: string[]; output: string[] };

/** Opus complexity, 0–10. AAC to 128 kbit/s stereo takes 5, 7.5 and 11 ms of CPU per second of sound at 0, 5 and 10. */
const OPUS_COMPLEXITY = 5;
/** Frame rate assumed until the source's is known. */
const DEFAULT_FRAME_RATE = 30;
/** The highest frame rate that leaves; a faster source loses pictures. */
const MAX_FRAME_RATE = 60;
// A picture is kept if it comes at least this long after the last kept one. So 60 Hz in RTMP's whole milliseconds
// passes, 72 Hz and more does not.
const MIN_FRAME_INTERVAL_SECONDS = 0.0145;
// -force_key_frames places the key frames; x264's own limit, in frames, must never be reached before.
const MAX_GOP_SECONDS = 10;
// Timestamps are multiplied by a time base that is no exact binary fraction, so a whole second may come out a little
// short.
const TIME_EPSILON_SECONDS = 0.001;

// Nothing is probed: format and codec parameters are in the NUT header. Never `-fflags nobuffer`: FFmpeg 5.1 then
// discards the packets that it looked at, the first key frame among them.
// The whitelist keeps untrusted media from opening what they name (playlists, other files).
const COMMON_INPUT =
	'-hide_banner -loglevel warning -nostats -nostdin -protocol_whitelist pipe -copyts -analyzeduration 0';
// No index: FFmpeg collects it in memory for as long as it runs.
const COMMON_OUTPUT = '-avoid_negative_ts disabled -write_index 0 -flush_packets 1 -f nut';

/** For one audio leg. */
export function audioArguments(options: Pick<AudioTranscodeOptions, 'output'>): FfmpegArguments {
	const { codec, bitrateBps, sampleRate, channelCount, frameDurationMs = 20 } = options.output;
	// async=1 fills holes with silence and cuts overlaps, so that sound after a lost packet stays in sync. Jitter below
	// min_hard_comp (RTMP rounds to milliseconds) is ignored and comes out as an even sample count.
	const resample = `aresample=${sampleRate}:async=1:min_hard_comp=0.005`;
	const encoder =
		codec === 'opus'
			? // CELT's shortest look-ahead: 120 samples instead of 312. At these bitrates libopus chooses no other mode.
				`libopus -application lowdelay -compression_level ${OPUS_COMPLEXITY} -frame_duration ${frameDurationMs}`
			: // At this bitrate as good as the default coder, for half of the time (docs/decisions.md).
				'aac -aac_coder fast -profile:a aac_low';
	return {
		input: words(COMMON_INPUT, '-f nut'),
		output: words(
			`-map 0:a:0 -af ${resample}`,
			`-c:a ${encoder} -b:a ${bitrateBps} -ac ${channelCount}`,
			COMMON_OUTPUT,
		),
	};
}

/**
 * For one video leg. `threadCount`: slices that x264 encodes at once. `startTimeSeconds`: time on the broadcast's
 * timeline of the process's first picture; key frames fall on multiples of the GOP there.
 */
export function videoArguments(
	options: Pick<VideoTranscodeOptions, 'input' | 'output'>,
	threadCount: number,
	startTimeSeconds: number,
): FfmpegArguments {
	const { maxBitrateBps, gopDurationSeconds } = options.output;
	const { widthPixels, heightPixels } = outputSize(options);
	const select = `select='isnan(prev_selected_t)+gte(t-prev_selected_t,${MIN_FRAME_INTERVAL_SECONDS})'`;
	// A fixed size even where it is the input's: FFmpeg rebuilds this chain when the input's size changes, but an open
	// encoder cannot change its own. Square pixels, because browsers know no others over WebRTC.
	const scale = `scale=${widthPixels}:${heightPixels}:flags=fast_bilinear,setsar=1`;
	// Only frames that are marked as interlaced; one out for one in.
	const deinterlace = spsFacts(options.input)?.isInterlaced === true ? 'yadif=0:-1:1,' : '';
	// FFmpeg counts `t` in this expression from its first picture, despite -copyts.
	const phaseSeconds = (startTimeSeconds % gopDurationSeconds) + TIME_EPSILON_SECONDS;
	const gopNumber = (time: string): string => `floor((${time}+${phaseSeconds.toFixed(6)})/${gopDurationSeconds})`;
	const keyFrames = `expr:isnan(prev_forced_t)+gt(${gopNumber('t')},${gopNumber('prev_forced_t')})`;
	return {
		// Frame threads hold back a picture each. Never `-flags low_delay` when there may be B-frames.
		input: words(COMMON_INPUT, '-fpsprobesize 0 -threads 1 -thread_type slice -f nut'),
		output: words(
			`-map 0:v:0 -vf ${select},${deinterlace}${scale},format=yuv420p`,
			// Every picture with its own time, to the tick.
			'-fps_mode passthrough -enc_time_base 1:90000',
			`-c:v libx264 -preset superfast -tune zerolatency -profile:v main -threads ${threadCount}`,
			`-bf 0 -sc_threshold 0 -g ${MAX_FRAME_RATE * MAX_GOP_SECONDS}`,
			`-forced-idr 1 -force_key_frames ${keyFrames}`,
			`-crf 23 -maxrate ${maxBitrateBps} -bufsize ${Math.round(maxBitrateBps / 2)}`,
			frameRateHint(options.output.frameRate),
			COMMON_OUTPUT,
		),
	};
}

/** Size of the output pictures: even numbers, in the shape in which the input is shown. @internal for tests */
export function outputSize(options: Pick<VideoTranscodeOptions, 'input' | 'output'>): {
	widthPixels: number;
	heightPixels: number;
} {
	const shown = displaySize(options.input);
	const heightPixels = options.output.heightPixels ?? shown.heightPixels;
	const widthPixels = (shown.widthPixels * heightPixels) / shown.heightPixels;
	return { widthPixels: toEven(widthPixels), heightPixels: toEven(heightPixels) };
}

/** Slices for a leg of this size: one while a core easily keeps up, because each slice costs bits and hand-overs. */
export function videoThreadCount(options: Pick<VideoTranscodeOptions, 'input' | 'output'>, cpuCount: number): number {
	const { widthPixels, heightPixels } = outputSize(options);
	const pixelsPerSecond =
		widthPixels * heightPixels * Math.min(MAX_FRAME_RATE, options.output.frameRate ?? DEFAULT_FRAME_RATE);
	return Math.max(1, Math.min(cpuCount, Math.round(pixelsPerSecond / (1280 * 720 * 30)), 4));
}

// Without a rate in the stream x264 assumes the time base, 90 000 pictures a second. Under a bitrate limit it gives
// each of them almost nothing: a grey picture. Timestamps do not depend on it.
function frameRateHint(frameRate = DEFAULT_FRAME_RATE): string {
	return `-x264-params fps=${Math.round(Math.min(frameRate, MAX_FRAME_RATE) * 1000)}/1000`;
}

function toEven(pixels: number): number {
	return Math.max(2, Math.round(pixels / 2) * 2);
}

function words(...texts: readonly string[]): string[] {
	return texts.join(' ').split(' ');
}
