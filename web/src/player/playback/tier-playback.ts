/**
 * Drives a tier's connection: states, retries, the watch over frames, and what is measured. Knows neither WebRTC nor
 * HLS.
 */
import type { CancelTimer, Clock } from '../../../../core/lifecycle/clock.ts';
import { Timer } from '../../../../core/lifecycle/timer.ts';
import type { Logger } from '../../../../core/logger.ts';
import type { ChannelState } from '../../../../core/protocol/api/channel-description.ts';
import { StateMachine } from '../../../../core/lifecycle/state-machine.ts';
import { TypedEmitter } from '../../../../core/lifecycle/typed-emitter.ts';
import { PlayedMoments } from '../measure/alignment.ts';
import { FrameWatch } from '../measure/frame-watch.ts';
import { LineJudge, type LineVerdict } from '../measure/line-judge.ts';
import type {
	ConnectionFailure,
	DelayControl,
	MediaConnection,
	Playback,
	PlaybackEvents,
	PlaybackStatistics,
	TimeShift,
} from './playback.ts';
import { PlaybackMetrics } from '../measure/playback-metrics.ts';
import {
	PLAYBACK_TRANSITIONS,
	canHandle,
	type PlaybackError,
	type PlaybackEvent,
	type PlaybackState,
} from './playback-state.ts';
import { ATTEMPTS_BEFORE_ERROR, RECONNECT_POLICY, retryDelayMs } from '../../../../core/lifecycle/back-off.ts';

/** What a playback needs from outside, so that tests own time, chance and the page. */
export type PlaybackDependencies = {
	clock: Clock;
	logger: Logger;
	/** The server's clock; may know nothing yet. */
	serverClock: { toServerMs(monotonicMs: number): number | undefined; readonly uncertaintyMs: number | undefined };
	/** A hidden page is not painted: no frame callbacks come, and none must be missed. */
	isPageVisible: () => boolean;
	/** A number in [0, 1), for spreading retries. */
	chance: () => number;
	/** Who the signaling socket says we are; absent or undefined without one. */
	viewerId?: () => string | undefined;
};

const TICK_MS = 100;
/** Without a frame for so long the picture is called stalled. A lost key frame on a slow link takes about a second. */
const FRAMES_MISSED_MS = 1500;
/** After a stall the picture is believed to run again when this many frames came … */
const FRAMES_TO_RESUME = 3;
/** … within this time: hls.js 1.7.4 nudges a playhead that has nothing to play, which shows a frame now and then. */
const RESUME_WINDOW_MS = 600;
/** Between two attempts to mend a connection that brings no frames. */
const MEND_INTERVAL_MS = 2500;
/** A new connection gets at least this long for its first frame: ICE over a slow network, or a key frame 2 s away. */
const FIRST_FRAME_DEADLINE_MS = 9000;

/** A {@link Playback} over any {@link MediaConnection}. */
export class TierPlayback extends TypedEmitter<PlaybackEvents> implements Playback {
	readonly shownMoments = new PlayedMoments();
	readonly #connection: MediaConnection;
	readonly #dependencies: PlaybackDependencies;
	readonly #machine: StateMachine<PlaybackState, PlaybackEvent>;
	readonly #metrics: PlaybackMetrics;
	readonly #lineJudge = new LineJudge();
	readonly #retryTimer: Timer;
	#video: HTMLVideoElement | undefined;
	#frameWatch: FrameWatch | undefined;
	#cancelTick: CancelTimer | undefined;
	#channelState: ChannelState = 'offline';
	#error: PlaybackError | undefined;
	#isConnected = false;
	#hasPicture = true;
	/** Frames were shown over the present connection. */
	#connectionHasPlayed = false;
	/** Frames were shown at all: what ends now was a broadcast, not a channel found offline. */
	#hasPlayed = false;
	/** When the latest frames came, oldest first, while they are not believed yet. */
	#resumingAtMs: number[] = [];
	#failedAttempts = 0;
	#connectCount = 0;
	/** Since when a frame is owed. */
	#owedSinceMs = 0;
	#mendStep = 0;

