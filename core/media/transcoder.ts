/** The interface of an encoder: access units in, access units of another coding out, on the same timeline. */
import type { SpillwayError } from '../errors/errors.ts';
import type { EncoderInUse, EncoderState } from '../protocol/api/channel-description.ts';
import type { Logger } from '../logger.ts';
import type { TypedEmitter } from '../lifecycle/typed-emitter.ts';
import type { AccessUnit, TrackId } from './access-unit.ts';
import type { AudioCodec, AudioTrackConfig, TrackConfig, VideoTrackConfig } from './codecs.ts';

type LegOptions = Pick<AccessUnit, 'run'> & { logger: Logger };

/** One audio leg. The input's configuration must not change; a change needs a new run and a new transcoder. */
export type AudioTranscodeOptions = LegOptions & {
	input: AudioTrackConfig;
	trackId: TrackId;
	output: {
		codec: AudioCodec;
		/** Bits per second for all channels together. */
		bitrateBps: number;
		/** Samples a second; Opus has only 48 000. */
		sampleRate: number;
		channelCount: number;
		/** Opus only: 20 (default) or 10. 10 saves 5 ms on average and doubles the packets for every viewer. */
		frameDurationMs?: 10 | 20;
	};
};

/** FFmpeg's encoders of H.264 that are known, those of graphics cards first. The last one needs no device. */
export const H264_ENCODER_NAMES = [
	'h264_nvenc',
	'h264_qsv',
	'h264_vaapi',
	'h264_videotoolbox',
	'h264_v4l2m2m',
	'libx264',
] as const;
export type H264EncoderName = (typeof H264_ENCODER_NAMES)[number];

/** One picture that an encoder puts out. */
export type VideoEncoderOutput = {
	trackId: TrackId;
	codec: 'h264';
	/**
	 * Where key frames fall. `timeline`: on whole multiples of `gopDurationSeconds` on the broadcast's timeline.
	 * `source`: on exactly the source's, and `gopDurationSeconds` after the last one, by the frame rate that is given. Of
	 * one encoder, all outputs have the same.
	 */
	keyFrames: 'timeline' | 'source';
	gopDurationSeconds: number;
	/** Upper limit; simple pictures need less. */
	maxBitrateBps: number;
	/** The width follows. Default is the input's size. */
	heightPixels?: number;
	/** Pictures a second at most; default is 60. Pictures beyond it are left out, key frames never. */
	maxFrameRate?: number;
	/** Frames a second of the input where known, for rate control only: timestamps are never changed. */
	frameRate?: number;
};

/** One decoded picture, and one or more outputs of it from one process. */
export type VideoTranscodeOptions = LegOptions & {
	/** H.264 with or without B-frames, or VP8. VP8 pictures that change size are scaled to the size given here. */
	input: VideoTrackConfig;
	outputs: readonly VideoEncoderOutput[];
};

export type TranscoderCloseReason = 'finished' | 'run-ended' | 'tier-closed' | 'server-shutdown';

export type TranscoderEvents = {
	/** An output's configuration: before its first access unit, and again when it changes. */
	trackConfigured: [config: TrackConfig, trackId: TrackId];
	/** Of each track in decode order, decode times strictly increasing; capture times are those of the input. */
	accessUnit: [unit: AccessUnit];
	/** Its process failed, or works again. `error`: the last failure, with the end of FFmpeg's log. */
	encoderStateChanged: [state: EncoderState, error: SpillwayError | undefined];
	/** The last event. Emitted once. */
	closed: [reason: TranscoderCloseReason];
};

/** Counters since creation. */
export type TranscoderStatistics = {
	writtenUnitCount: number;
	/** Input that never reached the encoder: it was too slow, restarting, or waited for a key frame. */
	droppedUnitCount: number;
	outputUnitCount: number;
	outputBytes: number;
	/** Unplanned restarts: the encoder crashed or hung. */
	restartCount: number;
	/** Media time that waits for the encoder now. */
	queuedMs: number;
	/** Media time by which the output that is furthest behind is behind the newest input, what waits included. */
	lagMs: number;
	/** Of the running process; undefined while there is none. */
	processId: number | undefined;
};

/**
 * Its input configuration is fixed, its outputs' configurations are events.
 *
 * A unit's presentation time is that of the first sample or picture that a decoder outputs for it, an encoder's priming
 * included. So the output is in sync with the other tracks in a player that does not know about priming.
 */
export interface MediaTranscoder extends AsyncDisposable, Pick<TypedEmitter<TranscoderEvents>, 'on'> {
	/** True as soon as close() is called. A process that fails does not close it: it is started again. */
	readonly closed: boolean;
	readonly encoderState: EncoderState;
	readonly statistics: TranscoderStatistics;
	/** Takes the next unit in decode order. Never waits and never throws; ignored after closing. */
	write(unit: AccessUnit): void;
	/** Outputs the remaining units and closes with reason `finished`. Bounded: a silent encoder is stopped. */
	finish(): Promise<void>;
	/** Stops at once. Idempotent, never rejects; resolves when the process is gone. */
	close(reason: TranscoderCloseReason): Promise<void>;
}

/** Starts legs; failures are events. The tiers use it, and the composition root passes the one that runs FFmpeg. */
export interface TranscoderFactory {
	/** The encoder of pictures that the next transcoder uses; undefined where that is not known. */
	readonly encoder?: EncoderInUse | undefined;
	createAudio(options: AudioTranscodeOptions): MediaTranscoder;
	createVideo(options: VideoTranscodeOptions): MediaTranscoder;
}
