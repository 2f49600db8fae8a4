/** The picture's ways: access units of a contribution → stage and packager, directly or through an encoder. */
import type { AccessUnit, Track, TrackId } from '../../core/media/access-unit.ts';
import { displaySize, type TrackConfig, type VideoTrackConfig } from '../../core/media/codecs.ts';
import { splitLengthPrefixed } from '../../core/media/h264.ts';
import type { VideoRung } from '../../core/media/rung.ts';
import type { MediaTranscoder, VideoEncoderOutput } from '../../core/media/transcoder.ts';
import { RUNG_NAMES, type RungName, type ShownRung } from '../../core/protocol/ladder-choice.ts';
import { packetizeH264 } from '../../sfu/rtp/h264-packetizer.ts';
import type { OwnPicture } from '../../sfu/stage/layer/live-layer.ts';
import type { Stage } from '../../sfu/stage/stage.ts';
import { encodedPictures, layerTracks, originOf, SOURCE_TRACKS, type MediaPlan } from '../media-plan/media-planner.ts';
import type { StreamHealth } from '../media-plan/stream-observer.ts';
import type { PublishProtocol } from '../publisher/publisher.ts';
import { EncoderNode } from './encoder-node.ts';
import type { LegDependencies, LegEncoderState, PictureEncoder } from './outputs.ts';
import { ENCODER_GOP_SECONDS, SourceSwitch } from './source-switch.ts';

/** Bits per pixel of a re-encoded picture, and the limits of its bit rate: 2.8 Mbit/s for 720p30, or the source's. */
const BITS_PER_PIXEL = 0.1;
const MIN_VIDEO_BITRATE_BPS = 600_000;
const MAX_VIDEO_BITRATE_BPS = 8_000_000;
/** Source units of the running GOP kept, for an encoder that begins in its middle. */
const MAX_GOP_UNITS = 600;

const SOURCE_PICTURE = SOURCE_TRACKS.video;
/** Viewers over WebRTC on poor lines wait for a key frame of these, after each loss that is too great. */
const QUICK_RUNGS: readonly RungName[] = RUNG_NAMES.slice(-2);
const QUICK_GOP_SECONDS = 0.5;

export class VideoLegs {
	readonly #deps: LegDependencies;
	readonly #encoder: EncoderNode;
	readonly #switch: SourceSwitch;
	#plan: MediaPlan | undefined;
	/** What the encoder puts out, or will from the next key frame on. */
	#encoded: readonly Track[] = [];
	/** Rungs that the publisher sends. */
	#layers: readonly Track[] = [];
	/** Those of them whose pictures go to the stage, from a key frame on. */
	readonly #shownLayers = new Set<TrackId>();
	#gop: AccessUnit[] = [];
	/** Pictures a second of the source; 0 while unknown. */
	#frameRate = 0;
	/** A run has begun: what the encoder makes is planned with all facts. */
	#hasRun = false;

