/**
 * Plays a channel in the tier that was chosen, and changes tiers make-before-break (design.md §4): the second one plays hidden
 * and silent, both are moved until they play the same content, then they are swapped within one animation frame.
 * In an emergency the second one takes over as soon as it shows what was not seen yet.
 */
import type { CancelTimer, Clock } from '../../../core/clock.ts';
import type { Logger } from '../../../core/logger.ts';
import type { ChannelState, DeliveryTier } from '../../../core/protocol/channel-description.ts';
import { StateMachine } from '../../../core/state-machine.ts';
import { TypedEmitter } from '../../../core/typed-emitter.ts';
import { aheadMs } from './alignment.ts';
import { DelaySlide, SLIDE_INTERVAL_MS, startDelayMs } from './delay-slide.ts';
import { EmergencyWatch, type TierFailureCause } from './emergency-watch.ts';
import {
	HAND_OVER_TRANSITIONS,
	shouldSwap,
	type HandOverEvent,
	type HandOverState,
	type SwapKind,
} from './hand-over-state.ts';
import { HandOverTimer, type HandOverReading } from './hand-over-timer.ts';
import type { Playback } from './playback.ts';
import type { PlaybackError } from './playback-state.ts';
import { Screen, type WatchSettings } from './screen.ts';
import { SoundMixer } from './sound-mixer.ts';

/** How a playback is to begin. */
export type PlaybackStart = {
	/** WebRTC: sound and picture are held back for so long at first. */
	delayMs?: number;
	/** LL-HLS: begin here instead of at the live edge, the server's epoch milliseconds. */
	fromCaptureTimeMs?: number;
};

/** What a {@link HandOver} reports. */
export type HandOverEvents = {
	/** Something that the page shows may be different: the screen, its state, or a change under way. */
	changed: [];
	/** Another tier is watched now. */
	swapped: [tier: DeliveryTier];
	/** The change to a tier was given up; the other one plays on. */
	switchFailed: [tier: DeliveryTier, error: PlaybackError | undefined];
	/** A tier does not work here and now. The other one takes over by itself. */
	tierFailed: [tier: DeliveryTier, cause: TierFailureCause];
	/** The browser wants a click before it gives sound. */
	soundBlocked: [];
};

/** Everything a {@link HandOver} needs. */
export type HandOverOptions = {
	container: HTMLElement;
	createPlayback: (tier: DeliveryTier, start: PlaybackStart) => Playback;
	settings: WatchSettings;
	channelState: ChannelState;
	clock: Clock;
	logger: Logger;
	/** May LL-HLS take over in an emergency? */
	canHls: boolean;
};

/** A second leg, from its opening to the swap. */
type Pending = {
	screen: Screen;
	kind: SwapKind;
	reason: string;
	/** Opened because the first one seemed to fail, by nobody's order: given up when it recovers. */
	isPrecaution: boolean;
	playsSinceMs: number | undefined;
};

const TICK_MS = 50;
/** Further apart than this, LL-HLS is on its way to the front. */
const FAR_MS = 2000;
/** A second leg that shows nothing for so long is given up. */
const OPENING_DEADLINE_MS = 12_000;
/** The sound reaches live when it will; then the picture may go, too. */
const RELAX_DEADLINE_MS = 60_000;

/** One per player on a page. */
export class HandOver extends TypedEmitter<HandOverEvents> {
	readonly #options: HandOverOptions;
	readonly #settings: WatchSettings;
	readonly #mixer = new SoundMixer();
	readonly #machine: StateMachine<HandOverState, HandOverEvent>;
	readonly #timer: HandOverTimer;
	readonly #cancelTick: CancelTimer;
	readonly #emergency: EmergencyWatch;
	#channelState: ChannelState;
	#shown: Screen | undefined;
	#pending: Pending | undefined;
	/** Of the WebRTC leg, shown or pending. */
	#slide = new DelaySlide(0);
	#lastSlideMs = -Infinity;
	#changedAtMs = 0;
	/** Where the viewer paused, and wants to go on. */
	#pausedAtCaptureMs: number | undefined;

