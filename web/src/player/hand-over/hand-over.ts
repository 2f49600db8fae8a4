/**
 * Plays a channel in the tier that was chosen, and changes tiers make-before-break: the second one plays hidden
 * and silent, both are moved until they play the same content, then they are swapped within one animation frame.
 * In an emergency the second one takes over as soon as it shows what was not seen yet. Long because plan and stage are not apart yet.
 */
import type { CancelTimer } from '../../../../core/lifecycle/clock.ts';
import type { ChannelState } from '../../../../core/protocol/api/channel-description.ts';
import { StateMachine } from '../../../../core/lifecycle/state-machine.ts';
import { TypedEmitter } from '../../../../core/lifecycle/typed-emitter.ts';
import { aheadMs } from '../measure/alignment.ts';
import { EmergencyWatch } from './emergency-watch.ts';
import type { HandOverEvents, HandOverOptions, LineProblem, PlaybackStart } from './hand-over-options.ts';
import {
	HAND_OVER_TRANSITIONS,
	shouldSwap,
	type HandOverEvent,
	type HandOverState,
	type SwapKind,
} from './hand-over-state.ts';
import { HandOverTimer, type HandOverReading } from './hand-over-timer.ts';
import { compareLegs, LegAligner } from './leg-aligner.ts';
import { PauseWatch } from './pause-watch.ts';
import { isPlanned, isTrialFailing, kindOf, leavePoorLineFor, setWatched, type PendingLeg } from './pending-leg.ts';
import { Screen, type WatchSettings } from './screen.ts';
import { SoundMixer } from './sound-mixer.ts';
import { isElsewhere, isInNativeFullscreen, leaveElsewhere, moveSurfaces } from './video-surfaces.ts';
import type { DeliveryTier } from '../../../../core/protocol/tiers.ts';

const TICK_MS = 50;
/** A second leg that shows nothing for so long is given up. */
const OPENING_DEADLINE_MS = 12_000;

/** One per player on a page. */
export class HandOver extends TypedEmitter<HandOverEvents> {
	readonly #options: HandOverOptions;
	readonly #settings: WatchSettings;
	readonly #mixer = new SoundMixer();
	readonly #machine: StateMachine<HandOverState, HandOverEvent>;
	readonly #timer: HandOverTimer;
	readonly #cancelTick: CancelTimer;
	readonly #emergency: EmergencyWatch;
	readonly #aligner: LegAligner;
	readonly #pause: PauseWatch;
	#channelState: ChannelState;
	/** Of the publisher's picture, frames per second, as the server says. */
	#sourceFrameRate: number | undefined;
	#shown: Screen | undefined;
	#pending: PendingLeg | undefined;
	/** A change has to wait until the viewer leaves the full screen of the video element. */
	#isHeld = false;
	#changedAtMs = 0;
	/** The line does not carry the WebRTC leg that is shown: its picture was given up. */
	#isDrowned = false;

