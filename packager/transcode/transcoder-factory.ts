/** Makes the transcoders that run FFmpeg, and counts them for health and metrics. */
import { availableParallelism } from 'node:os';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { type Logger, silentLogger } from '../../core/logger.ts';
import type { AccessUnit } from '../../core/media/access-unit.ts';
import type { AudioTranscodeOptions, TranscoderFactory, VideoTranscodeOptions } from '../../core/media/transcoder.ts';
import { ENCODER_STATES, type EncoderState } from '../../core/protocol/api/channel-description.ts';
import { ticksToSeconds } from '../../core/units.ts';
import { tryEncoder } from './encoder-trial.ts';
import { type FfmpegArguments, audioArguments, inputFrameRate, videoArguments } from './ffmpeg-arguments.ts';
import { FfmpegProcess, listEncoders } from './ffmpeg-process.ts';
import { EncoderChoice, type EncoderReport, EncoderSeat, type EncoderSetting } from './hardware.ts';
import { DEFAULT_RESTART_POLICY, type RestartPolicy } from './restart-policy.ts';
import { FfmpegTranscoder, type TranscodePlan } from './transcoder.ts';

/** No output for this long while input flows means a hang. Starting FFmpeg on a busy machine takes 1 s at most. */
const DEFAULT_HANG_TIMEOUT_MS = 5000;

/** Omitted fields have defaults. */
type TranscoderFactoryOptions = {
	clock: Clock;
	/** Of the choice of an encoder. Transcoders have their own. */
	logger?: Logger;
	/** Which encoder of pictures. With `auto`, or a name other than libx264, trials begin at once. Default: libx264. */
	encoder?: EncoderSetting;
	restartPolicy?: RestartPolicy;
	hangTimeoutMs?: number;
	/** Cores that one video encoder may use. Default: all of the machine's. */
	cpuCount?: number;
};

export type FfmpegTranscoderFactory = TranscoderFactory & {
	/** The encoder that new processes use for pictures, and why. */
	readonly encoder: EncoderReport;
	/** Open transcoders by state, and how often one was restarted since the server began. */
	census(): Readonly<Record<EncoderState, number>> & { restartCount: number };
};

/** Makes transcoders that run FFmpeg. Call checkFfmpeg() once before, to find out early that FFmpeg is missing. */
export function createTranscoderFactory(options: TranscoderFactoryOptions): FfmpegTranscoderFactory {
	const { clock, restartPolicy = DEFAULT_RESTART_POLICY, hangTimeoutMs = DEFAULT_HANG_TIMEOUT_MS } = options;
	const cpuCount = options.cpuCount ?? availableParallelism();
	const choice = new EncoderChoice(
		{
			clock,
			logger: options.logger ?? silentLogger,
			list: listEncoders,
			tryEncoder: (name) => tryEncoder(clock, name, cpuCount),
		},
		options.encoder ?? 'libx264',
	);
	// In the background: nothing waits for it.
	void choice.probe();
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
		get encoder() {
			return choice.report;
		},
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
			const seat = new EncoderSeat(choice);
			const argumentsFor = (first: AccessUnit): FfmpegArguments => {
				const startTimeSeconds = ticksToSeconds(first.presentationTimeTicks, first.clockRate);
				return videoArguments(video, { encoder: seat.next(), cpuCount, startTimeSeconds });
			};
			const frameRate = inputFrameRate(video.outputs);
			return create({ input, run, outputs, frameRate, argumentsFor, seat }, logger);
		},
	};
}
