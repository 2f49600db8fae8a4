/** The sound of a clip: frames of the source where they are of one kind and without holes, else encoded again. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { isSameConfig, type AudioTrackConfig } from '../../core/media/codecs.ts';
import { AAC_FRAME_SAMPLES } from '../../core/units.ts';
import { nutFrameHeader, nutHeader, nutStreamHeader } from '../../core/wire/nut/nut-writer.ts';
import { runPictures } from '../pictures/picture-process.ts';
import { silentAacFrame } from '../segmenting/track-writer.ts';
import { audioArguments, COMMON_INPUT, COMMON_OUTPUT, words } from '../transcode/ffmpeg-arguments.ts';
import type { FilledTrack } from './clip-file.ts';
import type { LoadedFrame } from './clip-source.ts';
import { isContinuous, planSound } from './sound-plan.ts';
import type { Spool } from './spool.ts';

type SoundOptions = { startSeconds: number; endSeconds: number; spool: Spool; clock: Clock; signal: AbortSignal };

/** Of sound that is encoded again: AAC-LC in stereo. */
const MIXED: AudioTrackConfig = {
	kind: 'audio',
	codec: 'aac',
	sampleRate: 48_000,
	channelCount: 2,
	audioSpecificConfig: Uint8Array.of(0x11, 0x90),
};
const MIXED_BPS = 192_000;
/** 16 bits for each of two channels. */
const BYTES_PER_SAMPLE = 4;
/** FFmpeg's name of such samples in NUT: "PSD", and their bits. */
const PCM_FOURCC = Uint8Array.of(0x50, 0x53, 0x44, 16);
const PCM_FRAME_SAMPLES = 4096;
/** An encoder's first frame begins before its input, and no time is negative. */
const OFFSET_SECONDS = 10;
const TIMEOUT_MS = 120_000;

/** The sound of the clip; undefined where it has none. Throws TRANSCODER_FAILED when FFmpeg fails. */
export async function makeSound(
	loaded: readonly LoadedFrame[],
	options: SoundOptions,
): Promise<FilledTrack | undefined> {
	const copied = loaded.length === 0 ? undefined : await arrange(loaded, loaded[0]!.config, options);
	if (copied !== 'mix') {
		return copied;
	}
	const mixed = await arrange(await mixSound(loaded, options), MIXED, options);
	return mixed === 'mix' ? undefined : mixed;
}

/** A track of the frames as they are; `mix` when they cannot be one. */
async function arrange(
	frames: readonly LoadedFrame[],
	config: AudioTrackConfig,
	{ startSeconds, endSeconds, spool }: SoundOptions,
): Promise<FilledTrack | undefined | 'mix'> {
	const { sampleRate } = config;
	if (!frames.every((frame) => isSameConfig(frame.config, config)) || !isContinuous(frames, sampleRate)) {
		return 'mix';
	}
	const plan = planSound(frames, { startTicks: startSeconds * sampleRate, endTicks: endSeconds * sampleRate });
	if (plan === undefined) {
		return undefined;
	}
	const silence = silentAacFrame(config);
	if (silence === undefined && plan.frames.some(({ index }) => index === undefined)) {
		return 'mix';
	}
	const silent = await spool.append(silence ?? new Uint8Array(0));
	const stored = plan.frames.map(({ index }) => (index === undefined ? silent : frames[index]!.stored));
	return {
		config,
		samples: plan.frames.map(({ durationTicks }, index) => ({
			sizeBytes: stored[index]!.sizeBytes,
			durationTicks,
			compositionOffsetTicks: 0,
			isSync: true,
		})),
		stored,
		startTicks: plan.startTicks,
	};
}

/**
 * Decodes each stretch, puts it to its place between silence, to the sample, and encodes all again. Whole frames cannot
 * do that: two stretches are seldom whole frames apart.
 */
