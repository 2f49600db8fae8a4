/**
 * One publisher's stream on its way into a broadcast: placed on the timeline, planned, and routed to the stage and the
 * packager. Where the plan requires it, the route leads through encoders. Long because it owns every part of that way.
 */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import type { Logger } from '../../core/logger.ts';
import type { AccessUnit, TrackId } from '../../core/media/access-unit.ts';
import { displaySize, isSameConfig, type AudioCodec, type TrackConfig } from '../../core/media/codecs.ts';
import { opusDurationTicks } from '../../core/media/opus.ts';
import type { TranscoderFactory } from '../../core/media/transcoder.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import { AAC_FRAME_SAMPLES, ticksToMs } from '../../core/units.ts';
import { CheckedTimes } from '../timing/checked-times.ts';
import { PaceCorrection } from '../timing/pace-correction.ts';
import { AudioLegs } from '../media-graph/audio-legs.ts';
import type { BroadcastOutputs, LegEncoderState, PictureEncoder } from '../media-graph/outputs.ts';
import { ContributionTimeline } from '../timing/contribution-timeline.ts';
import { EncoderAdmission } from '../media-plan/encoder-admission.ts';
import { LadderControl } from '../media-plan/ladder-control.ts';
import type { LadderPlan, LadderSetting } from '../media-plan/ladder.ts';
import { isSamePlan, originOf, SOURCE_TRACKS, type MediaPlan, type StreamFacts } from '../media-plan/media-planner.ts';
import { OffAirBuffer, type PublisherMedia } from './off-air-buffer.ts';
import { knowsGop, knowsTracks, mayLackPicture, usualSilenceMs } from './patience.ts';
import { ProblemWatch } from './problem-watch.ts';
import type { Publisher, PublisherEndReason, PublisherRtpPacket, PublisherUnit } from '../publisher/publisher.ts';
import { RunSwitch } from '../media-graph/run-switch.ts';
import { VideoLegs } from '../media-graph/video-legs.ts';
import { StreamObserver } from '../media-plan/stream-observer.ts';
import type { EncoderGrants } from '../media-plan/work-budget.ts';

type ContributionEvents = {
	/** Its first key frame (or first sound, without a picture) is here: it can replace the previous one. Once. */
	ready: [];
	/** Media reached a tier. Emitted for each unit; cheap. */
	media: [];
	/** The first plan for the stream, or a changed one. */
	planned: [plan: MediaPlan];
	/** The publisher has ended, and no more of its media goes out; close() also waits for its encoders. Once. */
	closed: [reason: PublisherEndReason];
};

/** Chromium's GOP has no end, so key frames are requested; the first request is early and shows whether it answers. */
const KEY_FRAME_INTERVAL_MS = 2000;
const FIRST_KEY_FRAME_REQUEST_MS = 900;
/** How often the plan is checked, in addition to each picture. */
const DECIDE_INTERVAL_MS = 100;
/** Units held until there is a plan: the longest awaited GOP, at 120 pictures and 100 audio frames a second. */
const MAX_HELD_UNITS = 800;

type ContributionDependencies = {
	clock: Clock;
	logger: Logger;
	transcoders: TranscoderFactory;
	outputs: BroadcastOutputs;
	broadcastEpochMs: number;
	/** Timeline position that the broadcast has reached. */
	notBeforeMs: () => number;
	/** False for a broadcast that already plays: it does not wait for the length of the first GOP. */
	waitsForGop: boolean;
	/** Whether a picture may be re-encoded. */
	encoderGrants: EncoderGrants;
	/** Which rungs the channel may have. */
	ladderSetting: () => LadderSetting;
};

