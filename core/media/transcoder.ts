/** What a tier asks of an encoder: coded access units in, access units of another coding out, on the same timeline. */
import type { SpillwayError } from '../errors/errors.ts';
import type { EncoderState } from '../protocol/api/channel-description.ts';
import type { Logger } from '../logger.ts';
import type { ListenOptions } from '../lifecycle/typed-emitter.ts';
import type { AccessUnit, TrackId } from './access-unit.ts';
import type { AudioCodec, AudioTrackConfig, TrackConfig, VideoTrackConfig } from './codecs.ts';

/** One audio leg. The track's configuration must stay as it is; a change means a new run and a new transcoder. */
export type AudioTranscodeOptions = {
	input: AudioTrackConfig;
	output: {
		codec: AudioCodec;
		/** Bits per second for all channels together. */
		bitrateBps: number;
		/** Samples a second; Opus knows 48 000 only. */
		sampleRate: number;
		channelCount: number;
		/** Opus only: 20 (default) or 10. 10 saves 5 ms on average and doubles the packets for every viewer. */
		frameDurationMs?: 10 | 20;
	};
	/** Track id and run of the units that come out. */
	trackId: TrackId;
	run: number;
	logger: Logger;
};

/** One video leg. */
export type VideoTranscodeOptions = {
	/** H.264 with or without B-frames, or VP8. VP8 pictures that change size are scaled to the size given here. */
	input: VideoTrackConfig;
	output: {
		codec: 'h264';
		/** Seconds from key frame to key frame; key frames fall on whole multiples of it on the broadcast's timeline. */
		gopDurationSeconds: number;
		/** Ceiling in bits per second; easy pictures take less. */
		maxBitrateBps: number;
		/** Height in pixels; the width follows. Default is the input's size. */
		heightPixels?: number;
		/** Frames a second of the input where known, for rate control only: timestamps are never changed. */
		frameRate?: number;
	};
	/** Track id and run of the units that come out. */
	trackId: TrackId;
	run: number;
	logger: Logger;
};

/** Why a transcoder ended. */
export type TranscoderCloseReason = 'finished' | 'run-ended' | 'tier-closed' | 'server-shutdown';

/** What a transcoder reports. */
export type TranscoderEvents = {
	/** The output's configuration: before its first access unit, and again only if it has changed. */
	trackConfigured: [config: TrackConfig];
	/** In decode order, decode times strictly increasing; capture times are those of the input. */
	accessUnit: [unit: AccessUnit];
	/** Its process failed, or works again. `error`: why it failed last, with FFmpeg's last words. */
	encoderStateChanged: [state: EncoderState, error: SpillwayError | undefined];
	/** Nothing follows. Emitted once. */
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
	/** Media time that waits to be taken by the encoder now. */
	queuedMs: number;
	/** Of the running process; undefined while there is none. */
	processId: number | undefined;
};

/**
 * One leg: input configuration is known at creation, output configuration is reported.
 *
 * A unit's presentation time is that of the first sample or picture that a decoder puts out for it, an encoder's
 * priming included; so what comes out is in sync with the other tracks for a player that knows nothing of priming.
 */
export interface MediaTranscoder extends AsyncDisposable {
	/** True from the first call of close() on. A process that fails does not close it: it is started again and again. */
	readonly closed: boolean;
	/** How its process is doing. */
	readonly encoderState: EncoderState;
	readonly statistics: TranscoderStatistics;
	/** Takes the next unit in decode order. Never waits and never throws; ignored once closed. */
	write(unit: AccessUnit): void;
	/** Lets out what is still inside and closes with reason `finished`. Bounded: a silent encoder is stopped. */
	finish(): Promise<void>;
	/** Stops at once. Idempotent, never rejects; resolves when the process is gone. */
	close(reason: TranscoderCloseReason): Promise<void>;
	on<Name extends keyof TranscoderEvents>(
		name: Name,
		listener: (...args: TranscoderEvents[Name]) => void,
		options?: ListenOptions,
	): () => void;
}

/** Declared as a need by the tiers, implemented with FFmpeg, injected by the composition root. */
export interface TranscoderFactory {
	/** Starts an audio leg. Failures come as events. */
	createAudio(options: AudioTranscodeOptions): MediaTranscoder;
	/** Starts a video leg. Failures come as events. */
	createVideo(options: VideoTranscodeOptions): MediaTranscoder;
}
