/** Inputs and outputs of a contribution's legs. Types only. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { TrackKind } from '../../core/media/access-unit.ts';
import type { TrackSink } from '../../core/media/track-sink.ts';
import type { TranscoderFactory } from '../../core/media/transcoder.ts';
import type { RungName } from '../../core/protocol/ladder-choice.ts';
import type { EncoderInUse, EncoderState } from '../../core/protocol/api/channel-description.ts';
import type { Stage } from '../../sfu/stage/stage.ts';
import type { RunSwitch } from './run-switch.ts';

/** Where a broadcast's media goes. */
export type BroadcastOutputs = {
	/** The stage, which is replaced when its worker dies; undefined meanwhile. */
	stage(): Stage | undefined;
	/** From here on another contribution, or another encoder, feeds the stage. */
	beginStageRun(): void;
	packager: TrackSink;
	/** The next run number of the broadcast. */
	nextRun(): number;
	/** The timeline has reached this position. */
	reached(timelineMs: number): void;
};

export type LegEncoderState = { track: TrackKind; tier: 'webrtc' | 'll-hls'; state: EncoderState };

/** The encoder of a stream's pictures. */
export type PictureEncoder = {
	state: EncoderState;
	/** Undefined where it is not known. */
	inUse: EncoderInUse | undefined;
	/** Media time by which its output is behind its input. */
	lagMs: number;
	/** Rungs whose configuration is known: pictures of them come out, or have. */
	begunRungs: readonly RungName[];
};

export type LegDependencies = {
	clock: Clock;
	logger: Logger;
	transcoders: TranscoderFactory;
	outputs: BroadcastOutputs;
	runs: Pick<RunSwitch, 'configure' | 'pause' | 'write'>;
	onMedia(): void;
};