async function mixSound(loaded: readonly LoadedFrame[], options: SoundOptions): Promise<LoadedFrame[]> {
	const { startSeconds, endSeconds } = options;
	// A clip is bounded, and so is this: 17 MB in 90 s.
	const samples = Buffer.alloc(Math.ceil((endSeconds - startSeconds) * MIXED.sampleRate) * BYTES_PER_SAMPLE);
	for (let from = 0; from < loaded.length;) {
		let end = from + 1;
		while (end < loaded.length && isStretch(loaded.slice(end - 1, end + 1))) {
			end++;
		}
		await decode(loaded.slice(from, end), options, (bytes, seconds) => {
			const at = Math.round((seconds - startSeconds) * MIXED.sampleRate) * BYTES_PER_SAMPLE;
			samples.set(
				bytes.subarray(Math.min(bytes.length, Math.max(0, -at)), Math.max(0, samples.length - at)),
				Math.min(samples.length, Math.max(0, at)),
			);
		});
		from = end;
	}
	return encode(samples, options);
}

function isStretch(frames: readonly LoadedFrame[]): boolean {
	const { config } = frames[0]!;
	return frames.every((frame) => isSameConfig(frame.config, config)) && isContinuous(frames, config.sampleRate);
}

async function decode(
	frames: readonly LoadedFrame[],
	{ spool, clock, signal }: SoundOptions,
	onSamples: (bytes: Uint8Array, seconds: number) => void,
): Promise<void> {
	const { config, startTicks: firstTicks } = frames[0]!;
	const firstSeconds = firstTicks / config.sampleRate;
	const output = words(
		`-map 0:a:0 -af aresample=${MIXED.sampleRate}:async=1:min_hard_comp=0.005`,
		`-c:a pcm_s16le -ac ${MIXED.channelCount}`,
		COMMON_OUTPUT,
	);
	await runPictures(clock, {
		arguments: { input: words(COMMON_INPUT, '-f nut'), filters: [], outputs: [output] },
		input: (async function* () {
			yield nutStreamHeader(config);
			for (const { stored, startTicks } of frames) {
				const header = nutFrameHeader(startTicks - firstTicks, true, stored.sizeBytes);
				yield Buffer.concat([header, await spool.read(stored)]);
			}
		})(),
		onPicture: (bytes, seconds) => onSamples(bytes, firstSeconds + seconds),
		timeoutMs: TIMEOUT_MS,
		signal,
	});
}

async function encode(samples: Buffer, { startSeconds, spool, clock, signal }: SoundOptions): Promise<LoadedFrame[]> {
	const { sampleRate, channelCount } = MIXED;
	const encoded: Promise<LoadedFrame>[] = [];
	await runPictures(clock, {
		arguments: audioArguments({ output: { codec: 'aac', bitrateBps: MIXED_BPS, sampleRate, channelCount } }),
		input: (function* () {
			yield nutHeader([
				{
					kind: 'audio',
					fourcc: PCM_FOURCC,
					clockRate: sampleRate,
					codecSpecificData: new Uint8Array(0),
					decodeDelay: 0,
					channelCount,
				},
			]);
			const frameBytes = PCM_FRAME_SAMPLES * BYTES_PER_SAMPLE;
			for (let at = 0; at < samples.length; at += frameBytes) {
				const bytes = samples.subarray(at, at + frameBytes);
				const timeTicks = OFFSET_SECONDS * sampleRate + at / BYTES_PER_SAMPLE;
				yield Buffer.concat([nutFrameHeader(timeTicks, true, bytes.length), bytes]);
			}
		})(),
		onPicture: (bytes, seconds) => {
			const startTicks = Math.round((startSeconds + seconds - OFFSET_SECONDS) * sampleRate);
			const frame = { config: MIXED, startTicks, durationTicks: AAC_FRAME_SAMPLES };
			const entry = spool.append(bytes).then((stored) => ({ ...frame, stored }));
			// Its failure is seen below.
			entry.catch(() => undefined);
			encoded.push(entry);
		},
		timeoutMs: TIMEOUT_MS,
		signal,
	});
	return Promise.all(encoded);
}