	constructor(deps: LegDependencies) {
		this.#deps = deps;
		this.#switch = new SourceSwitch(deps.logger);
		this.#encoder = new EncoderNode({
			onConfigured: (config, trackId) => this.#onConfigured(config, trackId),
			onUnit: (unit) => this.#onEncoded(unit),
		});
	}

	/** The tiers for which the source's picture is re-encoded, and the state of the encoder. */
	get encoderStates(): readonly LegEncoderState[] {
		const { state } = this.#encoder;
		const tiers = [
			{ tier: 'webrtc', to: 'stage' },
			{ tier: 'll-hls', to: 'packager' },
		] as const;
		return state === undefined
			? []
			: tiers.filter(({ to }) => this.#originOf(to) === 'encoder').map(({ tier }) => ({ track: 'video', tier, state }));
	}

	/** Undefined without an encoder. */
	get pictureEncoder(): PictureEncoder | undefined {
		const { state, statistics } = this.#encoder;
		if (state === undefined || statistics === undefined) {
			return undefined;
		}
		const begun = this.#encoded.filter(({ id }) => this.#encoder.config(id) !== undefined);
		const begunRungs = begun.flatMap(({ rung }) => (rung?.kind === 'video' ? [rung.name] : []));
		return { state, inUse: this.#deps.transcoders.encoder, lagMs: statistics.lagMs, begunRungs };
	}

	/**
	 * Layers of the stage that just continue when the source's configuration changes: rungs that the publisher sends, and
	 * the source where its packets go out as they come. The changed key frame has gone out already.
	 */
	continuingLayers(protocol: PublishProtocol): readonly ShownRung[] {
		const rungs = this.#layers.flatMap(({ rung }) => (rung?.kind === 'video' ? [rung.name] : []));
		return protocol === 'whip' && this.#switch.isShowingSource ? [...rungs, 'source'] : rungs;
	}

	/** True when the publisher's RTP of a picture at this timeline position goes to the stage unchanged. */
	passesRtpThrough(timelineTicks: number): boolean {
		const passes = this.#plan === undefined || this.#originOf('stage') === 'source';
		return this.#switch.isOpenToSource(timelineTicks) && (passes || this.#switch.isShowingSource);
	}

	/** Source unit → stage, and → encoder → stage and packager. */
	feedStage(unit: AccessUnit, plan: MediaPlan, config: VideoTrackConfig, protocol: PublishProtocol): void {
		this.#plan = plan;
		const origin = this.#originOf('stage');
		if (origin === 'encoder') {
			this.#beginEncoder(config);
		}
		const hasEncoder = this.#encoder.write(unit);
		if (!hasEncoder || !this.#hasRun) {
			this.#keepGop(unit);
		}
		const stage = this.#deps.outputs.stage();
		const goesDirectly =
			config.codec === 'h264' &&
			this.#switch.isOpenToSource(unit.presentationTimeTicks) &&
			(origin === 'source' || (origin === 'encoder' && this.#switch.isShowingSource));
		if (stage !== undefined && goesDirectly && this.#switch.showSource(unit)) {
			if (unit.isKeyFrame) {
				this.#describeSource(stage, config);
			}
			if (protocol === 'rtmp') {
				writePicture(stage, unit, config);
			}
			this.#deps.onMedia();
		}
	}

	/** A run begins, now or soon; or the plan has changed: the packager's tracks are the source's and the encoder's. */
	beginRun(plan: MediaPlan, config: VideoTrackConfig, health: StreamHealth): void {
		const before = this.#plan;
		this.#plan = plan;
		this.#frameRate = Math.round(health.frameRate);
		this.#followPlan(config, health);
		this.#followLayers(plan, before);
		this.#hasRun = true;
		if (this.#originOf('packager') === 'source') {
			this.#deps.runs.configure(SOURCE_PICTURE, config);
		}
		for (const { id } of this.#encoded) {
			const known = this.#encoder.config(id);
			if (known !== undefined) {
				this.#onConfigured(known, id);
			}
		}
	}

	/** A picture of a layer that the publisher sends → stage. */
	feedLayerToStage(layer: number, unit: AccessUnit): void {
		const track = this.#layerTrack(layer);
		const config = this.#deps.layerConfig(layer);
		if (
			track?.rung?.kind !== 'video' ||
			config === undefined ||
			originOf(this.#plan!, track.id, 'stage') !== 'source'
		) {
			return;
		}
		if (unit.isKeyFrame) {
			this.#shownLayers.add(track.id);
		}
		if (this.#shownLayers.has(track.id)) {
			this.#writeRung(track.rung, unit, config);
		}
	}

	/** The same → packager. */
	feedLayerToPackager(layer: number, unit: AccessUnit): void {
		const track = this.#layerTrack(layer);
		if (track !== undefined && originOf(this.#plan!, track.id, 'packager') === 'source') {
			this.#deps.runs.write({ ...unit, trackId: track.id });
		}
	}

	/** Source unit → packager, when it passes through. */
	feedPackager(unit: AccessUnit, plan: MediaPlan): void {
		if (originOf(plan, SOURCE_PICTURE.id, 'packager') === 'source') {
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
		this.#encoded = [];
		this.#switch.restart();
		this.#hasRun = false;
		this.#gop = [];
	}

	close(): Promise<void> {
		return this.#encoder.close();
	}

	#originOf(to: 'stage' | 'packager'): 'source' | 'encoder' | undefined {
		return this.#plan && originOf(this.#plan, SOURCE_PICTURE.id, to);
	}

	#keepGop(unit: AccessUnit): void {
		if (unit.isKeyFrame) {
			this.#gop = [];
		}
		if (this.#gop.length < MAX_GOP_UNITS) {
			this.#gop.push(unit);
		}
	}

	#layerTrack(layer: number): Track | undefined {
		return this.#layers.find(({ rung }) => rung?.kind === 'video' && rung.layer?.number === layer);
	}

	/** Rungs that the publisher sends begin with their next key frame; those that it does not send any more end. */
	#followLayers(plan: MediaPlan, before: MediaPlan | undefined): void {
		const wanted = layerTracks(plan);
		const goes = (of: MediaPlan | undefined, id: TrackId, to: 'stage' | 'packager'): boolean =>
			of !== undefined && originOf(of, id, to) !== undefined;
		for (const track of this.#layers) {
			if (goes(before, track.id, 'packager') && !goes(plan, track.id, 'packager')) {
				this.#deps.runs.pause(track);
			}
			if (!goes(plan, track.id, 'stage') && track.rung?.kind === 'video' && this.#shownLayers.delete(track.id)) {
				this.#deps.outputs.stage()?.video.layers.endRung(track.rung.name);
			}
		}
		this.#layers = wanted;
		for (const track of wanted) {
			const config = track.rung?.kind === 'video' ? this.#deps.layerConfig(track.rung.layer!.number) : undefined;
			if (config !== undefined && goes(plan, track.id, 'packager')) {
				this.#deps.runs.configure(track, config);
			}
		}
	}

	/** The encoder makes the pictures of the plan: it is created, replaced or ended where it makes others. */
	#followPlan(config: VideoTrackConfig, health: StreamHealth): void {
		const wanted = encodedPictures(this.#plan!);
		const lost = this.#encoded.filter(({ id }) => wanted.every((track) => track.id !== id));
		const hasOther = wanted.some((track) => this.#encoded.every((known) => !isSamePicture(known, track)));
		if (lost.length === 0 && !hasOther) {
			return;
		}
		const isFirst = this.#encoded.length === 0;
		this.#encoded = wanted;
		for (const track of lost) {
			this.#deps.runs.pause(track);
			if (track.rung?.kind === 'video') {
				this.#deps.outputs.stage()?.video.layers.endRung(track.rung.name);
			}
		}
		if (isFirst) {
			this.#beginEncoder(config, health);
		} else if (wanted.length === 0) {
			this.#encoder.end();
		} else if (this.#hasRun) {
			this.#encoder.replace(() => this.#createTranscoder(wanted, config, health));
		} else {
			this.#encoder.overtake(() => this.#createTranscoder(wanted, config, health), this.#gop.splice(0));
		}
	}

	#beginEncoder(config: VideoTrackConfig, health?: StreamHealth): void {
		const pictures = encodedPictures(this.#plan!);
		if (this.#encoder.begin(() => this.#createTranscoder(pictures, config, health))) {
			this.#encoded = pictures;
			this.#gop.forEach((unit) => this.#encoder.write(unit));
			if (this.#hasRun || health !== undefined) {
				this.#gop = [];
			}
		}
	}

	#createTranscoder(
		tracks: readonly Track[],
		config: VideoTrackConfig,
		health: StreamHealth | undefined,
	): MediaTranscoder {
		const frameRate = health !== undefined && health.frameRate > 0 ? health.frameRate : undefined;
		// Where the source's picture passes through to LL-HLS, players change between it and the rungs at its key frames.
		const keyFrames =
			this.#originOf('packager') === 'source' && tracks.some(({ rung }) => rung) ? 'source' : 'timeline';
		const common = { codec: 'h264', keyFrames, gopDurationSeconds: ENCODER_GOP_SECONDS } as const;
		const outputs = tracks.map(({ id, rung }): VideoEncoderOutput => {
			const rate = frameRate === undefined ? {} : { frameRate: Math.round(frameRate) };
			if (rung?.kind !== 'video') {
				return { ...common, ...rate, trackId: id, maxBitrateBps: sourceBitrateBps(config, health) };
			}
			const { name, heightPixels, frameRate: maxFrameRate, maxBitrateBps } = rung;
			// Half of the others' interval: the others' key frames are among them.
			const isQuick = keyFrames === 'source' && QUICK_RUNGS.includes(name);
			const gop = isQuick ? { gopDurationSeconds: QUICK_GOP_SECONDS } : {};
			return { ...common, ...rate, ...gop, trackId: id, maxBitrateBps, heightPixels, maxFrameRate };
		});
		return this.#deps.transcoders.createVideo({ input: config, outputs, run: 0, logger: this.#deps.logger });
	}

	#onConfigured(config: TrackConfig, trackId: TrackId): void {
		const track = this.#encoded.find(({ id }) => id === trackId);
		if (track !== undefined && this.#plan !== undefined && originOf(this.#plan, trackId, 'packager') === 'encoder') {
			this.#deps.runs.configure(track, config);
		}
	}

	#onEncoded(unit: AccessUnit): void {
		if (this.#plan === undefined || this.#encoded.every(({ id }) => id !== unit.trackId)) {
			return;
		}
		if (originOf(this.#plan, unit.trackId, 'packager') === 'encoder') {
			this.#deps.runs.write(unit);
		}
		if (originOf(this.#plan, unit.trackId, 'stage') !== 'encoder') {
			return;
		}
		if (unit.trackId === SOURCE_PICTURE.id) {
			this.#showEncoded(unit);
		} else {
			this.#showRung(unit);
		}
	}

	#showRung(unit: AccessUnit): void {
		const rung = this.#encoded.find(({ id }) => id === unit.trackId)?.rung;
		const config = this.#encoder.config(unit.trackId);
		if (rung?.kind === 'video' && config?.kind === 'video') {
			this.#writeRung(rung, unit, config);
		}
	}

	#writeRung(rung: VideoRung, unit: AccessUnit, config: VideoTrackConfig): void {
		const layers = this.#deps.outputs.stage()?.video.layers;
		const { name, frameRate, maxBitrateBps, layer } = rung;
		if (unit.isKeyFrame) {
			layers?.describe(name, {
				...displaySize(config),
				frameRate: Math.min(frameRate, this.#frameRate || frameRate),
				maxBitrateBps,
				isFromPublisher: layer !== undefined,
			});
		}
		layers?.writeRung(name, stagePicture(unit, config));
	}

	#showEncoded(unit: AccessUnit): void {
		const config = this.#encoder.config(unit.trackId);
		const stage = this.#deps.outputs.stage();
		const shown = stage === undefined ? 'no' : this.#switch.showEncoded(unit);
		if (stage === undefined || config?.kind !== 'video' || shown === 'no') {
			return;
		}
		if (shown === 'first') {
			stage.video.beginRun();
		}
		if (unit.isKeyFrame) {
			this.#describeSource(stage, config);
		}
		writePicture(stage, unit, config);
		this.#deps.onMedia();
	}

	#describeSource(stage: Stage, config: VideoTrackConfig): void {
		const size = displaySize(config);
		stage.video.layers.describe('source', { ...size, frameRate: this.#frameRate, maxBitrateBps: undefined });
	}
}

/** Ceiling of the source's own picture when it is re-encoded. */
/** The encoder need not be another one. */
function isSamePicture(one: Track, other: Track): boolean {
	const ceilingOf = ({ rung }: Track): number | undefined => (rung?.kind === 'video' ? rung.maxBitrateBps : undefined);
	return one.id === other.id && ceilingOf(one) === ceilingOf(other);
}

function sourceBitrateBps(config: VideoTrackConfig, health: StreamHealth | undefined): number {
	const frameRate = health !== undefined && health.frameRate > 0 ? health.frameRate : 30;
	const pixelsPerSecond = config.widthPixels * config.heightPixels * Math.min(frameRate, 60);
	const measuredBps = (health?.videoBitrateBps ?? 0) * 1.1;
	const wantedBps = Math.max(MIN_VIDEO_BITRATE_BPS, pixelsPerSecond * BITS_PER_PIXEL, measuredBps);
	return Math.round(Math.min(MAX_VIDEO_BITRATE_BPS, wantedBps));
}

/** Sends one H.264 access unit of the source to a stage. */
function writePicture(stage: Stage, unit: AccessUnit, config: VideoTrackConfig): void {
	stage.video.writePicture(stagePicture(unit, config));
}

function stagePicture(unit: AccessUnit, config: VideoTrackConfig): OwnPicture {
	return {
		payloads: packetizeH264(splitLengthPrefixed(unit.bytes), unit.isKeyFrame ? config : undefined),
		isKeyFrame: unit.isKeyFrame,
		timelineTicks: unit.presentationTimeTicks,
		captureTimeMs: unit.captureTimeMs,
	};
}
