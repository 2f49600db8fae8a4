/**
 * One publisher's stream on its way into a broadcast: placed on the timeline, planned, and led to the stage and the
 * packager, through encoders where the plan says so.
 */
import type { Clock } from '../core/clock.ts';
import { CloseScope } from '../core/close-scope.ts';
import type { Logger } from '../core/logger.ts';
import type { AccessUnit } from '../core/media/access-unit.ts';
import { isSameConfig, type AudioCodec, type TrackConfig } from '../core/media/codecs.ts';
import { opusDurationTicks } from '../core/media/opus.ts';
import type { TranscoderFactory } from '../core/media/transcoder.ts';
import { TypedEmitter } from '../core/typed-emitter.ts';
import { startsH264KeyFrame } from '../sfu/stage/stage-track.ts';
import { AAC_FRAME_SAMPLES, ticksToMs } from '../core/units.ts';
import { AudioLegs, VideoLegs, type BroadcastOutputs } from './contribution-legs.ts';
import { ContributionTimeline } from './contribution-timeline.ts';
import { isGopTooLong, planLegs, type LegPlan } from './leg-planner.ts';
import { ProblemWatch } from './problem-watch.ts';
import type { Publisher, PublisherEndReason, PublisherRtpPacket, PublisherUnit } from './publisher.ts';
import { SinkRun } from './sink-run.ts';
import { StreamObserver } from './stream-observer.ts';

/** Events of a contribution. */
export type ContributionEvents = {
	/** Its first key frame (or first sound, without a picture) is here: the one before may go now. Once. */
	ready: [];
	/** Something reached a tier. Emitted for each unit; cheap. */
	media: [];
	/** What is done to the stream, or that it has changed. */
	planned: [plan: LegPlan];
	/** The publisher is gone, and nothing more of it goes out; its encoders may still be ending, which close() waits for. Once. */
	closed: [reason: PublisherEndReason];
};

/** Without a picture for this long, a publisher that has sound is taken for one without a picture (and the other way). */
const MISSING_TRACK_MS = 1500;
/** Chromium's GOP has no end, so that key frames are asked for; the first request comes early, to learn whether it answers. */
const KEY_FRAME_INTERVAL_MS = 2000;
const FIRST_KEY_FRAME_REQUEST_MS = 900;
type OffAirEntry = { unit: PublisherUnit; packet?: undefined } | { unit?: undefined; packet: PublisherRtpPacket };
/** Packets and units of the newest GOP kept off air. */
const MAX_OFF_AIR_ENTRIES = 6000;
/** Units held while the plan is open: the longest GOP that is waited for, at 60 pictures and 50 audio frames a second. */
const MAX_HELD_UNITS = 400;

/** What a contribution needs. */
export type ContributionDependencies = {
	clock: Clock;
	logger: Logger;
	transcoders: TranscoderFactory;
	outputs: BroadcastOutputs;
	broadcastEpochMs: number;
	/** Timeline position that the broadcast has reached by now. */
	notBeforeMs: () => number;
	/** A broadcast that plays already is not kept waiting for the length of the first GOP. */
	waitsForGop: boolean;
};

/** Owns a publisher, from acceptance to its end. */
export class Contribution extends TypedEmitter<ContributionEvents> {
	readonly publisher: Publisher;
	readonly observer = new StreamObserver();
	readonly problemWatch: ProblemWatch;
	readonly #dependencies: ContributionDependencies;
	readonly #clock: Clock;
	readonly #scope: CloseScope<PublisherEndReason>;
	readonly #timeline: ContributionTimeline;
	readonly #startedAtMs: number;
	readonly #video: VideoLegs;
	readonly #audio: AudioLegs;
	#plan: LegPlan | undefined;
	#isReady = false;
	/** False until the contribution before has made way: until then only the newest GOP is kept, as it came. */
	#isOnAir = false;
	#offAir: OffAirEntry[] = [];
	#held: AccessUnit[] = [];
	#run: SinkRun | undefined;
	#lastMediaAtMs: number;

