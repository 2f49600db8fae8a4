/** Makes the transcoders that run FFmpeg, and counts them for health and metrics. */
import { availableParallelism } from 'node:os';
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { AccessUnit } from '../../core/media/access-unit.ts';
import type { AudioTranscodeOptions, TranscoderFactory, VideoTranscodeOptions } from '../../core/media/transcoder.ts';
import { ENCODER_STATES, type EncoderState } from '../../core/protocol/api/channel-description.ts';
import { ticksToSeconds } from '../../core/units.ts';
import { type FfmpegArguments, audioArguments, videoArguments } from './ffmpeg-arguments.ts';
import { FfmpegProcess } from './ffmpeg-process.ts';
import { DEFAULT_RESTART_POLICY, type RestartPolicy } from './restart-policy.ts';
import { FfmpegTranscoder, type TranscodePlan } from './transcoder.ts';

/** No output for this long while input flows means a hang. Starting FFmpeg on a busy machine takes 1 s at most. */
const DEFAULT_HANG_TIMEOUT_MS = 5000;

/** Omitted fields have defaults. */
type TranscoderFactoryOptions = {
	clock: Clock;
	restartPolicy?: RestartPolicy;
	hangTimeoutMs?: number;
	/** Cores that one video encoder may use. Default: all of the machine's. */
	cpuCount?: number;
};

export type FfmpegTranscoderFactory = TranscoderFactory & {
	/** Open transcoders by state, and how often one was restarted since the server began. */
	census(): Readonly<Record<EncoderState, number>> & { restartCount: number };
};

/** Makes transcoders that run FFmpeg. Call checkFfmpeg() once before, to find out early that FFmpeg is missing. */
export function createTranscoderFactory(options: TranscoderFactoryOptions): FfmpegTranscoderFactory {
	const { clock, restartPolicy = DEFAULT_RESTART_POLICY, hangTimeoutMs = DEFAULT_HANG_TIMEOUT_MS } = options;
	const cpuCount = options.cpuCount ?? availableParallelism();
	const open = new Set<FfmpegTranscoder>();
	let pastRestartCount = 0;
	const create = (plan: TranscodePlan, logger: Logger): FfmpegTranscoder => {
		const transcoder = new FfmpegTranscoder(
			{
				clock,
				logger,
				restartPolicy,
				hangTimeoutMs,
				createProcess: (deps, ffmpegArguments) => new FfmpegProcess(deps, ffmpegArguments),
			},
			plan,
		);
		open.add(transcoder);
		transcoder.on('closed', () => {
			open.delete(transcoder);
			pastRestartCount += transcoder.statistics.restartCount;
		});
		return transcoder;
	};
	return {
		census: () => {
			const all = [...open];
			const counts = ENCODER_STATES.map(
				(state) => [state, all.filter((transcoder) => transcoder.encoderState === state).length] as const,
			);
			const restartCount = all.reduce((sum, { statistics }) => sum + statistics.restartCount, pastRestartCount);
			return { ...(Object.fromEntries(counts) as Record<EncoderState, number>), restartCount };
		},
		createAudio: (audio: AudioTranscodeOptions) => {
			const { input, output, trackId, run, logger } = audio;
			const outputs = [{ trackId, codec: output.codec, frameDurationMs: output.frameDurationMs ?? 20 }];
			return create({ input, run, outputs, argumentsFor: () => audioArguments(audio) }, logger);
		},
		createVideo: (video: VideoTranscodeOptions) => {
			const { input, run, logger } = video;
			const outputs = video.outputs.map(({ trackId, codec }) => ({ trackId, codec, frameDurationMs: 0 }));
			const argumentsFor = (first: AccessUnit): FfmpegArguments =>
				videoArguments(video, cpuCount, ticksToSeconds(first.presentationTimeTicks, first.clockRate));
			return create({ input, run, outputs, argumentsFor }, logger);
		},
	};
}
