/** The legs of a contribution: from its access units to the stage and to the packager, directly or through encoders. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { Logger } from '../../core/logger.ts';
import { browserObstacle } from '../../core/media/aac-config.ts';
import type { AccessUnit } from '../../core/media/access-unit.ts';
import type { AudioTrackConfig, VideoTrackConfig } from '../../core/media/codecs.ts';
import { splitLengthPrefixed } from '../../core/media/h264.ts';
import type { TrackSink } from '../../core/media/track-sink.ts';
import type { MediaTranscoder, TranscoderFactory } from '../../core/media/transcoder.ts';
import type { EncoderState } from '../../core/protocol/api/channel-description.ts';
import { msToTicks, OPUS_CLOCK_RATE, ticksToMs, VIDEO_CLOCK_RATE } from '../../core/units.ts';
import { packetizeH264 } from '../../sfu/rtp/h264-packetizer.ts';
import type { Stage } from '../../sfu/stage/stage.ts';
import { FramePacer } from '../timing/frame-pacer.ts';
import type { LegPlan } from '../media-plan/leg-planner.ts';
import type { PublishProtocol } from '../publisher/publisher.ts';
import type { RunSwitch } from './run-switch.ts';
import type { StreamHealth } from '../media-plan/stream-observer.ts';

/** Where a broadcast's media goes. */
export type BroadcastOutputs = {
	/** The stage, which is replaced when its worker dies; undefined meanwhile. */
	stage(): Stage | undefined;
	/** Another contribution, or another encoder, feeds the stage from here on. */
	beginStageRun(): void;
	packager: TrackSink;
	/** The next run number of the broadcast. */
	nextRun(): number;
	/** The timeline has come to this position. */
	reached(timelineMs: number): void;
};

/** How the encoder of one leg is doing. */
export type LegEncoderState = { track: 'audio' | 'video'; tier: 'webrtc' | 'll-hls'; state: EncoderState };

/** What legs need of their contribution. */
export type LegContext = {
	clock: Clock;
	logger: Logger;
	transcoders: TranscoderFactory;
	outputs: BroadcastOutputs;
	runs: Pick<RunSwitch, 'configure' | 'write'>;
	onMedia(): void;
};

/** At this rate AAC-LC and Opus are hard to tell from their source. */
const AUDIO_BITRATE_BPS = 160_000;
/** Frames of 20 ms would be 50 packets a second fewer for each viewer, and 30 ms later on his screen (docs/decisions.md). */
const OPUS_FRAME_MS = 10;
/**
 * Bits per pixel and second for a re-encoded picture, and the bounds of what comes of it: 2.8 Mbit/s for 720p30. More for a
 * source that itself uses more.
 */
const BITS_PER_PIXEL = 0.1;
const MIN_VIDEO_BITRATE_BPS = 600_000;
const MAX_VIDEO_BITRATE_BPS = 8_000_000;
/** Short enough to join quickly, long enough not to cost quality. */
const ENCODER_GOP_SECONDS = 1;
/** An encoder that is further behind than this would leave the picture standing for as long. */
const MAX_HAND_OVER_LAG_MS = 500;
/** Key frames fall on the first picture at or after the whole second; timestamps in milliseconds are off by one at most. */
const HAND_OVER_MARGIN_TICKS = 180;
/** Source units of the running GOP kept, for an encoder that is called for in its middle. */
const MAX_GOP_UNITS = 600;

/** Sends one H.264 access unit to a stage. */
function writePicture(stage: Stage, unit: AccessUnit, config: VideoTrackConfig): void {
	stage.video.writePicture({
		payloads: packetizeH264(splitLengthPrefixed(unit.bytes), unit.isKeyFrame ? config : undefined),
		isKeyFrame: unit.isKeyFrame,
		timelineTicks: unit.presentationTimeTicks,
		captureTimeMs: unit.captureTimeMs,
	});
}