	constructor(publisher: Publisher, dependencies: ContributionDependencies) {
		super(dependencies.logger);
		this.publisher = publisher;
		this.#dependencies = dependencies;
		this.#clock = dependencies.clock;
		this.#scope = new CloseScope(dependencies.logger);
		this.problemWatch = new ProblemWatch(publisher, dependencies);
		this.#startedAtMs = this.#clock.monotonicMs();
		this.#lastMediaAtMs = this.#startedAtMs;
		this.#timeline = new ContributionTimeline({ ...dependencies, hasCommonTimeline: publisher.hasCommonTimeline });
		const legs = {
			...dependencies,
			run: () => this.#run,
			onMedia: () => this.emit('media'),
		};
		this.#video = new VideoLegs(legs);
		this.#audio = new AudioLegs(legs);
		const { signal } = this.#scope;
		publisher.on('trackConfigured', (config) => this.#onConfigured(config), { signal });
		publisher.on('unit', (unit) => this.#receive({ unit }), { signal });
		publisher.on('rtpPacket', (packet) => this.#receive({ packet }), { signal });
		publisher.on(
			'senderReport',
			(kind, publisherMs, mediaMs) => this.#timeline.senderReport(kind, publisherMs, mediaMs),
			{ signal },
		);
		publisher.on('closed', (reason) => void this.#scope.close(reason));
		this.#scope.onClose(this.#clock.setInterval(() => this.#decide(), 100));
		this.#scope.onClose(this.#requestKeyFrames());
		this.#scope.onClose(async (reason) => {
			this.#run?.close();
			this.#held = [];
			this.#offAir = [];
			// Told before the encoders have ended: whoever comes after a goodbye must find the broadcast ended, not ending.
			this.emit('closed', reason);
			await Promise.all([this.#video.close(), this.#audio.close(), publisher.close(reason)]);
		});
	}

	/** What is done to the stream; undefined until enough is known. */
	get plan(): LegPlan | undefined {
		return this.#plan;
	}

	/** Clock.monotonicMs() of the last unit. */
	get lastMediaAtMs(): number {
		return this.#lastMediaAtMs;
	}

	/** The contribution before is gone: from now on this one feeds the tiers. */
	goOnAir(): void {
		if (this.#isOnAir || this.#scope.closed) {
			return;
		}
		this.#isOnAir = true;
		this.#dependencies.outputs.beginStageRun();
		const offAir = this.#offAir;
		this.#offAir = [];
		for (const entry of offAir) {
			this.#process(entry);
		}
		this.#decide();
	}

	/** Feeds a new stage, after the worker of the old one died. */
	restartStage(): void {
		this.#video.restartStage();
	}

	close(reason: PublisherEndReason): Promise<void> {
		return this.#scope.close(reason);
	}

	#onConfigured(config: TrackConfig): void {
		const previous = config.kind === 'video' ? this.observer.video : this.observer.audio;
		this.observer.configure(config);
		if (previous === undefined || isSameConfig(previous, config)) {
			return;
		}
		// A picture of another size comes through the encoder in the size it was given; all else is a new run.
		if (config.kind === 'video' && config.codec === 'vp8') {
			return;
		}
		this.#dependencies.logger.info({ kind: config.kind }, 'the configuration of a track has changed');
		this.#beginAnew();
	}

	#receive(entry: OffAirEntry): void {
		this.#lastMediaAtMs = this.#clock.monotonicMs();
		if (this.#isOnAir) {
			this.#process(entry);
		} else {
			const startsGop =
				entry.packet === undefined
					? entry.unit.kind === 'video' &&
						entry.unit.isKeyFrame &&
						!this.#offAir.some(({ packet }) => packet !== undefined)
					: entry.packet.kind === 'video' && startsH264KeyFrame(entry.packet.payload);
			if (startsGop || this.#offAir.length > MAX_OFF_AIR_ENTRIES) {
				this.#offAir = [];
			}
			this.#offAir.push(entry);
		}
		if (entry.unit !== undefined) {
			this.#announceReady(entry.unit);
		}
	}

	#process(entry: OffAirEntry): void {
		if (entry.unit === undefined) {
			this.#onRtpPacket(entry.packet);
		} else {
			this.#onUnit(entry.unit);
		}
	}

	#onUnit(unit: PublisherUnit): void {
		if (this.#timeline.isBroken(unit)) {
			this.#dependencies.logger.info({ kind: unit.kind }, "the publisher's timestamps are broken; a new run begins");
			this.#timeline.restart();
			this.observer.restartTimeline();
			this.#beginAnew();
		}
		this.observer.observe(unit);
		const accessUnit = this.#place(unit);
		if (accessUnit === undefined) {
			return;
		}
		if (this.#run === undefined) {
			this.#hold(accessUnit);
		} else {
			this.#write(accessUnit);
		}
		if (unit.kind === 'video') {
			this.#decide();
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
		this.#dependencies.outputs.reached(ticksToMs(position.decodeTimeTicks, position.clockRate));
		return {
			trackId: unit.kind === 'video' ? 'video0' : 'audio0',
			codec: config.codec,
			...position,
			...(config.kind === 'audio' ? { durationTicks: audioDurationTicks(config.codec, unit.bytes) } : {}),
			isKeyFrame: unit.isKeyFrame,
			run: this.#run?.run ?? 0,
			bytes: unit.bytes,
		};
	}

	// RTP goes to the stage ahead of the unit it belongs to, without waiting for the picture's end.
	#onRtpPacket(packet: PublisherRtpPacket): void {
		const captureTimeMs = this.#timeline.observeRtp(packet.kind, packet.rtpTicks, packet.arrivedAtMs);
		const stage = this.#dependencies.outputs.stage();
		const timelineTicks = packet.rtpTicks + this.#timeline.rtpOffsetTicks(packet.kind, packet.rtpTicks, captureTimeMs);
		if (stage === undefined || (packet.kind === 'video' && !this.#video.passesRtpThrough(timelineTicks))) {
			return;
		}
		(packet.kind === 'video' ? stage.video : stage.audio).forward({ ...packet, timelineTicks, captureTimeMs });
	}

	#hold(unit: AccessUnit): void {
		this.#feedStage(unit);
		this.#held.push(unit);
		if (this.#held.length > MAX_HELD_UNITS) {
			this.#held.shift();
		}
	}

