/** The picture's legs: access units of a contribution → stage and packager, directly or through an encoder. */
import type { AccessUnit, Track } from '../../core/media/access-unit.ts';
import type { VideoTrackConfig } from '../../core/media/codecs.ts';
import { splitLengthPrefixed } from '../../core/media/h264.ts';
import type { MediaTranscoder } from '../../core/media/transcoder.ts';
import { packetizeH264 } from '../../sfu/rtp/h264-packetizer.ts';
import type { Stage } from '../../sfu/stage/stage.ts';
import type { LegPlan } from '../media-plan/leg-planner.ts';
import type { StreamHealth } from '../media-plan/stream-observer.ts';
import type { PublishProtocol } from '../publisher/publisher.ts';
import { EncoderNode } from './encoder-node.ts';
import type { LegDependencies, LegEncoderState } from './outputs.ts';
import { ENCODER_GOP_SECONDS, SourceSwitch } from './source-switch.ts';

/** Bits per pixel of a re-encoded picture, and the limits of its bit rate: 2.8 Mbit/s for 720p30, or the source's. */
const BITS_PER_PIXEL = 0.1;
const MIN_VIDEO_BITRATE_BPS = 600_000;
const MAX_VIDEO_BITRATE_BPS = 8_000_000;
/** Source units of the running GOP kept, for an encoder that begins in its middle. */
const MAX_GOP_UNITS = 600;

export class VideoLegs {
	readonly #deps: LegDependencies;
	readonly #track: Track;
	readonly #encoder: EncoderNode<'video'>;
	readonly #switch: SourceSwitch;
	#plan: LegPlan | undefined;
	#gop: AccessUnit[] = [];