	/** `settings` are the viewer's at the start; later ones come through the setters. */
	constructor(options: HandOverOptions) {
		super(options.logger);
		this.#options = options;
		this.#settings = { ...options.settings };
		this.#channelState = options.channelState;
		this.#timer = new HandOverTimer(options.clock);
		this.#emergency = new EmergencyWatch(options.clock);
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

	/** The changes so far, for statistics. */
	get reading(): HandOverReading {
		return { state: this.#machine.state, ...this.#timer.reading };
	}

	/** Plays in this tier: at once when nothing plays, else make-before-break. `isEmergency`: aligning may be left out. */
	choose(tier: DeliveryTier, reason = 'chosen', isEmergency = false): void {
		if (this.#pending?.screen.tier === tier) {
			this.#pending.kind = isEmergency ? 'emergency' : this.#pending.kind;
			return;
		}
		this.#dropPending();
		if (this.#shown?.tier === tier) {
			this.emit('changed');
			return;
		}
		if (this.#shown === undefined || (this.#shown.playback.state !== 'playing' && !isEmergency)) {
			this.#shown?.close();
			this.#show(tier);
		} else {
			this.#open(tier, reason, isEmergency ? 'emergency' : tier === 'webrtc' ? 'to-webrtc' : 'to-hls', {});
		}
		this.emit('changed');
	}

	/** Passes on what the server says of the channel. */
	channelReported(channelState: ChannelState): void {
		this.#channelState = channelState;
		this.#shown?.playback.channelReported(channelState);
		this.#pending?.screen.playback.channelReported(channelState);
	}

	/** Pauses, or plays on from the frame where it was paused, while that is in the window; see {@link goLive}. */
	setPaused(isPaused: boolean): void {
		if (this.#settings.isPaused === isPaused) {
			return;
		}
		this.#settings.isPaused = isPaused;
		if (isPaused) {
			this.#dropPending();
			this.#pausedAtCaptureMs = this.#shown?.playback.shownMoments.latest?.captureTimeMs;
			this.#shown?.setPaused(true);
			this.#shown?.playback.timeShift?.holdPosition();
		} else if (this.#shown?.tier === 'webrtc' && this.#pausedAtCaptureMs !== undefined && this.#options.canHls) {
			// The last picture stands until LL-HLS shows the one after it.
			this.#open('ll-hls', 'played on after a pause', 'resume', { fromCaptureTimeMs: this.#pausedAtCaptureMs });
		} else {
			this.#shown?.setPaused(false);
		}
		this.emit('changed');
	}

	/** Back to the front. Which tier that is to be in is for the caller to say with {@link choose}. */
	goLive(): void {
		this.#shown?.playback.timeShift?.goLive();
		if (this.#settings.isPaused) {
			this.#settings.isPaused = false;
			this.#shown?.setPaused(false);
		}
		this.emit('changed');
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

	#show(tier: DeliveryTier): void {
		this.#slide = new DelaySlide(0);
		this.#emergency.begin();
		this.#shown = this.#makeScreen(tier, this.#settings, true, {});
		this.#shown.reveal();
	}

	#open(tier: DeliveryTier, reason: string, kind: SwapKind, start: PlaybackStart): void {
		this.#machine.handle('chosen');
		this.#changedAtMs = this.#options.clock.monotonicMs();
		this.#timer.begin(tier);
		if (tier === 'webrtc') {
			start = { delayMs: kind !== 'to-webrtc' ? 0 : startDelayMs(this.#shown?.playback.statistics().latencyMs) };
			this.#slide = new DelaySlide(start.delayMs!);
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
			const { state, error } = screen.playback;
			if (state === 'playing') {
				this.#pending.playsSinceMs ??= this.#options.clock.monotonicMs();
				this.#machine.handle('second-plays');
			} else if (state === 'error' || state === 'offline' || state === 'ended') {
				this.#giveUp(error);
			}
		}
		this.emit('changed');
	}

	#tick(): void {
		const nowMs = this.#options.clock.monotonicMs();
		this.#watchForEmergency();
		if (this.#pending !== undefined) {
			this.#advance(this.#pending, nowMs);
		} else if (this.#machine.state === 'relaxing') {
			this.#relax(nowMs);
		}
	}

	#watchForEmergency(): void {
		const shown = this.#shown;
		if (shown === undefined || this.#settings.isPaused || this.#pending?.kind === 'resume') {
			return;
		}
		const cause = this.#emergency.check(shown.playback, this.#channelState);
		if (cause === undefined) {
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

	#advance(pending: Pending, nowMs: number): void {
		if (pending.playsSinceMs === undefined) {
			if (nowMs - this.#changedAtMs > OPENING_DEADLINE_MS && !pending.isPrecaution) {
				this.#giveUp(pending.screen.playback.error);
			}
			return;
		}
		const input = this.#compare(pending, nowMs);
		const alignedForMs = nowMs - pending.playsSinceMs;
		const isPlanned = pending.kind === 'to-webrtc' || pending.kind === 'to-hls';
		const first = this.#shown!.playback;
		const second = pending.screen.playback.shownMoments;
		// What was to be replaced has stopped by itself: whatever is not older than its last picture may follow it.
		const newerMs = aheadMs(second.latest?.captureTimeMs, first.shownMoments.latest?.captureTimeMs);
		const hasStopped = isPlanned && first.state !== 'playing' && (newerMs === undefined || newerMs >= 0);
		const isSteady = second.isSteady(nowMs);
		if (hasStopped || shouldSwap({ kind: pending.kind, alignedForMs, ...input, isSteady })) {
			this.#swap(pending);
		} else if (isPlanned) {
			this.#align(pending, input, nowMs);
		}
	}

	/** How much further the second one is than the first. */
	#compare({ screen, kind, isPrecaution }: Pending, nowMs: number) {
		const first = this.#shown!.playback;
		const second = screen.playback;
		const position = second.shownMoments.positionMs(nowMs);
		if (kind === 'emergency' || kind === 'resume') {
			// The first one stands still, but for an emergency that only the server knows of: then nothing is compared.
			const isMoving = kind === 'emergency' && !isPrecaution && first.shownMoments.positionMs(nowMs) !== undefined;
			const last = isMoving ? undefined : first.shownMoments.latest;
			return {
				pictureAheadMs: aheadMs(second.shownMoments.latest?.captureTimeMs, last?.captureTimeMs),
				soundAheadMs: undefined,
			};
		}
		const webrtc = first.tier === 'webrtc' ? first : second;
		const sound = webrtc.delay?.playedSound();
		const soundPosition = sound === undefined ? undefined : sound.captureTimeMs + nowMs - sound.playedAtMs;
		const firstPosition = first.shownMoments.positionMs(nowMs);
		return {
			pictureAheadMs: aheadMs(position, firstPosition),
			// LL-HLS has its sound on the picture's clock.
			soundAheadMs: webrtc === first ? aheadMs(position, soundPosition) : aheadMs(soundPosition, firstPosition),
		};
	}

	#align(
		{ screen, kind }: Pending,
		input: { pictureAheadMs: number | undefined; soundAheadMs: number | undefined },
		nowMs: number,
	): void {
		const first = this.#shown!.playback;
		const isHidden = kind === 'to-webrtc';
		// A jump shows in the moments only when those from before it are gone.
		if (nowMs - this.#lastSlideMs < (isHidden ? 4 : 1) * SLIDE_INTERVAL_MS || input.pictureAheadMs === undefined) {
			return;
		}
		// What is watched was just sent to the front, and is not there yet: sound led after it would take seconds to come back.
		if (Math.abs(input.pictureAheadMs) > FAR_MS) {
			return;
		}
		this.#lastSlideMs = nowMs;
		const sign = isHidden ? 1 : -1;
		const slideInput = {
			pictureAheadMs: sign * input.pictureAheadMs,
			soundAheadMs: input.soundAheadMs === undefined ? undefined : sign * input.soundAheadMs,
		};
		const target = isHidden
			? this.#slide.jump(slideInput)
			: this.#slide.lead({ ...slideInput, latencyMs: nowMs - first.shownMoments.positionMs(nowMs)! });
		const webrtc = isHidden ? screen.playback : first;
		webrtc.delay?.setTarget(target);
		if (!isHidden) {
			// A leg that cannot come nearer to live, for the network's sake, is met where it is.
			screen.playback.timeShift?.waitFor(input.pictureAheadMs);
		}
	}

