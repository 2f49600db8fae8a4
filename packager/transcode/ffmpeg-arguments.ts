/** FFmpeg's command lines as data. Pure: options in, arguments out. */
import { displaySize, spsFacts, type VideoTrackConfig } from '../../core/media/codecs.ts';
import { leastIntervalSeconds, MAX_ENCODED_FRAME_RATE } from '../../core/media/rung.ts';
import type {
	AudioTranscodeOptions,
	H264EncoderName,
	VideoEncoderOutput,
	VideoTranscodeOptions,
} from '../../core/media/transcoder.ts';
import { VIDEO_CLOCK_RATE } from '../../core/units.ts';
import { H264_ENCODERS } from './h264-encoders.ts';

/** Arguments around the one input and the outputs, as fluent-ffmpeg wants them. No argument contains a space. */
export type FfmpegArguments = {
	input: string[];
	/** A source of FFmpeg's own instead of our bytes. */
	source?: string;
	/** Chains of the filter graph between the input and the outputs; empty where outputs take the input itself. */
	filters: string[];
	/** For each output. */
	outputs: string[][];
};

/** Opus complexity, 0–10. AAC to 128 kbit/s stereo takes 5, 7.5 and 11 ms of CPU per second of sound at 0, 5 and 10. */
const OPUS_COMPLEXITY = 5;
/** From this on AAC in stereo is coded the quick way. */
const FAST_AAC_BPS = 128_000;
/** Frame rate assumed until the source's is known. */
const DEFAULT_FRAME_RATE = 30;
/** Where -force_key_frames places all key frames, the encoder's own limit, in frames, must never be reached before. */
const MAX_GOP_SECONDS = 10;
/** Half a tick: FFmpeg has times as binary fractions, and no picture may lie on a border only almost. */
const HALF_TICK_SECONDS = 0.5 / VIDEO_CLOCK_RATE;

// Nothing is probed: format and codec parameters are in the NUT header. Never `-fflags nobuffer`: FFmpeg 5.1 then
// discards the packets that it looked at, the first key frame among them.
// The whitelists keep untrusted media from opening what they name (playlists, other files).
export const COMMON_INPUT =
	'-hide_banner -loglevel warning -nostats -nostdin -protocol_whitelist pipe -copyts -analyzeduration 0';
// No index: FFmpeg collects it in memory for as long as it runs.
export const COMMON_OUTPUT =
	'-avoid_negative_ts disabled -write_index 0 -flush_packets 1 -protocol_whitelist unix -f nut';

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
			: // At a high bitrate as good as the default coder, for half of the time (docs/decisions.md).
				`aac${bitrateBps >= FAST_AAC_BPS ? ' -aac_coder fast' : ''} -profile:a aac_low`;
	const output = words(
		`-map 0:a:0 -af ${resample}`,
		`-c:a ${encoder} -b:a ${bitrateBps} -ac ${channelCount}`,
		COMMON_OUTPUT,
	);
	return { input: words(COMMON_INPUT, '-f nut'), filters: [], outputs: [output] };
}

/** What one process works with, and where it begins. */
type VideoProcessOptions = {
	encoder: H264EncoderName;
	/** Cores that it may use. */
	cpuCount: number;
	/** Of its first picture, on the broadcast's timeline: there, multiples of the GOP have key frames. */
	startTimeSeconds: number;
};

/** For one decoded picture and its outputs. */
export function videoArguments(
	{ input, outputs }: Pick<VideoTranscodeOptions, 'input' | 'outputs'>,
	{ encoder, cpuCount, startTimeSeconds }: VideoProcessOptions,
): FfmpegArguments {
	const { device, pixels, options } = H264_ENCODERS[encoder];
	return {
		// Frame threads hold back a picture each. Never `-flags low_delay` when there may be B-frames.
		input: words(
			COMMON_INPUT,
			'-fpsprobesize 0 -threads 1 -thread_type slice -filter_complex_threads 1',
			device,
			'-f nut',
		),
		filters: filterGraph(input, outputs, pixels),
		outputs: outputs.map((output, index) => {
			const { maxBitrateBps } = output;
			const frameRate = outputFrameRate(output);
			// The outputs take turns, so that the slices of one at a time are encoded at once.
			const threadCount = videoThreadCount(input, output, cpuCount);
			return words(
				`-map [out${index}]`,
				// Every picture with its own time, to the tick.
				'-fps_mode passthrough -enc_time_base 1:90000',
				options({ maxBitrateBps, frameRate, inputFrameRate: inputFrameRate([output]), threadCount }),
				`-bf 0 -g ${gopPictures(output)} -force_key_frames ${forcedKeyFrames(output, startTimeSeconds)}`,
				COMMON_OUTPUT,
			);
		}),
	};
}

/** Pictures a second that FFmpeg is to take for the input's: without a rate it assumes 90 000. */
export function inputFrameRate(outputs: readonly VideoEncoderOutput[]): number {
	return outputs.find(({ frameRate }) => frameRate !== undefined)?.frameRate ?? DEFAULT_FRAME_RATE;
}

