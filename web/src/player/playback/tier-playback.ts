/** Drives a tier's connection: states, retries, frame watch and measurements. Knows neither WebRTC nor HLS. */
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
import type { QualityControl } from './quality.ts';
import { PlaybackMetrics } from '../measure/playback-metrics.ts';
import { PLAYBACK_TRANSITIONS, canHandle } from './playback-state.ts';
import type { PlaybackError, PlaybackEvent, PlaybackState } from './playback-state.ts';
import { ATTEMPTS_BEFORE_ERROR, RECONNECT_POLICY, retryDelayMs } from '../../../../core/lifecycle/back-off.ts';

/** What a playback needs from outside, so that tests control time, chance and the page. */
export type PlaybackDeps = {
	clock: Clock;
	logger: Logger;
	/** The server's clock; not known at first. */
	serverClock: { toServerMs(monotonicMs: number): number | undefined; readonly uncertaintyMs: number | undefined };
	/** A hidden page is not painted: frame callbacks do not come, and must not be missed. */
	isPageVisible: () => boolean;
	/** A number in [0, 1), for spreading retries. */
	chance: () => number;
	/** This viewer's id on the signaling socket; absent or undefined without one. */
	viewerId?: () => string | undefined;
};

type TierPlaybackDeps = PlaybackDeps & { connection: MediaConnection };

const TICK_MS = 100;
/** Without a frame for this long the picture is stalled. A lost key frame on a slow link takes about a second. */
const FRAMES_MISSED_MS = 1500;
/** After a stall the picture counts as running again when this many frames came … */
const FRAMES_TO_RESUME = 3;
/** … within this time: hls.js 1.7.4 nudges a playhead that has nothing to play, which shows a frame now and then. */
const RESUME_WINDOW_MS = 600;
/** Between two attempts to repair a connection that brings no frames. */
const REPAIR_INTERVAL_MS = 2500;
/** After the sound alone, a picture may take so long to come back: its next key frame may be some seconds away. */
const PICTURE_RETURN_MS = 6000;
/** A new connection gets at least this long for its first frame: ICE over a slow network, or a key frame 2 s away. */
const FIRST_FRAME_DEADLINE_MS = 9000;
/** A connection that the server ends sooner is not replaced at once, or the next one may end as soon. */
const SOON_MS = 2000;

export class TierPlayback extends TypedEmitter<PlaybackEvents> implements Playback {
	readonly shownMoments = new PlayedMoments();
	readonly #deps: TierPlaybackDeps;
	readonly #machine: StateMachine<PlaybackState, PlaybackEvent>;
	readonly #metrics: PlaybackMetrics;
	readonly #lineJudge = new LineJudge();
	readonly #retryTimer: Timer;
	#video: HTMLVideoElement | undefined;
	#frameWatch: FrameWatch | undefined;
	#cancelTick: CancelTimer | undefined;
	#channelState: ChannelState = 'offline';
	/** The newest that was reported. */
	#broadcastId: string | undefined;
	/** Another one was reported since the connection was begun, which may still have reached that one. */
	#isOtherReported = false;
	#error: PlaybackError | undefined;
	#isConnected = false;
	#hasPicture = true;
	/** Until when the sound alone counts: while the viewer wants no picture, and until one is back. */
	#soundAloneUntilMs = -Infinity;
	#soundPlayedAtMs = -Infinity;
	#connectionHasPlayed = false;
	/** Frames were shown at all: distinguishes an ended broadcast from a channel that was offline from the start. */
	#hasPlayed = false;
	/** When the latest frames came, oldest first, while they do not count yet. */
	#resumingAtMs: number[] = [];
	#failedAttempts = 0;
	#connectCount = 0;
	#connectedAtMs = 0;
	/** Since when a frame is owed. */
	#owedSinceMs = 0;
	#repairStep = 0;