	/** `settings` are the viewer's at the start; later ones come through the setters. */
	constructor(options: HandOverOptions) {
		super(options.logger);
		this.#options = options;
		this.#settings = { ...options.settings };
		this.#channelState = options.channelState;
		this.#timer = new HandOverTimer(options.clock);
		this.#emergency = new EmergencyWatch(options.clock);
		this.#aligner = new LegAligner(options.clock);
		this.#pause = new PauseWatch(options);
		this.#machine = new StateMachine({
			table: HAND_OVER_TRANSITIONS,
			initial: 'settled',
			logger: options.logger,
			onChange: () => (this.#changedAtMs = options.clock.monotonicMs()),
		});
		this.#cancelTick = options.clock.setInterval(() => this.#tick(), TICK_MS);
	}

	/** What is watched; undefined before the first {@link choose}. */
	get shown(): Screen | undefined {
		return this.#shown;
	}

	/** The tier that is being changed to, while it is. */
	get pendingTier(): DeliveryTier | undefined {
		return this.#pending?.screen.tier;
	}

	get settings(): Readonly<WatchSettings> {
		return this.#settings;
	}

	/** True when the viewer watches from within the window, after a pause. */
	get isBehindLive(): boolean {
		return this.#shown?.playback.timeShift?.isShifted === true;
	}

	/** What is wrong with the viewer's line; undefined while nothing is. */
	get lineProblem(): LineProblem | undefined {
		const isStarved = this.#shown?.playback.timeShift?.isStarved === true;
		return this.#isDrowned ? 'real-time-given-up' : isStarved ? 'starved' : undefined;
	}

	/** What was shown was closed, and its last picture stands. */
	get #isResting(): boolean {
		return this.#shown?.playback.state === 'stopped';
	}

	/** The changes so far, for statistics. */
	get reading(): HandOverReading {
		return { state: this.#machine.state, ...this.#timer.reading };
	}

	/** Plays in this tier: at once when nothing plays, else make-before-break. `isEmergency`: aligning may be left out. */
	choose(tier: DeliveryTier, reason = 'chosen', isEmergency = false): void {
		this.#isHeld = false;
		if (this.#settings.isPaused && this.#shown !== undefined) {
			// No second leg beside one that stands still: the seat is given up, and what takes its place begins with playing on.
			if (tier === 'll-hls' && this.#shown.tier === 'webrtc' && !this.#isResting) {
				this.#rest();
			}
			return;
		}
		if (this.#pending?.screen.tier === tier) {
			this.#pending.kind = isEmergency ? 'emergency' : this.#pending.kind;
			return;
		}
		if (this.#pending?.kind === 'resume') {
			// They want what is past, which only LL-HLS has.
			return;
		}
		this.#dropPending();
		const shown = this.#shown;
		if (shown?.tier === tier && !this.#isResting) {
			// It plays already.
		} else if (shown?.playback.timeShift?.isStarved === true) {
			// What carries less than LL-HLS carries less than WebRTC, and both at once even less.
			this.emit('tierFailed', tier, 'line-too-poor');
		} else if (shown === undefined || (shown.playback.state !== 'playing' && !isEmergency && !this.#isResting)) {
			shown?.close();
			this.#show(tier);
		} else if (isInNativeFullscreen(shown.video) && !isEmergency) {
			this.#isHeld = true;
		} else {
			const isJump = isEmergency || this.#isResting;
			this.#open(tier, reason, isJump ? 'emergency' : tier === 'webrtc' ? 'to-webrtc' : 'to-hls', {});
		}
		this.emit('changed');
	}

	/** Passes on what the server says of the channel. `sourceFrameRate`: of its picture. */
	channelReported(channelState: ChannelState, sourceFrameRate?: number): void {
		this.#channelState = channelState;
		this.#sourceFrameRate = sourceFrameRate;
		this.#shown?.playback.channelReported(channelState);
		this.#pending?.screen.playback.channelReported(channelState);
	}

	/**
	 * Pauses, or plays on: at the front after a short pause, after a longer one from the frame where it was paused, while that is in
	 * the window; see {@link goLive}. `isOfHiddenPage`: the browser has paused it, and plays when the page is seen again.
	 */
	setPaused(isPaused: boolean, isOfHiddenPage = false): void {
		if (this.#settings.isPaused === isPaused) {
			return;
		}
		this.#settings.isPaused = isPaused;
		if (isPaused) {
			this.#beginPause(isOfHiddenPage);
		} else {
			this.#playOn();
		}
		this.emit('changed');
	}

	/** Back to the front. Which tier that is to be in is for the listener of `mayChange` to say with {@link choose}. */
	goLive(): void {
		this.#settings.isPaused = false;
		this.#pause.end();
		this.#dropPending();
		this.#shown?.playback.timeShift?.goLive();
		this.#shown?.setPaused(false);
		this.emit('mayChange');
		this.emit('changed');
	}

	/** Nobody could tell the server to stop a picture that the line does not carry: the whole leg is closed. */
	dropPicture(): void {
		if (this.#isDrowned) {
			this.#shown?.rest();
		}
	}

	setMuted(isMuted: boolean): void {
		this.#settings.isMuted = isMuted;
		this.#applyLevel();
	}

	/** 0 to 1. */
	setVolume(volume: number): void {
		this.#settings.volume = Math.min(1, Math.max(0, volume));
		this.#applyLevel();
	}

	/** Ends everything and empties the container. Idempotent. */
	close(): void {
		if (this.#machine.state === 'closed') {
			return;
		}
		this.#machine.handle('closed');
		this.#cancelTick();
		this.#pending?.screen.close();
		this.#pending = undefined;
		this.#shown?.close();
		this.#shown = undefined;
		this.#mixer.close();
	}

	#applyLevel(): void {
		this.#shown?.setLevel(this.#settings);
		this.#pending?.screen.setLevel(this.#settings);
		this.emit('changed');
	}

	#beginPause(isOfHiddenPage: boolean): void {
		const shown = this.#shown;
		this.#dropPending();
		this.#pause.begin(shown, { isBehindLive: this.isBehindLive, isResting: this.#isResting, isOfHiddenPage });
		shown?.setPaused(true);
		shown?.playback.timeShift?.holdPosition();
		if (this.#isDrowned) {
			this.#rest();
		}
	}

	#playOn(): void {
		const shown = this.#shown;
		const reason = 'played on after a pause';
		switch (this.#pause.playOn(shown, this.#isResting)) {
			case 'go-on':
				this.#pause.end();
				shown?.setPaused(false);
				break;
			case 'go-live':
				this.#pause.end();
				shown?.setPaused(false);
				shown?.playback.timeShift?.goLive();
				this.emit('mayChange');
				break;
			case 'second-leg-live':
				this.#open('ll-hls', reason, 'emergency', {});
				break;
			case 'second-leg-from-pause':
				// The last picture stands until LL-HLS shows the one after it.
				this.#open('ll-hls', reason, 'resume', { fromCaptureTimeMs: this.#pause.captureTimeMs! });
				break;
		}
	}

	#watchPause(): void {
		const shown = this.#shown;
		if (shown === undefined) {
			return;
		}
		switch (this.#pause.check(shown, this.#isResting)) {
			case 'play':
				this.setPaused(false);
				break;
			case 'give-up-seat':
				this.#rest();
				break;
			case 'wait':
				break;
		}
	}

	#rest(): void {
		leaveElsewhere(this.#shown!.video);
		this.#shown!.rest();
		this.emit('changed');
	}

	#show(tier: DeliveryTier): void {
		this.#aligner.begin(undefined);
		this.#emergency.begin();
		this.#isDrowned = false;
		this.#pause.end();
		this.#shown = this.#makeScreen(tier, this.#settings, true, {});
		this.#shown.reveal();
	}

	#open(tier: DeliveryTier, reason: string, kind: SwapKind, start: PlaybackStart): void {
		this.#machine.handle('chosen');
		this.#changedAtMs = this.#options.clock.monotonicMs();
		this.#timer.begin(tier);
		if (tier === 'webrtc') {
			start = { delayMs: this.#aligner.begin(kind === 'to-webrtc' ? this.#shown?.playback : undefined) };
		}
		const screen = this.#makeScreen(tier, { ...this.#settings, isPaused: false }, false, start);
		this.#pending = { screen, kind, reason, isPrecaution: false, playsSinceMs: undefined };
		screen.playback.start(screen.video, this.#channelState);
	}

	#makeScreen(tier: DeliveryTier, settings: WatchSettings, isShown: boolean, start: PlaybackStart): Screen {
		const screen = new Screen({
			container: this.#options.container,
			playback: this.#options.createPlayback(tier, start),
			settings,
			mixer: this.#mixer,
			isAudible: isShown,
			onSoundBlocked: () => {
				this.#settings.isMuted = true;
				this.emit('soundBlocked');
			},
			onPausedElsewhere: (isPaused) => {
				// A hidden leg is nobody's to pause.
				if (screen === this.#shown) {
					this.setPaused(isPaused, isPaused && !this.#options.isPageVisible());
				}
			},
		});
		setWatched(screen.playback, isShown);
		screen.playback.on('stateChanged', () => this.#onStateChange(screen));
		if (isShown) {
			// Reported states must find the screen in its place.
			queueMicrotask(() => {
				if (screen.playback.state === 'idle') {
					screen.playback.start(screen.video, this.#channelState);
				}
			});
		}
		return screen;
	}

	#onStateChange(screen: Screen): void {
		if (screen === this.#pending?.screen) {
			const { state } = screen.playback;
			if (state === 'playing') {
				this.#pending.playsSinceMs ??= this.#options.clock.monotonicMs();
				this.#machine.handle('second-plays');
			} else if (state === 'error' || state === 'offline' || state === 'ended') {
				this.#giveUp(this.#pending);
			}
		}
		this.emit('changed');
	}

	#tick(): void {
		const nowMs = this.#options.clock.monotonicMs();
		if (this.#settings.isPaused) {
			this.#watchPause();
			return;
		}
		this.#watchFullscreen();
		this.#watchForEmergency();
		if (this.#pending !== undefined) {
			this.#advance(this.#pending, nowMs);
		} else if (
			this.#machine.state === 'relaxing' &&
			this.#aligner.relax(this.#shown?.playback, nowMs - this.#changedAtMs)
		) {
			this.#machine.handle('relaxed');
		}
	}

	#watchFullscreen(): void {
		const fills = this.#shown !== undefined && isInNativeFullscreen(this.#shown.video);
		if (fills && this.#pending !== undefined && isPlanned(this.#pending)) {
			this.#dropPending();
			this.#isHeld = true;
		} else if (!fills && this.#isHeld) {
			this.#isHeld = false;
			this.emit('mayChange');
		}
	}

	#watchForEmergency(): void {
		const shown = this.#shown;
		if (shown === undefined || this.#isResting || this.#pending?.kind === 'resume') {
			return;
		}
		const cause = this.#emergency.check(shown.playback, this.#channelState, this.#sourceFrameRate);
		if (cause === undefined) {
			return;
		}
		if (cause === 'line-too-poor') {
			this.#leavePoorLine(shown);
			return;
		}
		if (cause === 'recovered') {
			if (this.#pending?.isPrecaution === true) {
				this.#dropPending();
				this.emit('changed');
			}
			return;
		}
		const other = shown.tier === 'webrtc' ? 'll-hls' : 'webrtc';
		if (this.#pending?.screen.tier === other) {
			this.#pending.kind = 'emergency';
		} else if (other === 'webrtc' || this.#options.canHls) {
			this.#open(other, cause, 'emergency', {});
			this.#pending!.isPrecaution = true;
			this.emit('changed');
		}
	}

	/** The picture goes first, so that there is room for LL-HLS; the sound stays until that plays. */
	#leavePoorLine(shown: Screen): void {
		if (this.#isDrowned || !this.#options.canHls) {
			return;
		}
		this.#isDrowned = true;
		shown.playback.giveUpPicture();
		if (this.#pending === undefined) {
			this.#open('ll-hls', 'line-too-poor', 'emergency', {});
		}
		leavePoorLineFor(this.#pending!);
		this.emit('tierFailed', shown.tier, 'line-too-poor');
		this.emit('changed');
	}

	#advance(pending: PendingLeg, nowMs: number): void {
		if (isTrialFailing(pending, this.#shown, this.#sourceFrameRate)) {
			this.#dropPending();
			this.emit('tierFailed', 'webrtc', 'line-too-poor');
			this.emit('changed');
			return;
		}
		if (pending.playsSinceMs === undefined) {
			const isAwaited = pending.isPrecaution || this.#isDrowned;
			if (nowMs - this.#changedAtMs > OPENING_DEADLINE_MS && !isAwaited) {
				this.#giveUp(pending);
			}
			return;
		}
		const [first, second] = [this.#shown!.playback, pending.screen.playback];
		const kind = kindOf(pending);
		const standsStill = pending.isPrecaution || this.#isDrowned || this.#isResting;
		const distance = compareLegs({ first, second, kind, standsStill }, nowMs);
		const alignedForMs = nowMs - pending.playsSinceMs;
		// What was to be replaced has stopped by itself: whatever is not older than its last picture may follow it.
		const newerMs = aheadMs(second.shownMoments.latest?.captureTimeMs, first.shownMoments.latest?.captureTimeMs);
		const isSteady = second.shownMoments.isSteady(nowMs);
		// One picture of WebRTC says nothing: what starves the one that is watched may be this one.
		const isWorthIt = second.tier === 'll-hls' || isSteady;
		const hasStopped = isPlanned(pending) && isWorthIt && first.state !== 'playing' && !((newerMs ?? 0) < 0);
		if (hasStopped || shouldSwap({ kind, alignedForMs, ...distance, isSteady })) {
			this.#swap(pending);
		} else if (isPlanned(pending)) {
			this.#aligner.align(first, second, distance);
		}
	}

	#swap({ screen: next, kind, reason }: PendingLeg): void {
		const previous = this.#shown!;
		// A poor line was told when it was found.
		const failure = kind === 'emergency' && !this.#isDrowned ? this.#emergency.cause : undefined;
		[this.#pending, this.#shown] = [undefined, next];
		this.#pause.end();
		this.#isDrowned = false;
		setWatched(next.playback, true);
		this.#machine.handle(next.tier === 'webrtc' && !this.#aligner.isRelaxed ? 'swapped-behind' : 'swapped');
		this.#emergency.begin();
		// Whatever a hidden leg was told by others, now the viewer's wish holds.
		next.setPaused(this.#settings.isPaused);
		const reveal = (): void =>
			next.onNextFrame(this.#options.clock, () => {
				if (this.#machine.state !== 'closed') {
					next.reveal();
					previous.retire(this.#options.clock);
					this.#timer.swapped(previous.playback.shownMoments.latest, next.playback.shownMoments, reason);
				}
			});
		if (isElsewhere(previous.video)) {
			void moveSurfaces(previous.video, next.video).then(reveal);
		} else {
			reveal();
		}
		this.emit('swapped', next.tier);
		if (failure !== undefined) {
			this.emit('tierFailed', previous.tier, failure);
		}
		this.emit('changed');
	}

	#giveUp(pending: PendingLeg): void {
		if (this.#isDrowned || this.#isResting) {
			// There is nothing to go back to: it is seen while it goes on trying.
			this.#swap(pending);
			return;
		}
		const { tier, playback } = pending.screen;
		this.#dropPending();
		this.emit('switchFailed', tier, playback.error);
		this.emit('changed');
	}

	#dropPending(): void {
		if (this.#pending !== undefined) {
			this.#pending.screen.close();
			this.#pending = undefined;
			// A WebRTC leg that was slid back for it goes to live again.
			this.#machine.handle('given-up');
		}
	}
}