/** The picture's legs. */
export class VideoLegs {
	readonly #context: LegContext;
	#transcoder: MediaTranscoder | undefined;
	#encoderConfig: VideoTrackConfig | undefined;
	#plan: LegPlan | undefined;
	/** Whose pictures the stage gets. A change waits for the encoder's first key frame that is newer than the picture shown. */
	#stageSource: 'none' | 'source' | 'encoder' = 'none';
	#stageTicks = -Infinity;
	/** From this picture on the stage is the encoder's. */
	#handOverTicks = Infinity;
	#gop: AccessUnit[] = [];

	constructor(context: LegContext) {
		this.#context = context;
	}

	/** Where a picture is re-encoded for, and how its encoder is doing. */
	get encoderStates(): readonly LegEncoderState[] {
		if (this.#transcoder === undefined || this.#plan === undefined) {
			return [];
		}
		const { reEncodesVideo } = this.#plan;
		const state = this.#transcoder.encoderState;
		return [
			...(reEncodesVideo.webrtc ? [{ track: 'video', tier: 'webrtc', state } as const] : []),
			...(reEncodesVideo.llHls ? [{ track: 'video', tier: 'll-hls', state } as const] : []),
		];
	}

	/** RTP of the publisher goes to the stage as it is, for a picture at this timeline position. */
	passesRtpThrough(timelineTicks: number): boolean {
		if (timelineTicks >= this.#handOverTicks) {
			return false;
		}
		const passes = this.#plan?.reEncodesVideo.webrtc !== true && this.#plan?.isVideoOff?.webrtc !== true;
		return this.#stageSource === 'source' || (this.#stageSource === 'none' && passes);
	}

	/** Source unit → stage, or → encoder whose output goes there. */
	feedStage(unit: AccessUnit, plan: LegPlan, config: VideoTrackConfig, protocol: PublishProtocol): void {
		this.#plan = plan;
		if (plan.reEncodesVideo.webrtc) {
			this.#ensureTranscoder(config);
		}
		if (this.#transcoder === undefined) {
			this.#keepGop(unit);
		} else {
			this.#transcoder.write(unit);
		}
		const stage = this.#context.outputs.stage();
		const goesDirectly =
			config.codec === 'h264' &&
			unit.presentationTimeTicks < this.#handOverTicks &&
			this.#stageSource !== 'encoder' &&
			plan.isVideoOff?.webrtc !== true &&
			(!plan.reEncodesVideo.webrtc || this.#stageSource === 'source');
		if (stage === undefined || !goesDirectly) {
			return;
		}
		if (unit.isKeyFrame || this.#stageSource === 'source') {
			this.#stageSource = 'source';
			this.#stageTicks = Math.max(this.#stageTicks, unit.presentationTimeTicks);
			if (protocol === 'rtmp') {
				writePicture(stage, unit, config);
			}
			this.#context.onMedia();
		}
	}

	/** A run begins, now or soon: the packager's track is the source's or the encoder's. */
	beginRun(plan: LegPlan, config: VideoTrackConfig, health: StreamHealth): void {
		this.#plan = plan;
		if (plan.reEncodesVideo.llHls || plan.reEncodesVideo.webrtc) {
			this.#ensureTranscoder(config, health);
		}
		if (plan.isVideoOff?.llHls === true) {
			return;
		}
		if (!plan.reEncodesVideo.llHls) {
			this.#context.runs.configure('video0', config);
		} else if (this.#encoderConfig !== undefined) {
			this.#context.runs.configure('video0', this.#encoderConfig);
		}
	}

	/** Source unit → packager, when it passes through. */
	feedPackager(unit: AccessUnit, plan: LegPlan): void {
		if (!plan.reEncodesVideo.llHls && plan.isVideoOff?.llHls !== true) {
			this.#context.runs.write(unit);
		}
	}

	/** A new stage wants its first key frame. */
	restartStage(): void {
		this.#stageTicks = -Infinity;
		this.#context.outputs.stage()?.video.beginRun();
	}

	/** A new run is coming; the encoder's decoder must start afresh. */
	restart(): void {
		void this.#transcoder?.close('run-ended');
		this.#transcoder = undefined;
		this.#encoderConfig = undefined;
		this.#stageSource = 'none';
		this.#handOverTicks = Infinity;
		this.#gop = [];
	}

	async close(): Promise<void> {
		await this.#transcoder?.close('run-ended');
	}

	#keepGop(unit: AccessUnit): void {
		if (unit.isKeyFrame) {
			this.#gop = [];
		}
		if (this.#gop.length < MAX_GOP_UNITS) {
			this.#gop.push(unit);
		}
	}