	constructor(deps: TierPlaybackDeps) {
		super(deps.logger);
		this.#deps = deps;
		this.#metrics = new PlaybackMetrics(deps.clock.monotonicMs());
		this.#retryTimer = new Timer(deps.clock, () => this.#connect());
		this.#machine = new StateMachine<PlaybackState, PlaybackEvent>({
			table: PLAYBACK_TRANSITIONS,
			initial: 'idle',
			logger: deps.logger,
			onChange: (next, previous) => this.#onStateChange(next, previous),
		});
	}

	get tier(): 'webrtc' | 'll-hls' {
		return this.#deps.connection.tier;
	}

	get delay(): DelayControl | undefined {
		return this.#deps.connection.delay;
	}

	get timeShift(): TimeShift | undefined {
		return this.#deps.connection.timeShift;
	}

	get quality(): QualityControl {
		return this.#deps.connection.quality;
	}

	get state(): PlaybackState {
		return this.#machine.state;
	}

	get error(): PlaybackError | undefined {
		return this.#error;
	}

	start(video: HTMLVideoElement, channelState: ChannelState, broadcastId?: string): void {
		if (this.state !== 'idle') {
			throw new TypeError(`A playback starts once; this one is ${this.state}.`);
		}
		this.#video = video;
		this.#channelState = channelState;
		this.#broadcastId = broadcastId;
		this.#frameWatch = new FrameWatch({ video, onFrame: (frame) => this.#onFrame(frame) });
		this.#cancelTick = this.#deps.clock.setInterval(() => this.#tick(), TICK_MS);
		this.#machine.handle('started');
		if (channelState === 'offline') {
			this.#handle('channel-offline');
			return;
		}
		this.#connect();
		this.channelReported(channelState);
	}

	channelReported(channelState: ChannelState, broadcastId = this.#broadcastId): void {
		const isLiveNow = channelState === 'live' && this.#channelState !== 'live';
		const isOther = broadcastId !== this.#broadcastId;
		this.#channelState = channelState;
		this.#broadcastId = broadcastId;
		this.#isOtherReported ||= isOther;
		// What failed with the last broadcast, such as its codec, may work with this one.
		const { isOfOneBroadcast } = this.#deps.connection;
		if (this.#isOutdated || (isOther && this.state === 'error' && isOfOneBroadcast !== true)) {
			this.#loadNext();
		}
		if (isOfOneBroadcast === true && (this.state === 'ended' || (channelState === 'offline' && this.#isConnected))) {
			// It plays on to its end, also from a pause.
			return;
		}
		switch (channelState) {
			case 'live':
			case 'starting':
				this.#handle('channel-live');
				if (isLiveNow && this.#retryTimer.isArmed) {
					// It was refused because there was nothing to play yet.
					this.#failedAttempts = 0;
					this.#connect();
				}
				break;
			case 'interrupted':
				this.#handle('channel-interrupted');
				break;
			case 'offline':
				// While frames come, the last seconds of a broadcast still arrive, and are shown.
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
		const { clock, serverClock } = this.#deps;
		const reading = this.#deps.connection.reading();
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
		return this.#deps.connection.lineCounts === undefined || !this.#isConnected
			? undefined
			: this.#lineJudge.verdict(this.#deps.clock.monotonicMs(), sourceFrameRate);
	}

	#handle(event: PlaybackEvent): void {
		if (canHandle(this.state, event)) {
			this.#machine.handle(event);
		}
	}

	#onStateChange(next: PlaybackState, previous: PlaybackState): void {
		this.#owedSinceMs = this.#deps.clock.monotonicMs();
		this.#repairStep = 0;
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
		this.#isOtherReported = false;
		this.#connectedAtMs = this.#deps.clock.monotonicMs();
		this.#connectionHasPlayed = false;
		this.#soundPlayedAtMs = -Infinity;
		this.shownMoments.clear();
		this.#connectCount++;
		this.#owedSinceMs = this.#deps.clock.monotonicMs();
		this.#repairStep = 0;
		this.#deps.connection.connect(this.#video!, (failure) => this.#onFailure(failure));
	}

	/** Ends the connection, or the wait for the next attempt. */
	#hibernate(): void {
		this.#retryTimer.disarm();
		if (this.#isConnected) {
			this.#isConnected = false;
			this.#lineJudge.setExpected(0, false);
			this.emit('pictureLeaving');
			this.#deps.connection.disconnect();
		}
	}

	#onFailure(failure: ConnectionFailure): void {
		this.#deps.logger.warn({ ...failure }, 'the connection failed');
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
		const isAwaited = this.state === 'interrupted' || this.#channelState === 'starting';
		if (this.#failedAttempts >= ATTEMPTS_BEFORE_ERROR && !isAwaited) {
			this.#handle('failed');
		}
		const chance = this.#deps.chance();
		const delayMs = retryDelayMs(RECONNECT_POLICY, this.#failedAttempts, chance, failure.retryAfterSeconds);
		if (delayMs !== undefined) {
			this.#retryTimer.arm(delayMs);
		}
	}

	#onFrame(frame: VideoFrameCallbackMetadata | undefined): void {
		if (!this.#isConnected) {
			return;
		}
		const { clock, connection, serverClock } = this.#deps;
		const nowMs = clock.monotonicMs();
		if (connection.delay?.isSoundAlone === true || (frame === undefined && this.#isSoundAlone)) {
			// The last pictures before the server stops them, or a playhead that moves without sound.
			return;
		}
		this.#soundAloneUntilMs = -Infinity;
		this.#lineJudge.frameShown(nowMs);
		if (!this.#countsAsPlaying(nowMs)) {
			return;
		}
		this.#plays(nowMs);
		if (frame !== undefined) {
			// The picture reaches the screen with the next refresh, at a time that the browser predicts on performance.now(),
			// which is our monotonic clock.
			const displayedAtMs = Math.max(frame.expectedDisplayTime, frame.presentationTime);
			const captureTimeMs = connection.captureTimeMs(frame);
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

	get #isSoundAlone(): boolean {
		return this.#deps.clock.monotonicMs() < this.#soundAloneUntilMs;
	}

	/** With the sound alone it counts instead of frames. */
	#watchSound(nowMs: number): void {
		const { delay } = this.#deps.connection;
		if (delay?.isSoundAlone === true) {
			this.#soundAloneUntilMs = nowMs + PICTURE_RETURN_MS;
		}
		const playedAtMs = delay?.soundPlayedAtMs ?? -Infinity;
		if (!this.#isSoundAlone || playedAtMs <= this.#soundPlayedAtMs || this.#video!.paused) {
			return;
		}
		this.#soundPlayedAtMs = playedAtMs;
		if (!this.#countsAsPlaying(nowMs)) {
			return;
		}
		this.#plays(nowMs);
		const sound = delay!.playedSound();
		if (sound !== undefined) {
			this.shownMoments.add(sound);
		}
		this.#metrics.soundPlayed({
			shownAtMs: nowMs,
			captureTimeMs: sound?.captureTimeMs,
			displayedAtServerMs: this.#deps.serverClock.toServerMs(playedAtMs),
		});
		this.#handle('frame-shown');
	}

	#plays(nowMs: number): void {
		this.#owedSinceMs = nowMs;
		this.#repairStep = 0;
		this.#hasPlayed = true;
		this.#connectionHasPlayed = true;
		this.#failedAttempts = 0;
		this.#error = undefined;
	}

	/** A frame of a new connection counts at once; after a stall on the same connection it may be a nudge. */
	#countsAsPlaying(nowMs: number): boolean {
		const isResuming = this.#connectionHasPlayed && (this.state === 'stalled' || this.state === 'interrupted');
		if (!isResuming) {
			this.#resumingAtMs = [];
			return true;
		}
		this.#resumingAtMs = [...this.#resumingAtMs.filter((atMs) => atMs > nowMs - RESUME_WINDOW_MS), nowMs];
		return this.#resumingAtMs.length >= FRAMES_TO_RESUME;
	}

	#areFramesExpected(): boolean {
		return !this.#video!.paused && this.#deps.isPageVisible();
	}

	#tick(): void {
		const nowMs = this.#deps.clock.monotonicMs();
		this.#frameWatch?.poll();
		if (!this.#isConnected) {
			// Without a connection no frames come.
			this.#missFrames(nowMs);
			return;
		}
		if (this.#isOutdated) {
			this.#loadNext();
			return;
		}
		if (this.#deps.connection.hasEnded) {
			this.#onEnded(nowMs);
			return;
		}
		this.#deps.connection.steer(nowMs);
		const reading = this.#deps.connection.reading();
		if (reading.receivedBytes !== undefined) {
			this.#metrics.bytesReceived(nowMs, reading.receivedBytes);
		}
		this.#metrics.setFramesDropped(reading.framesDroppedCount ?? 0);
		this.#watchSound(nowMs);
		const counts = this.#deps.connection.lineCounts?.();
		this.#lineJudge.setExpected(nowMs, this.#areFramesExpected() && !this.#isSoundAlone);
		if (counts !== undefined) {
			this.#lineJudge.counted(counts);
		}
		if (this.#isSoundAlone) {
			this.#metrics.pauseObserved();
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
			this.#deps.connection.isStarved !== true &&
			(this.state === 'stalled' || this.state === 'connecting' || this.state === 'error')
		) {
			this.#repairOrRebuild(nowMs - this.#owedSinceMs);
		}
	}

	/** Another broadcast runs than the one that is connected, and nothing of that is left to show. */
	get #isOutdated(): boolean {
		const { connection } = this.#deps;
		const isRunning = this.#broadcastId !== undefined && this.#channelState !== 'offline';
		if (!this.#isConnected || !this.#isOtherReported || !isRunning) {
			return false;
		}
		const plays = this.state === 'playing' && this.#areFramesExpected();
		return !(plays && connection.playsToEnd) && connection.leadsTo(this.#broadcastId!) === false;
	}

	/** What was reported of the channel may be older than the end: only a new connection shows what runs now. */
	#onEnded(nowMs: number): void {
		if (this.#channelState === 'offline' || this.#deps.connection.isOfOneBroadcast === true) {
			this.#handle(this.#hasPlayed ? 'broadcast-ended' : 'channel-offline');
		} else if (this.#connectionHasPlayed && nowMs - this.#connectedAtMs > SOON_MS) {
			this.#loadNext();
		} else {
			this.#onFailure({
				error: { kind: 'connection-lost', detail: 'The server ended the connection.', fatal: false },
				retryAfterSeconds: 0,
			});
		}
	}

	/** Plays what runs on the channel now. */
	#loadNext(): void {
		this.#hibernate();
		this.#error = undefined;
		this.#failedAttempts = 0;
		// A place in the last broadcast is none in this one.
		this.timeShift?.goLive();
		this.#handle('broadcast-changed');
		if (!this.#isConnected && this.state !== 'stopped') {
			this.#connect();
		}
	}

	#missFrames(nowMs: number): void {
		if (this.state === 'playing' && nowMs - this.#owedSinceMs > FRAMES_MISSED_MS) {
			this.#handle('frames-missed');
			this.channelReported(this.#channelState);
		}
	}

	#repairOrRebuild(owedForMs: number): void {
		const deadlineMs = this.#connectionHasPlayed
			? this.#deps.connection.rebuildAfterMs
			: Math.max(this.#deps.connection.rebuildAfterMs, FIRST_FRAME_DEADLINE_MS);
		if (owedForMs > deadlineMs) {
			const detail = `No picture arrived for ${Math.round(owedForMs / 1000)} s.`;
			this.#onFailure({ error: { kind: 'connection-lost', detail, fatal: false }, retryAfterSeconds: 0 });
			return;
		}
		const step = Math.floor(owedForMs / REPAIR_INTERVAL_MS);
		if (this.#connectionHasPlayed && step > this.#repairStep) {
			this.#repairStep = step;
			this.#deps.connection.repair(step);
		}
	}
}