	/** `track`: that of the packager's picture. */
	constructor(deps: LegDependencies, track: Track) {
		this.#deps = deps;
		this.#track = track;
		this.#switch = new SourceSwitch(deps.logger);
		this.#encoder = new EncoderNode({
			onConfigured: (config) => {
				if (this.#plan?.reEncodesVideo.llHls === true) {
					deps.runs.configure(track.id, config);
				}
			},
			onUnit: (unit) => this.#onEncoded(unit),
		});
	}

	/** The tiers for which the picture is re-encoded, and the state of the encoder. */
	get encoderStates(): readonly LegEncoderState[] {
		const { state } = this.#encoder;
		if (state === undefined || this.#plan === undefined) {
			return [];
		}
		const { webrtc, llHls } = this.#plan.reEncodesVideo;
		const tiers = [webrtc ? (['webrtc'] as const) : [], llHls ? (['ll-hls'] as const) : []].flat();
		return tiers.map((tier) => ({ track: 'video', tier, state }));
	}

	/** True when the publisher's RTP of a picture at this timeline position goes to the stage unchanged. */
	passesRtpThrough(timelineTicks: number): boolean {
		const passes = this.#plan?.reEncodesVideo.webrtc !== true && this.#plan?.isVideoOff?.webrtc !== true;
		return this.#switch.isOpenToSource(timelineTicks) && (passes || this.#switch.isShowingSource);
	}

	/** Source unit → stage, or → encoder → stage. */
	feedStage(unit: AccessUnit, plan: LegPlan, config: VideoTrackConfig, protocol: PublishProtocol): void {
		this.#plan = plan;
		if (plan.reEncodesVideo.webrtc) {
			this.#beginEncoder(config);
		}
		if (!this.#encoder.write(unit)) {
			this.#keepGop(unit);
		}
		const stage = this.#deps.outputs.stage();
		const goesDirectly =
			config.codec === 'h264' &&
			this.#switch.isOpenToSource(unit.presentationTimeTicks) &&
			plan.isVideoOff?.webrtc !== true &&
			(!plan.reEncodesVideo.webrtc || this.#switch.isShowingSource);
		if (stage !== undefined && goesDirectly && this.#switch.showSource(unit)) {
			if (protocol === 'rtmp') {
				writePicture(stage, unit, config);
			}
			this.#deps.onMedia();
		}
	}

	/** A run begins, now or soon: the packager's track is the source's or the encoder's. */
	beginRun(plan: LegPlan, config: VideoTrackConfig, health: StreamHealth): void {
		this.#plan = plan;
		if (plan.reEncodesVideo.llHls || plan.reEncodesVideo.webrtc) {
			this.#beginEncoder(config, health);
		}
		const output = plan.reEncodesVideo.llHls ? this.#encoder.config : config;
		if (plan.isVideoOff?.llHls !== true && output !== undefined) {
			this.#deps.runs.configure(this.#track.id, output);
		}
	}

	/** Source unit → packager, when it passes through. */
	feedPackager(unit: AccessUnit, plan: LegPlan): void {
		if (!plan.reEncodesVideo.llHls && plan.isVideoOff?.llHls !== true) {
			this.#deps.runs.write(unit);
		}
	}

	/** A new stage needs its first key frame. */
	restartStage(): void {
		this.#switch.stageReplaced();
		this.#deps.outputs.stage()?.video.beginRun();
	}

	/** A new run follows, for which the encoder's decoder starts again. */
	restart(): void {
		this.#encoder.restart();
		this.#switch.restart();
		this.#gop = [];
	}

	close(): Promise<void> {
		return this.#encoder.close();
	}

	#keepGop(unit: AccessUnit): void {
		if (unit.isKeyFrame) {
			this.#gop = [];
		}
		if (this.#gop.length < MAX_GOP_UNITS) {
			this.#gop.push(unit);
		}
	}

	#beginEncoder(config: VideoTrackConfig, health?: StreamHealth): void {
		if (this.#encoder.begin(() => this.#createTranscoder(config, health))) {
			this.#gop.forEach((unit) => this.#encoder.write(unit));
			this.#gop = [];
		}
	}

	#createTranscoder(config: VideoTrackConfig, health: StreamHealth | undefined): MediaTranscoder {
		const knownRate = health !== undefined && health.frameRate > 0 ? health.frameRate : undefined;
		const pixelsPerSecond = config.widthPixels * config.heightPixels * Math.min(knownRate ?? 30, 60);
		const sourceBps = (health?.videoBitrateBps ?? 0) * 1.1;
		const wantedBps = Math.max(MIN_VIDEO_BITRATE_BPS, pixelsPerSecond * BITS_PER_PIXEL, sourceBps);
		return this.#deps.transcoders.createVideo({
			input: config,
			output: {
				codec: 'h264',
				gopDurationSeconds: ENCODER_GOP_SECONDS,
				maxBitrateBps: Math.round(Math.min(MAX_VIDEO_BITRATE_BPS, wantedBps)),
				...(knownRate === undefined ? {} : { frameRate: Math.round(knownRate) }),
			},
			trackId: this.#track.id,
			run: 0,
			logger: this.#deps.logger,
		});
	}

	#onEncoded(unit: AccessUnit): void {
		const { config } = this.#encoder;
		if (config === undefined || this.#plan === undefined) {
			return;
		}
		const { reEncodesVideo } = this.#plan;
		if (reEncodesVideo.llHls) {
			this.#deps.runs.write(unit);
		}
		const stage = this.#deps.outputs.stage();
		if (!reEncodesVideo.webrtc || stage === undefined) {
			return;
		}
		const shown = this.#switch.showEncoded(unit);
		if (shown === 'no') {
			return;
		}
		if (shown === 'first') {
			stage.video.beginRun();
		}
		writePicture(stage, unit, config);
		this.#deps.onMedia();
	}
}

/** Sends one H.264 access unit to a stage. */
function writePicture(stage: Stage, unit: AccessUnit, config: VideoTrackConfig): void {
	stage.video.writePicture({
		payloads: packetizeH264(splitLengthPrefixed(unit.bytes), unit.isKeyFrame ? config : undefined),
		isKeyFrame: unit.isKeyFrame,
		timelineTicks: unit.presentationTimeTicks,
		captureTimeMs: unit.captureTimeMs,
	});
}