	#ensureTranscoder(config: VideoTrackConfig, health?: StreamHealth): void {
		if (this.#transcoder !== undefined) {
			return;
		}
		const frameRate = health !== undefined && health.frameRate > 0 ? health.frameRate : 30;
		const wantedBps = config.widthPixels * config.heightPixels * Math.min(frameRate, 60) * BITS_PER_PIXEL;
		const sourceBps = (health?.videoBitrateBps ?? 0) * 1.1;
		const transcoder = this.#context.transcoders.createVideo({
			input: config,
			output: {
				codec: 'h264',
				gopDurationSeconds: ENCODER_GOP_SECONDS,
				maxBitrateBps: Math.round(
					Math.min(MAX_VIDEO_BITRATE_BPS, Math.max(MIN_VIDEO_BITRATE_BPS, wantedBps, sourceBps)),
				),
				...(health !== undefined && health.frameRate > 0 ? { frameRate: Math.round(health.frameRate) } : {}),
			},
			trackId: 'video0',
			run: 0,
			logger: this.#context.logger,
		});
		this.#transcoder = transcoder;
		transcoder.on('trackConfigured', (output) => {
			if (output.kind === 'video') {
				this.#encoderConfig = output;
				if (this.#plan?.reEncodesVideo.llHls === true) {
					this.#context.runs.configure('video0', output);
				}
			}
		});
		transcoder.on('accessUnit', (unit) => this.#onEncoded(unit));
		for (const unit of this.#gop) {
			transcoder.write(unit);
		}
		this.#gop = [];
	}

	// What comes out of the encoder has been shown already, since the source goes out ahead of it. So the source stops one GOP
	// of the encoder later, just before the encoder's next key frame; unless the encoder is still catching up.
	#planHandOver(keyFrameTicks: number): void {
		const isInStep = this.#stageTicks - keyFrameTicks < msToTicks(MAX_HAND_OVER_LAG_MS, VIDEO_CLOCK_RATE);
		this.#handOverTicks = isInStep
			? keyFrameTicks + ENCODER_GOP_SECONDS * VIDEO_CLOCK_RATE - HAND_OVER_MARGIN_TICKS
			: Infinity;
	}

	#onEncoded(unit: AccessUnit): void {
		const config = this.#encoderConfig;
		const plan = this.#plan;
		if (config === undefined || plan === undefined) {
			return;
		}
		if (plan.reEncodesVideo.llHls) {
			this.#context.runs.write(unit);
		}
		if (!plan.reEncodesVideo.webrtc) {
			return;
		}
		const stage = this.#context.outputs.stage();
		if (stage === undefined) {
			return;
		}
		if (this.#stageSource !== 'encoder') {
			if (!unit.isKeyFrame) {
				return;
			}
			if (unit.presentationTimeTicks <= this.#stageTicks) {
				this.#planHandOver(unit.presentationTimeTicks);
				return;
			}
			this.#stageSource = 'encoder';
			this.#handOverTicks = Infinity;
			stage.video.beginRun();
		}
		this.#stageTicks = unit.presentationTimeTicks;
		writePicture(stage, unit, config);
		this.#context.onMedia();
	}
}

/** The sound's legs. */
export class AudioLegs {
	readonly #context: LegContext;
	readonly #opusPacer: FramePacer;
	#toOpus: MediaTranscoder | undefined;
	#toAac: MediaTranscoder | undefined;
	#aacConfig: AudioTrackConfig | undefined;