/** Owns a publisher, from acceptance to its end. */
export class Contribution extends TypedEmitter<ContributionEvents> {
	readonly publisher: Publisher;
	readonly observer = new StreamObserver();
	readonly problemWatch: ProblemWatch;
	readonly #deps: ContributionDependencies;
	readonly #scope: CloseScope<PublisherEndReason>;
	readonly #pace = new PaceCorrection();
	readonly #times: CheckedTimes;
	readonly #timeline: ContributionTimeline;
	readonly #runs: RunSwitch;
	readonly #video: VideoLegs;
	readonly #audio: AudioLegs;
	readonly #admission: EncoderAdmission;
	readonly #ladder: LadderControl;
	#plan: MediaPlan | undefined;
	/** Chosen since the last interval. */
	#rungs: LadderPlan | undefined;
	#isReady = false;
	/** False until the previous contribution has ended: until then only the newest GOP is kept, unchanged. */
	#isOnAir = false;
	readonly #offAir = new OffAirBuffer();
	#held: AccessUnit[] = [];
	#isInterrupted = false;
	#firstMediaAtMs: number | undefined;
	#lastMediaAtMs: number;

	constructor(deps: ContributionDependencies, publisher: Publisher) {
		super(deps.logger);
		this.#deps = deps;
		this.publisher = publisher;
		this.#scope = new CloseScope(deps.logger);
		this.problemWatch = new ProblemWatch(deps, publisher);
		this.#lastMediaAtMs = deps.clock.monotonicMs();
		this.#times = new CheckedTimes(publisher);
		this.#timeline = new ContributionTimeline(deps, publisher);
		this.#runs = new RunSwitch({
			...deps,
			sink: deps.outputs.packager,
			nextRun: () => deps.outputs.nextRun(),
			onBegin: (run) => this.#reportRun(run),
			onOpen: () => this.emit('media'),
		});
		const legDeps = { ...deps, runs: this.#runs, onMedia: () => this.emit('media') };
		this.#video = new VideoLegs(legDeps);
		this.#audio = new AudioLegs(legDeps);
		this.#admission = new EncoderAdmission(deps);
		this.#ladder = new LadderControl(deps, deps.ladderSetting);
		this.#listen();
		this.#scope.every(deps.clock, DECIDE_INTERVAL_MS, () => {
			this.#ladder.observe(this.#video.pictureEncoder?.lagMs);
			this.#rungs = undefined;
			this.#decide();
			this.problemWatch.observeLadder(this.#plan?.ladder);
		});
		this.#requestKeyFrames();
		this.#scope.onClose(async (reason) => {
			this.#runs.end();
			this.#held = [];
			this.#offAir.drain();
			// Before the encoders have ended: the next publisher after one that unpublished must see an ended broadcast.
			this.emit('closed', reason);
			this.#admission.release();
			this.#ladder.release();
			await Promise.all([this.#video.close(), this.#audio.close(), publisher.close(reason)]);
		});
	}

	/** Undefined until enough facts are known. */
	get plan(): MediaPlan | undefined {
		return this.#plan;
	}

	get encoderStates(): readonly LegEncoderState[] {
		return [...this.#video.encoderStates, ...this.#audio.encoderStates];
	}

	/** Undefined while no picture is encoded. */
	get pictureEncoder(): PictureEncoder | undefined {
		return this.#video.pictureEncoder;
	}

	/** Clock.monotonicMs() of the last unit. */
	get lastMediaAtMs(): number {
		return this.#lastMediaAtMs;
	}

	/** Longest silence, in milliseconds, that is within its usual pace. */
	get usualSilenceMs(): number {
		return usualSilenceMs(this.observer);
	}

	/** There was no media for too long: the next unit begins another run. */
	interrupt(): void {
		this.#isInterrupted = true;
		this.#runs.end();
		this.#held = [];
	}

	/** The previous contribution has ended: from now on this one feeds the tiers. */
	goOnAir(): void {
		if (this.#isOnAir || this.#scope.closed) {
			return;
		}
		this.#isOnAir = true;
		this.#deps.outputs.beginStageRun();
		this.#offAir.drain().forEach((media) => this.#process(media));
		this.#decide();
	}

	/** Feeds a new stage, after the worker of the old one died. */
	restartStage(): void {
		this.#video.restartStage();
	}

	/** The machine's wall clock was set. Dates within a run are continuous, so another run begins. */
	wallClockStepped(stepMs: number): void {
		this.#timeline.wallClockStepped(stepMs);
		if (this.#runs.hasRun) {
			this.#beginRunAtKeyFrame();
		}
	}

	close(reason: PublisherEndReason): Promise<void> {
		return this.#scope.close(reason);
	}

	#listen(): void {
		const { publisher } = this;
		const { signal } = this.#scope;
		publisher.on('trackConfigured', (config) => this.#onConfigured(config), { signal });
		publisher.on('unit', (unit) => this.#receive({ unit }), { signal });
		publisher.on('rtpPacket', (packet) => this.#receive({ packet }), { signal });
		publisher.on(
			'senderReport',
			(kind, publisherMs, mediaMs) =>
				this.#timeline.senderReport(kind, publisherMs, this.#times.checkReport(kind, mediaMs)),
			{ signal },
		);
		publisher.on('closed', (reason) => void this.#scope.close(reason));
	}

	#requestKeyFrames(): void {
		const { clock } = this.#deps;
		const request = (): boolean => this.publisher.requestKeyFrame();
		this.#scope.after(clock, FIRST_KEY_FRAME_REQUEST_MS, request);
		this.#scope.every(clock, KEY_FRAME_INTERVAL_MS, request);
		// The first key frame may have been sent before the listeners were attached, or lost.
		this.#scope.every(clock, FIRST_KEY_FRAME_REQUEST_MS, () => this.#isReady || request());
	}

	#onConfigured(config: TrackConfig): void {
		const previous = config.kind === 'video' ? this.observer.video : this.observer.audio;
		this.observer.configure(config);
		if (previous === undefined || isSameConfig(previous, config)) {
			return;
		}
		// The encoder scales VP8 of another size to the first one; any other change is a new run.
		if (config.kind === 'video' && config.codec === 'vp8') {
			return;
		}
		this.#deps.logger.info({ kind: config.kind }, 'the configuration of a track has changed');
		if (config.kind === 'audio' && this.#runs.hasRun) {
			this.#audio.restart();
			this.#beginRunAtKeyFrame([SOURCE_TRACKS.audio.id]);
		} else {
			this.#restart();
		}
	}

	#receive(media: PublisherMedia): void {
		this.#lastMediaAtMs = this.#deps.clock.monotonicMs();
		this.#firstMediaAtMs ??= this.#lastMediaAtMs;
		if (this.#isOnAir) {
			this.#process(media);
		} else {
			this.#offAir.add(media);
		}
		if (media.unit !== undefined) {
			this.#announceReady(media.unit);
		}
	}

	#process({ unit, packet }: PublisherMedia): void {
		if (unit === undefined) {
			this.#onRtpPacket(packet);
		} else {
			this.#onUnit(unit);
		}
	}

	#onUnit(stated: PublisherUnit): void {
		this.#isInterrupted = false;
		const unit = this.#times.check(this.#pace.correct(stated, this.observer.audio));
		this.#followBreak();
		this.observer.observe(unit);
		const accessUnit = this.#place(unit);
		if (accessUnit === undefined) {
			return;
		}
		// Before the unit goes anywhere, so that an encoder that it needs begins with all its outputs.
		if (unit.kind === 'video') {
			this.#decide();
		}
		if (!this.#runs.hasRun) {
			this.#hold(accessUnit);
		} else {
			this.#feedStage(accessUnit, this.#plan!);
			this.#feedPackager(accessUnit, this.#plan!);
		}
	}

	// Checked times continue across the break; another run reports it to the packager's players.
	#followBreak(): void {
		if (!this.#times.consumeBreak()) {
			return;
		}
		this.#deps.logger.info({}, "the publisher's clock is another; its next key frame begins the next run");
		if (this.#runs.hasRun) {
			this.#beginRunAtKeyFrame();
		}
	}

	#place(unit: PublisherUnit): AccessUnit | undefined {
		const config = unit.kind === 'video' ? this.observer.video : this.observer.audio;
		if (config === undefined) {
			return undefined;
		}
		const position = this.#timeline.place(unit, config.kind === 'audio' ? config.sampleRate : 0);
		if (position.decodeTimeTicks < 0) {
			return undefined;
		}
		this.#deps.outputs.reached(ticksToMs(position.decodeTimeTicks, position.clockRate));
		return {
			trackId: SOURCE_TRACKS[unit.kind].id,
			kind: unit.kind,
			codec: config.codec,
			...position,
			...(config.kind === 'audio' ? { durationTicks: audioDurationTicks(config.codec, unit.bytes) } : {}),
			isKeyFrame: unit.isKeyFrame,
			// The run that it is written to stamps it.
			run: 0,
			bytes: unit.bytes,
		};
	}

	// RTP goes to the stage ahead of its unit, without waiting for the picture's end.
	#onRtpPacket(packet: PublisherRtpPacket): void {
		const rtpTicks = this.#times.checkRtp(packet);
		this.#followBreak();
		const captureTimeMs = this.#timeline.observeRtp(packet.kind, rtpTicks, packet.arrivedAtMs);
		const stage = this.#deps.outputs.stage();
		const timelineTicks = rtpTicks + this.#timeline.rtpOffsetTicks(packet.kind, rtpTicks, captureTimeMs);
		if (stage === undefined || (packet.kind === 'video' && !this.#video.passesRtpThrough(timelineTicks))) {
			return;
		}
		const { payload, hasMarker, sequenceNumber } = packet;
		const stagePacket = { payload, hasMarker, sequenceNumber, timelineTicks, captureTimeMs };
		(packet.kind === 'video' ? stage.video : stage.audio).forward(stagePacket);
		if (packet.kind === 'audio') {
			// A picture emits this event when it is whole.
			this.emit('media');
		}
	}

	// The WebRTC leg does not wait for the plan: H.264 without B-frames goes out from its first key frame on.
	#hold(unit: AccessUnit): void {
		this.#feedStage(unit);
		this.#held.push(unit);
		if (this.#held.length > MAX_HELD_UNITS) {
			this.#held.shift();
		}
	}

	#feedStage(unit: AccessUnit, plan?: MediaPlan): void {
		if (unit.kind === 'audio') {
			this.#audio.feedStage(unit, this.observer.audio!);
		} else {
			this.#video.feedStage(unit, plan ?? this.#planNow(), this.observer.video!, this.publisher.protocol);
		}
	}

	#feedPackager(unit: AccessUnit, plan: MediaPlan): void {
		if (unit.kind === 'audio') {
			this.#audio.feedPackager(unit, plan, this.observer.audio!);
		} else {
			this.#video.feedPackager(unit, plan);
		}
	}

	#announceReady(unit: PublisherUnit): void {
		if (this.#isReady) {
			return;
		}
		const isConfigured = this.observer.video !== undefined;
		const { announcedKinds } = this.publisher;
		const lacksPicture = mayLackPicture(announcedKinds, this.#elapsedMs(), { isConfigured, isOnAir: this.#isOnAir });
		if ((unit.kind === 'video' && unit.isKeyFrame) || lacksPicture) {
			this.#isReady = true;
			this.emit('ready');
		}
	}

	/** Plans as soon as enough facts are known, and again when they have changed. */
	#decide(): void {
		if (!this.#isOnAir || !this.#isReady || this.#isInterrupted || this.#scope.closed) {
			return;
		}
		if (!this.#runs.hasRun && !this.#knowsEnough()) {
			return;
		}
		const plan = this.#planNow(true);
		if (this.#runs.hasRun && this.#plan !== undefined && isSamePlan(plan, this.#plan)) {
			// The ways are the same; the reasons may be others.
			this.#plan = plan;
			return;
		}
		const before = this.#plan;
		const pictureOrigin = (of: MediaPlan): string | undefined => originOf(of, SOURCE_TRACKS.video.id, 'packager');
		const hasOtherPicture = before === undefined || pictureOrigin(plan) !== pictureOrigin(before);
		const hasJoined = plan.legs.length !== before?.legs.length || plan.tracks.some(({ id }) => !this.#runs.has(id));
		this.#plan = plan;
		this.emit('planned', plan);
		if (!this.#runs.hasRun || hasOtherPicture) {
			this.#beginRun(plan);
		} else if (hasJoined) {
			this.#beginRunAtKeyFrame();
		} else {
			// Only the WebRTC tier's leg or the ladder has changed.
			this.#configureRun(plan);
		}
	}

	/** `hasLadder`: enough is known of the picture to choose its rungs. */
	#planNow(hasLadder = false): MediaPlan {
		const { video } = this.observer;
		if (video === undefined) {
			return this.#admission.plan(this.#facts, undefined);
		}
		if (hasLadder && this.#rungs === undefined) {
			const { frameRate, videoBitrateBps: bitrateBps } = this.observer.health;
			this.#rungs = this.#ladder.plan({ ...displaySize(video), frameRate, bitrateBps });
		}
		// An encoder's cost follows what arrives: times that run too fast do not lower it.
		const frameRate = (): number => Math.max(this.observer.health.frameRate, this.observer.arrivalFrameRate);
		return this.#admission.plan(this.#facts, { ...video, frameRate }, hasLadder ? this.#rungs : undefined);
	}

	#knowsEnough(): boolean {
		const facts = this.#facts;
		const { clock, waitsForGop } = this.#deps;
		return (
			knowsTracks(this.publisher.announcedKinds, this.#elapsedMs(), facts) &&
			(!waitsForGop || knowsGop(facts, this.observer, clock.monotonicMs()))
		);
	}

	/** Since the first unit. */
	#elapsedMs(): number {
		return this.#firstMediaAtMs === undefined ? 0 : this.#deps.clock.monotonicMs() - this.#firstMediaAtMs;
	}

	#reportRun(run: number): void {
		const legs = this.#plan?.legs.map((leg) => `${leg.track} ${leg.tier}: ${leg.mode}`);
		this.#deps.logger.info({ run, legs }, 'run begins');
	}

	/** Facts of the tracks that can be shown. */
	get #facts(): StreamFacts {
		const { facts, hasPicture } = this.observer;
		return hasPicture ? facts : { ...facts, video: undefined };
	}

	#configureRun(plan: MediaPlan): void {
		const facts = this.#facts;
		const { audio, video, health } = this.observer;
		if (facts.audio !== undefined) {
			this.#audio.beginRun(plan, audio!);
		}
		if (facts.video !== undefined) {
			this.#video.beginRun(plan, video!, health);
		}
	}

	/** Loses nothing of the run on air. `ended`: tracks that continue in the next run only. */
	#beginRunAtKeyFrame(ended: readonly TrackId[] = []): void {
		const plan = this.#plan!;
		this.#runs.beginAtKeyFrame(plan.tracks, ended);
		this.#configureRun(plan);
	}

	#beginRun(plan: MediaPlan): void {
		this.#runs.begin(plan.tracks);
		this.#configureRun(plan);
		for (const unit of this.#held.splice(0)) {
			const timelineMs = ticksToMs(unit.presentationTimeTicks, unit.clockRate);
			const captureTimeMs = this.#timeline.captureTimeMs(unit.kind, timelineMs);
			this.#feedPackager({ ...unit, captureTimeMs }, plan);
		}
	}

	// Another picture: the plan stays, and every leg starts again.
	#restart(): void {
		this.#runs.end();
		this.#held = [];
		this.#rungs = undefined;
		this.#video.restart();
		this.#audio.restart();
		if (this.#isOnAir) {
			this.#deps.outputs.beginStageRun();
		}
	}
}

function audioDurationTicks(codec: AudioCodec, bytes: Uint8Array): number {
	return codec === 'aac' ? AAC_FRAME_SAMPLES : (opusDurationTicks(bytes) ?? 960);
}