	// The WebRTC leg does not wait for the plan: H.264 without B-frames goes out from its first key frame on.
	#feedStage(unit: AccessUnit): void {
		if (unit.trackId === 'audio0') {
			this.#audio.feedStage(unit, this.observer.audio!);
		} else {
			this.#video.feedStage(unit, planLegs(this.observer.facts), this.observer.video!, this.publisher.protocol);
		}
	}

	#write(unit: AccessUnit): void {
		if (unit.trackId === 'audio0') {
			this.#audio.feedStage(unit, this.observer.audio!);
			this.#audio.feedPackager(unit, this.observer.audio!);
		} else {
			this.#video.feedStage(unit, this.#plan!, this.observer.video!, this.publisher.protocol);
			this.#video.feedPackager(unit, this.#plan!);
		}
	}

	#announceReady(unit: PublisherUnit): void {
		if (this.#isReady) {
			return;
		}
		const announced = this.publisher.announcedKinds;
		const hasNoPicture =
			announced === undefined
				? this.observer.video === undefined && this.#clock.monotonicMs() - this.#startedAtMs > MISSING_TRACK_MS
				: !announced.includes('video');
		if ((unit.kind === 'video' && unit.isKeyFrame) || hasNoPicture) {
			this.#isReady = true;
			this.emit('ready');
		}
	}

	/** Plans as soon as enough is known, and again when the facts have changed. */
	#decide(): void {
		if (!this.#isOnAir || !this.#isReady || this.#scope.closed) {
			return;
		}
		if (this.#run === undefined && !this.#knowsEnough()) {
			return;
		}
		const plan = planLegs(this.observer.facts);
		const isChanged =
			this.#plan === undefined ||
			plan.reEncodesVideo.webrtc !== this.#plan.reEncodesVideo.webrtc ||
			plan.reEncodesVideo.llHls !== this.#plan.reEncodesVideo.llHls;
		if (this.#run === undefined || isChanged || plan.legs.length !== this.#plan?.legs.length) {
			this.#plan = plan;
			this.emit('planned', plan);
			this.#beginRun(plan);
		}
	}

	#knowsEnough(): boolean {
		const elapsedMs = this.#clock.monotonicMs() - this.#startedAtMs;
		const { facts } = this.observer;
		const announced = this.publisher.announcedKinds;
		const isMissing = (kind: 'audio' | 'video'): boolean =>
			facts[kind] === undefined && (announced?.includes(kind) ?? true) && elapsedMs < MISSING_TRACK_MS;
		const hasNoTrack = facts.audio === undefined && facts.video === undefined;
		if (hasNoTrack || isMissing('audio') || isMissing('video')) {
			return false;
		}
		const gopIsSettled =
			facts.video === undefined ||
			facts.video.codec !== 'h264' ||
			this.observer.isGopKnown ||
			isGopTooLong(facts.video.longestGopMs ?? 0);
		return gopIsSettled || !this.#dependencies.waitsForGop;
	}

	#beginRun(plan: LegPlan): void {
		const { facts } = this.observer;
		this.#run?.close();
		const run = new SinkRun({
			sink: this.#dependencies.outputs.packager,
			run: this.#dependencies.outputs.nextRun(),
			expected: [
				...(facts.video === undefined ? [] : (['video0'] as const)),
				...(facts.audio === undefined ? [] : (['audio0'] as const)),
			],
			clock: this.#clock,
			onOpen: () => this.emit('media'),
		});
		this.#run = run;
		this.#dependencies.logger.info(
			{ run: run.run, legs: plan.legs.map((leg) => `${leg.track} ${leg.tier}: ${leg.mode}`) },
			'run begins',
		);
		if (this.observer.audio !== undefined) {
			this.#audio.beginRun(run, this.observer.audio);
		}
		if (this.observer.video !== undefined) {
			this.#video.beginRun(run, plan, this.observer.video, this.observer.health);
		}
		const held = this.#held;
		this.#held = [];
		for (const unit of held) {
			const kind = unit.trackId === 'audio0' ? 'audio' : 'video';
			const timelineMs = ticksToMs(unit.presentationTimeTicks, unit.clockRate);
			const dated = { ...unit, captureTimeMs: this.#timeline.captureTimeMs(kind, timelineMs) };
			if (kind === 'audio') {
				this.#audio.feedPackager(dated, this.observer.audio!);
			} else {
				this.#video.feedPackager(dated, plan);
			}
		}
	}

	// A broken timeline or another configuration: what was decided stands, but nothing goes on where it was.
	#beginAnew(): void {
		this.#run?.close();
		this.#run = undefined;
		this.#held = [];
		this.#video.restart();
		this.#audio.restart();
		if (this.#isOnAir) {
			this.#dependencies.outputs.beginStageRun();
		}
	}

	#requestKeyFrames(): () => void {
		const cancels = [
			this.#clock.setTimeout(() => this.publisher.requestKeyFrame(), FIRST_KEY_FRAME_REQUEST_MS),
			this.#clock.setInterval(() => this.publisher.requestKeyFrame(), KEY_FRAME_INTERVAL_MS),
			// The first key frame may have been sent before anybody listened, or been lost.
			this.#clock.setInterval(() => {
				if (!this.#isReady) {
					this.publisher.requestKeyFrame();
				}
			}, FIRST_KEY_FRAME_REQUEST_MS),
		];
		return () => {
			for (const cancel of cancels) {
				cancel();
			}
		};
	}
}

function audioDurationTicks(codec: AudioCodec, bytes: Uint8Array): number {
	return codec === 'aac' ? AAC_FRAME_SAMPLES : (opusDurationTicks(bytes) ?? 960);
}