	constructor(context: LegContext) {
		this.#context = context;
		this.#opusPacer = new FramePacer(context.clock);
	}

	/** Where the sound is transcoded for, and how its encoders are doing. */
	get encoderStates(): readonly LegEncoderState[] {
		return [
			...(this.#toOpus === undefined
				? []
				: [{ track: 'audio', tier: 'webrtc', state: this.#toOpus.encoderState } as const]),
			...(this.#toAac === undefined
				? []
				: [{ track: 'audio', tier: 'll-hls', state: this.#toAac.encoderState } as const]),
		];
	}

	/** AAC → Opus → stage. Opus of a WHIP publisher goes there as RTP. */
	feedStage(unit: AccessUnit, config: AudioTrackConfig): void {
		if (config.codec !== 'aac') {
			return;
		}
		if (this.#toOpus === undefined) {
			this.#toOpus = this.#context.transcoders.createAudio({
				input: config,
				output: {
					...{ codec: 'opus', bitrateBps: AUDIO_BITRATE_BPS, frameDurationMs: OPUS_FRAME_MS },
					...{ sampleRate: 48_000, channelCount: 2 },
				},
				trackId: 'audio0',
				run: 0,
				logger: this.#context.logger,
			});
			this.#toOpus.on('accessUnit', (opus) =>
				this.#opusPacer.push(ticksToMs(opus.presentationTimeTicks, OPUS_CLOCK_RATE), () => this.#writeOpus(opus)),
			);
		}
		this.#toOpus.write(unit);
	}

	/** A run begins, now or soon. */
	beginRun(config: AudioTrackConfig): void {
		if (isAacForBrowsers(config)) {
			this.#context.runs.configure('audio0', config);
			return;
		}
		if (this.#aacConfig !== undefined) {
			this.#context.runs.configure('audio0', this.#aacConfig);
		}
		this.#ensureAac(config);
	}

	/** AAC → packager; Opus, or AAC that browsers do not play, → AAC → packager. */
	feedPackager(unit: AccessUnit, config: AudioTrackConfig): void {
		if (isAacForBrowsers(config)) {
			this.#context.runs.write(unit);
		} else {
			this.#ensureAac(config).write(unit);
		}
	}

	/** A new run is coming after a break of the timeline. */
	restart(): void {
		void this.#toOpus?.close('run-ended');
		void this.#toAac?.close('run-ended');
		this.#toOpus = undefined;
		this.#toAac = undefined;
		this.#aacConfig = undefined;
		this.#opusPacer.reset();
	}

	async close(): Promise<void> {
		this.#opusPacer.reset();
		await Promise.all([this.#toOpus?.close('run-ended'), this.#toAac?.close('run-ended')]);
	}

	#writeOpus(unit: AccessUnit): void {
		this.#context.outputs.stage()?.audio.writeFrame({
			bytes: unit.bytes,
			timelineTicks: unit.presentationTimeTicks,
			captureTimeMs: unit.captureTimeMs,
		});
		this.#context.onMedia();
	}

	#ensureAac(config: AudioTrackConfig): MediaTranscoder {
		if (this.#toAac !== undefined) {
			return this.#toAac;
		}
		const transcoder = this.#context.transcoders.createAudio({
			input: config,
			output: { codec: 'aac', bitrateBps: AUDIO_BITRATE_BPS, sampleRate: 48_000, channelCount: 2 },
			trackId: 'audio0',
			run: 0,
			logger: this.#context.logger,
		});
		transcoder.on('trackConfigured', (output) => {
			if (output.kind === 'audio') {
				this.#aacConfig = output;
				this.#context.runs.configure('audio0', output);
			}
		});
		transcoder.on('accessUnit', (unit) => this.#context.runs.write(unit));
		this.#toAac = transcoder;
		return transcoder;
	}
}

function isAacForBrowsers({ codec, audioSpecificConfig }: AudioTrackConfig): boolean {
	return codec === 'aac' && browserObstacle(audioSpecificConfig) === undefined;
}