	#relax(nowMs: number): void {
		const playback = this.#shown?.playback;
		if (playback?.delay === undefined || this.#slide.isRelaxed || nowMs - this.#changedAtMs > RELAX_DEADLINE_MS) {
			playback?.delay?.setTarget({ pictureMs: 0, soundMs: 0 });
			this.#slide = new DelaySlide(0);
			this.#machine.handle('relaxed');
			return;
		}
		if (nowMs - this.#lastSlideMs < SLIDE_INTERVAL_MS) {
			return;
		}
		this.#lastSlideMs = nowMs;
		const sound = playback.delay.playedSound();
		const soundPosition = sound === undefined ? undefined : sound.captureTimeMs + nowMs - sound.playedAtMs;
		const ahead = aheadMs(playback.shownMoments.positionMs(nowMs), soundPosition);
		playback.delay.setTarget(this.#slide.relax(ahead));
	}

	#swap({ screen: next, kind, reason }: Pending): void {
		const previous = this.#shown!;
		this.#pending = undefined;
		this.#shown = next;
		setWatched(next.playback, true);
		const failure = kind === 'emergency' ? this.#emergency.cause : undefined;
		this.#machine.handle(next.tier === 'webrtc' && !this.#slide.isRelaxed ? 'swapped-behind' : 'swapped');
		this.#emergency.begin();
		next.onNextFrame(this.#options.clock, () => {
			if (this.#machine.state !== 'closed') {
				next.reveal();
				previous.retire(this.#options.clock);
				this.#timer.swapped(previous.playback.shownMoments.latest, next.playback.shownMoments, reason);
			}
		});
		this.emit('swapped', next.tier);
		if (failure !== undefined) {
			this.emit('tierFailed', previous.tier, failure);
		}
		this.emit('changed');
	}

	#giveUp(error: PlaybackError | undefined): void {
		const tier = this.#pending!.screen.tier;
		this.#dropPending();
		this.emit('switchFailed', tier, error);
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

function setWatched({ timeShift }: Playback, isWatched: boolean): void {
	if (timeShift !== undefined) {
		timeShift.isWatched = isWatched;
	}
}
