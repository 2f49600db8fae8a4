/** The sound of a clip: frames of the source, silence in holes, and frames encoded again where the sound changes. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { isSameConfig, type AudioTrackConfig } from '../../core/media/codecs.ts';
import { AAC_FRAME_SAMPLES } from '../../core/units.ts';
import { nutFrameHeader, nutStreamHeader } from '../../core/wire/nut/nut-writer.ts';
import { runPictures } from '../pictures/picture-process.ts';
import { silentAacFrame } from '../segmenting/track-writer.ts';
import { audioArguments } from '../transcode/ffmpeg-arguments.ts';
import type { FilledTrack } from './clip-file.ts';
import type { LoadedFrame } from './clip-source.ts';
import { MOVIE_TIMESCALE } from './mp4-file.ts';
import { planSound } from './sound-plan.ts';
import type { Spool } from './spool.ts';

type SoundOptions = { startSeconds: number; endSeconds: number; spool: Spool; clock: Clock; signal: AbortSignal };

/** Where the first configuration has no silence, or several are in the clip. */
const USUAL_SOUND: AudioTrackConfig = {
	kind: 'audio',
	codec: 'aac',
	sampleRate: 48_000,
	channelCount: 2,
	audioSpecificConfig: Uint8Array.of(0x11, 0x90),
};
const ENCODED_BPS = 192_000;
/** An encoder's first frame begins before its input, and no time is negative. */
const OFFSET_SECONDS = 10;
const ENCODING_TIMEOUT_MS = 120_000;

/** The sound of the clip; undefined where it has none. */
export async function makeSound(
	loaded: readonly LoadedFrame[],
	{ startSeconds, endSeconds, ...options }: SoundOptions,
): Promise<FilledTrack | undefined> {
	if (loaded.length === 0) {
		return undefined;
	}
	const { config, frames } = await unify(loaded, options);
	const { sampleRate } = config;
	const silence = silentAacFrame(config);
	const plan = planSound(frames, {
		startTicks: startSeconds * sampleRate,
		endTicks: endSeconds * sampleRate,
		canFill: silence !== undefined,
	});
	if (plan === undefined) {
		return undefined;
	}
	const silent = await options.spool.append(silence ?? new Uint8Array(0));
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
		delayTicks: Math.round((plan.delayTicks * MOVIE_TIMESCALE) / sampleRate),
	};
}

type UnifyOptions = Pick<SoundOptions, 'spool' | 'clock' | 'signal'>;
type Unified = { config: AudioTrackConfig; frames: readonly LoadedFrame[] };

/** All frames with one configuration: stretches with another one are encoded again. */
async function unify(loaded: readonly LoadedFrame[], options: UnifyOptions): Promise<Unified> {
	const first = loaded[0]!.config;
	if (loaded.every((frame) => isSameConfig(frame.config, first))) {
		return { config: first, frames: loaded };
	}
	const config = silentAacFrame(first) === undefined ? USUAL_SOUND : first;
	const frames: LoadedFrame[] = [];
	for (let from = 0; from < loaded.length;) {
		const own = loaded[from]!.config;
		let end = from;
		while (end < loaded.length && isSameConfig(loaded[end]!.config, own)) {
			end++;
		}
		const stretch = loaded.slice(from, end);
		frames.push(...(isSameConfig(own, config) ? stretch : await encodeSound(stretch, config, options)));
		from = end;
	}
	return { config, frames };
}

/** Throws TRANSCODER_FAILED when FFmpeg fails. */
async function encodeSound(
	frames: readonly LoadedFrame[],
	config: AudioTrackConfig,
	{ spool, clock, signal }: UnifyOptions,
): Promise<LoadedFrame[]> {
	const source = frames[0]!.config;
	const { sampleRate, channelCount } = config;
	const baseTicks = frames[0]!.startTicks;
	const encoded: Promise<LoadedFrame>[] = [];
	await runPictures(clock, {
		arguments: audioArguments({
			output: { codec: 'aac', bitrateBps: ENCODED_BPS, sampleRate, channelCount },
		}),
		input: (async function* () {
			yield nutStreamHeader(source);
			for (const { stored, startTicks } of frames) {
				const timeTicks = startTicks - baseTicks + OFFSET_SECONDS * source.sampleRate;
				yield Buffer.concat([nutFrameHeader(timeTicks, true, stored.sizeBytes), await spool.read(stored)]);
			}
		})(),
		onPicture: (bytes, seconds) => {
			const startSeconds = baseTicks / source.sampleRate + seconds - OFFSET_SECONDS;
			const frame = { config, startTicks: Math.round(startSeconds * sampleRate), durationTicks: AAC_FRAME_SAMPLES };
			const entry = spool.append(bytes).then((stored) => ({ ...frame, stored }));
			// Its failure is seen below.
			entry.catch(() => undefined);
			encoded.push(entry);
		},
		timeoutMs: ENCODING_TIMEOUT_MS,
		signal,
	});
	return Promise.all(encoded);
}