/** Size of the output pictures: even numbers, in the shape in which the input is shown. @internal for tests */
export function outputSize(
	input: VideoTrackConfig,
	output: Pick<VideoEncoderOutput, 'heightPixels'>,
): { widthPixels: number; heightPixels: number } {
	const shown = displaySize(input);
	const heightPixels = output.heightPixels ?? shown.heightPixels;
	const widthPixels = (shown.widthPixels * heightPixels) / shown.heightPixels;
	return { widthPixels: toEven(widthPixels), heightPixels: toEven(heightPixels) };
}

/**
 * Slices of an output of this size: one while a core easily keeps up, because each slice costs bits and hand-overs.
 * @internal for tests
 */
export function videoThreadCount(input: VideoTrackConfig, output: VideoEncoderOutput, cpuCount: number): number {
	const { widthPixels, heightPixels } = outputSize(input, output);
	const pixelsPerSecond = widthPixels * heightPixels * outputFrameRate(output);
	return Math.max(1, Math.min(cpuCount, Math.round(pixelsPerSecond / (1280 * 720 * 30)), 4));
}

// One decoded picture to all outputs. Those that keep the same pictures share their selection.
function filterGraph(input: VideoTrackConfig, outputs: readonly VideoEncoderOutput[], pixels: string): string[] {
	const indexesBySelection = new Map<string, number[]>();
	outputs.forEach((output, index) => {
		const selection = selectFilter(output);
		indexesBySelection.set(selection, [...(indexesBySelection.get(selection) ?? []), index]);
	});
	const selections = [...indexesBySelection].map(([filter, indexes], index) => ({
		name: `kept${index}`,
		filter,
		names: indexes.map((output) => `in${output}`),
	}));
	// Only frames that are marked as interlaced; one out for one in.
	const deinterlace = spsFacts(input)?.isInterlaced === true ? ['yadif=0:-1:1'] : [];
	return [
		chain(
			'0:v:0',
			deinterlace,
			selections.map(({ name }) => name),
		),
		...selections.map(({ name, filter, names }) => chain(name, [filter], names)),
		...outputs.map((output, index) => {
			const { widthPixels, heightPixels } = outputSize(input, output);
			// A fixed size even where it is the input's: FFmpeg rebuilds this chain when the input's size changes, but an
			// open encoder cannot change its own. Square pixels, because browsers know no others over WebRTC.
			const scale = `scale=${widthPixels}:${heightPixels}:flags=fast_bilinear`;
			return chain(`in${index}`, [scale, 'setsar=1', pixels], [`out${index}`]);
		}),
	];
}

function chain(from: string, filters: readonly string[], to: readonly string[]): string {
	const all = to.length > 1 ? [...filters, `split=${to.length}`] : filters;
	return `[${from}]${(all.length > 0 ? all : ['null']).join(',')}${to.map((name) => `[${name}]`).join('')}`;
}

// Never `fps` or `framestep`: they lose the key frames that are not on their grid. A picture that becomes a key frame
// is kept at every rate, so that all outputs have the same.
function selectFilter({ keyFrames, gopDurationSeconds, maxFrameRate }: VideoEncoderOutput): string {
	const gopNumber = (time: string): string => `floor((${time}+${seconds(HALF_TICK_SECONDS)})/${gopDurationSeconds})`;
	const isKeyFrame = keyFrames === 'source' ? 'gt(key,0)' : `gt(${gopNumber('t')},${gopNumber('prev_t')})`;
	const leastSeconds = leastIntervalSeconds(maxFrameRate ?? MAX_ENCODED_FRAME_RATE);
	return `select='isnan(prev_selected_t)+${isKeyFrame}+gte(t-prev_selected_t,${leastSeconds})'`;
}

function forcedKeyFrames({ keyFrames, gopDurationSeconds }: VideoEncoderOutput, startTimeSeconds: number): string {
	if (keyFrames === 'source') {
		return 'source';
	}
	// FFmpeg counts `t` in this expression from its first picture, despite -copyts.
	const phase = seconds((startTimeSeconds % gopDurationSeconds) + HALF_TICK_SECONDS);
	const gopNumber = (time: string): string => `floor((${time}+${phase})/${gopDurationSeconds})`;
	return `expr:isnan(prev_forced_t)+gt(${gopNumber('t')},${gopNumber('prev_forced_t')})`;
}

function gopPictures(output: VideoEncoderOutput): number {
	return output.keyFrames === 'source'
		? Math.max(1, Math.round(output.gopDurationSeconds * outputFrameRate(output)))
		: MAX_ENCODED_FRAME_RATE * MAX_GOP_SECONDS;
}

/** Pictures a second that remain of the input's. */
function outputFrameRate({
	frameRate = DEFAULT_FRAME_RATE,
	maxFrameRate = MAX_ENCODED_FRAME_RATE,
}: VideoEncoderOutput): number {
	return frameRate / Math.max(1, Math.ceil(frameRate * leastIntervalSeconds(maxFrameRate)));
}

function seconds(value: number): string {
	return value.toFixed(8);
}

function toEven(pixels: number): number {
	return Math.max(2, Math.round(pixels / 2) * 2);
}

/** The arguments of a command line without quotes. */
export function words(...texts: readonly string[]): string[] {
	return texts.flatMap((text) => text.split(' ')).filter((word) => word !== '');
}