	constructor(connection: MediaConnection, dependencies: PlaybackDependencies) {
		super(dependencies.logger);
		this.#connection = connection;
		this.#dependencies = dependencies;
		this.#metrics = new PlaybackMetrics(dependencies.clock.monotonicMs());
		this.#retryTimer = new Timer(dependencies.clock, () => this.#connect());
		this.#machine = new StateMachine<PlaybackState, PlaybackEvent>({
			table: PLAYBACK_TRANSITIONS,
			initial: 'idle',
			logger: dependencies.logger,
			onChange: (next, previous) => this.#onStateChange(next, previous),
		});
	}

	get tier(): 'webrtc' | 'll-hls' {
		return this.#connection.tier;
	}

	get delay(): DelayControl | undefined {
		return this.#connection.delay;
	}

	get timeShift(): TimeShift | undefined {
		return this.#connection.timeShift;
	}

	get state(): PlaybackState {
		return this.#machine.state;
	}

	get error(): PlaybackError | undefined {
		return this.#error;
	}

	start(video: HTMLVideoElement, channelState: ChannelState): void {
		if (this.state !== 'idle') {
			throw new TypeError(`A playback starts once; this one is ${this.state}.`);
		}
		this.#video = video;
		this.#channelState = channelState;
		this.#frameWatch = new FrameWatch(video, (frame) => this.#onFrame(frame));
		this.#cancelTick = this.#dependencies.clock.setInterval(() => this.#tick(), TICK_MS);
		this.#machine.handle('started');
		if (channelState === 'offline') {
			this.#handle('channel-offline');
			return;
		}
		this.#connect();
		this.channelReported(channelState);
	}

	channelReported(channelState: ChannelState): void {
		this.#channelState = channelState;
		switch (channelState) {
			case 'live':
			case 'starting':
				this.#handle('channel-live');
				break;
			case 'interrupted':
				this.#handle('channel-interrupted');
				break;
			case 'offline':
				// While frames come, the last seconds of a broadcast are still under way: they may be seen to their
				// end.
				if (this.state !== 'playing' || !this.#areFramesExpected()) {
					this.#handle(this.#hasPlayed ? 'broadcast-ended' : 'channel-offline');
				}
				break;
		}
	}

	retry(): void {
		if (canHandle(this.state, 'retried')) {
			this.#failedAttempts = 0;
			this.#handle('retried');
			this.#hibernate();
			this.#connect();
		}
	}

	stop(): void {
		if (this.state === 'stopped') {
			return;
		}
		this.#handle('stopped');
		this.#cancelTick?.();
		this.#frameWatch?.stop();
		this.#hibernate();
	}

	statistics(): PlaybackStatistics {
		const { clock, serverClock } = this.#dependencies;
		const reading = this.#connection.reading();
		return {
			...reading,
			...this.#metrics.read(clock.monotonicMs()),
			tier: this.tier,
			state: this.state,
			playbackRate: this.#video?.playbackRate ?? 1,
			clockUncertaintyMs: serverClock.uncertaintyMs,
			reconnectCount: Math.max(0, this.#connectCount - 1),
		};
	}

	giveUpPicture(): void {
		this.#hasPicture = false;
	}

	lineVerdict(sourceFrameRate: number | undefined): LineVerdict | undefined {
		return this.#connection.lineCounts === undefined || !this.#isConnected
			? undefined
			: this.#lineJudge.verdict(this.#dependencies.clock.monotonicMs(), sourceFrameRate);
	}

	#handle(event: PlaybackEvent): void {
		if (canHandle(this.state, event)) {
			this.#machine.handle(event);
		}
	}

	#onStateChange(next: PlaybackState, previous: PlaybackState): void {
		this.#owedSinceMs = this.#dependencies.clock.monotonicMs();
		this.#mendStep = 0;
		if (next === 'offline' || next === 'ended') {
			this.#error = undefined;
			this.#failedAttempts = 0;
			this.#hibernate();
		} else if (previous === 'offline' || previous === 'ended') {
			this.#connect();
		}
		this.emit('stateChanged', next, previous);
	}

	#connect(): void {
		this.#retryTimer.disarm();
		this.#isConnected = true;
		this.#connectionHasPlayed = false;
		this.shownMoments.clear();
		this.#connectCount++;
		this.#owedSinceMs = this.#dependencies.clock.monotonicMs();
		this.#mendStep = 0;
		this.#connection.connect(this.#video!, (failure) => this.#onFailure(failure));
	}

	/** Lets go of the connection and of any plan to make one. */
	#hibernate(): void {
		this.#retryTimer.disarm();
		if (this.#isConnected) {
			this.#isConnected = false;
			this.#lineJudge.setExpected(0, false);
			this.emit('pictureLeaving');
			this.#connection.disconnect();
		}
	}

	#onFailure(failure: ConnectionFailure): void {
		this.#dependencies.logger.warn({ ...failure }, 'the connection failed');
		this.#hibernate();
		this.#error = failure.error;
		this.#failedAttempts++;
		if (failure.channelState !== undefined) {
			this.channelReported(failure.channelState);
		}
		if (this.state === 'offline' || this.state === 'ended' || this.state === 'stopped') {
			return;
		}
		if (failure.error.fatal) {
			this.#handle('failed');
			return;
		}
		if (this.#failedAttempts >= ATTEMPTS_BEFORE_ERROR && this.state !== 'interrupted') {
			this.#handle('failed');
		}
		const chance = this.#dependencies.chance();
		const delayMs = retryDelayMs(RECONNECT_POLICY, this.#failedAttempts, chance, failure.retryAfterSeconds);
		if (delayMs !== undefined) {
			this.#retryTimer.arm(delayMs);
		}
	}

	#onFrame(frame: VideoFrameCallbackMetadata | undefined): void {
		if (!this.#isConnected) {
			return;
		}
		const { clock, serverClock } = this.#dependencies;
		const nowMs = clock.monotonicMs();
		this.#lineJudge.frameShown(nowMs);
		if (!this.#isBelieved(nowMs)) {
			return;
		}
		this.#owedSinceMs = nowMs;
		this.#mendStep = 0;
		this.#hasPlayed = true;
		this.#connectionHasPlayed = true;
		this.#failedAttempts = 0;
		this.#error = undefined;
		if (frame !== undefined) {
			// The picture reaches the screen with the next refresh, which the browser foretells; performance.now() and
			// our monotonic clock are the same.
			const displayedAtMs = Math.max(frame.expectedDisplayTime, frame.presentationTime);
			const captureTimeMs = this.#connection.captureTimeMs(frame);
			if (captureTimeMs !== undefined) {
				this.shownMoments.add({ captureTimeMs, playedAtMs: displayedAtMs });
			}
			this.#metrics.frameShown({
				shownAtMs: nowMs,
				captureTimeMs,
				displayedAtServerMs: serverClock.toServerMs(displayedAtMs),
				widthPixels: frame.width,
				heightPixels: frame.height,
			});
		}
		this.#handle('frame-shown');
	}

	/** A frame of a new connection is the first of many; after a stall on an old one it may be a nudge. */
	#isBelieved(nowMs: number): boolean {
		const isResuming = this.#connectionHasPlayed && (this.state === 'stalled' || this.state === 'interrupted');
		if (!isResuming) {
			this.#resumingAtMs = [];
			return true;
		}
		this.#resumingAtMs = [...this.#resumingAtMs.filter((atMs) => atMs > nowMs - RESUME_WINDOW_MS), nowMs];
		return this.#resumingAtMs.length >= FRAMES_TO_RESUME;
	}

	#areFramesExpected(): boolean {
		return !this.#video!.paused && this.#dependencies.isPageVisible();
	}

	#tick(): void {
		const nowMs = this.#dependencies.clock.monotonicMs();
		this.#frameWatch?.poll();
		if (!this.#isConnected) {
			// A connection that is gone brings no frames, however good the last ones were.
			this.#missFrames(nowMs);
			return;
		}
		this.#connection.steer(nowMs);
		const reading = this.#connection.reading();
		if (reading.receivedBytes !== undefined) {
			this.#metrics.bytesReceived(nowMs, reading.receivedBytes);
		}
		this.#metrics.setFramesDropped(reading.framesDroppedCount ?? 0);
		const counts = this.#connection.lineCounts?.();
		this.#lineJudge.setExpected(nowMs, this.#areFramesExpected());
		if (counts !== undefined) {
			this.#lineJudge.counted(counts);
		}
		if (!this.#areFramesExpected()) {
			this.#owedSinceMs = nowMs;
			this.#metrics.pauseObserved();
			return;
		}
		this.#missFrames(nowMs);
		if (
			this.#channelState === 'live' &&
			this.#hasPicture &&
			this.#connection.isStarved !== true &&
			(this.state === 'stalled' || this.state === 'connecting' || this.state === 'error')
		) {
			this.#mendOrRebuild(nowMs - this.#owedSinceMs);
		}
	}

	#missFrames(nowMs: number): void {
		if (this.state === 'playing' && nowMs - this.#owedSinceMs > FRAMES_MISSED_MS) {
			this.#handle('frames-missed');
			this.channelReported(this.#channelState);
		}
	}

	#mendOrRebuild(owedForMs: number): void {
		const deadlineMs = this.#connectionHasPlayed
			? this.#connection.rebuildAfterMs
			: Math.max(this.#connection.rebuildAfterMs, FIRST_FRAME_DEADLINE_MS);
		if (owedForMs > deadlineMs) {
			const detail = `No picture arrived for ${Math.round(owedForMs / 1000)} s.`;
			this.#onFailure({ error: { kind: 'connection-lost', detail, fatal: false }, retryAfterSeconds: 0 });
			return;
		}
		const step = Math.floor(owedForMs / MEND_INTERVAL_MS);
		if (this.#connectionHasPlayed && step > this.#mendStep) {
			this.#mendStep = step;
			this.#connection.mend(step);
		}
	}
}
