/** Performs the plan of a hand-over with real video elements: at most two screens and their sound. */
import type { Clock } from '../../../../core/lifecycle/clock.ts';
import { TypedEmitter } from '../../../../core/lifecycle/typed-emitter.ts';
import type { Logger } from '../../../../core/logger.ts';
import type { ChannelState } from '../../../../core/protocol/api/channel-description.ts';
import type { DeliveryTier } from '../../../../core/protocol/tiers.ts';
import type { Playback } from '../playback/playback.ts';
import type { QualityPreference } from '../playback/quality.ts';
import type { LegReading, PlaybackStart, StageAction, StageReading } from './hand-over-types.ts';
import { HandOverTimer, type HandOverMeasurements } from './hand-over-timer.ts';
import { Screen } from './screen.ts';
import { SoundMixer, type Level } from './sound-mixer.ts';
import { isElsewhere, isInNativeFullscreen, leaveElsewhere, moveSurfaces } from './video-surfaces.ts';

/** @internal for tests */
export type StageEvents = {
	legChanged: [isPending: boolean];
	/** The watched element was paused, or played on, from outside the page's controls. */
	pausedElsewhere: [isPaused: boolean];
	/** The browser plays only without sound until the viewer clicks or presses a key. */
	soundBlocked: [];
};

type StageDeps = {
	clock: Clock;
	logger: Logger;
	container: HTMLElement;
	createPlayback: (tier: DeliveryTier, start: PlaybackStart) => Playback;
	/** The browser may pause a hidden page. */
	isPageVisible: () => boolean;
};

export class HandOverStage extends TypedEmitter<StageEvents> {
	readonly #deps: StageDeps;
	readonly #mixer = new SoundMixer();
	readonly #timer: HandOverTimer;
	#level: Level;
	#channelState: ChannelState;
	/** The newest one; undefined before any. */
	#broadcastId: string | undefined;
	/** The publisher's, in frames per second, as the server reports it. */
	#sourceFrameRate: number | undefined;
	#shown: Screen | undefined;
	#pending: Screen | undefined;
	#isClosed = false;

	constructor(deps: StageDeps, { level, channelState }: { level: Level; channelState: ChannelState }) {
		super(deps.logger);
		this.#deps = deps;
		this.#level = level;
		this.#channelState = channelState;
		this.#timer = new HandOverTimer(deps.clock);
	}

	get shown(): Screen | undefined {
		return this.#shown;
	}

	get level(): Level {
		return this.#level;
	}

	get measurements(): HandOverMeasurements {
		return this.#timer.reading;
	}

	/** The values of a leg are read on access. */
	read(): StageReading {
		const nowMs = this.#deps.clock.monotonicMs();
		const leg = (screen: Screen | undefined): LegReading | undefined =>
			screen === undefined ? undefined : readLeg(screen, nowMs, this.#sourceFrameRate);
		return {
			nowMs,
			channelState: this.#channelState,
			isPageVisible: this.#deps.isPageVisible(),
			shown: leg(this.#shown),
			pending: leg(this.#pending),
		};
	}

	perform(action: StageAction): void {
		const shown = this.#shown;
		switch (action.do) {
			case 'show':
				shown?.close();
				this.#shown = this.#makeScreen(action.tier, action.isPaused, true, {});
				this.#shown.reveal();
				break;
			case 'open':
				this.#timer.begin(action.tier);
				// One that begins at a picture waits there.
				this.#pending = this.#makeScreen(
					action.tier,
					action.start.fromCaptureTimeMs !== undefined,
					false,
					action.start,
				);
				this.#pending.playback.start(this.#pending.video, this.#channelState, this.#broadcastId);
				break;
			case 'close-pending':
				this.#closePending();
				break;
			case 'swap':
				this.#swap(action.isPaused, action.reason);
				break;
			case 'rest':
				shown?.rest();
				break;
			case 'leave-elsewhere':
				if (shown !== undefined) {
					leaveElsewhere(shown.video);
				}
				break;
			case 'pause':
				shown?.setPaused(action.isPaused);
				break;
			case 'hold-position':
				shown?.playback.timeShift?.holdPosition();
				break;
			case 'go-live':
				shown?.playback.timeShift?.goLive();
				break;
			case 'seek':
				shown?.playback.timeShift?.seek(action.captureTimeMs);
				break;
			case 'give-up-picture':
				shown?.playback.giveUpPicture();
				break;
			case 'expect-poor-line':
				this.#pending?.playback.timeShift?.expectPoorLine();
				break;
			case 'slide':
				(action.leg === 'shown' ? shown : this.#pending)?.playback.delay?.setTarget(action.target);
				break;
			case 'align-with':
				this.#pending?.playback.timeShift?.alignWith(action.aheadMs);
				break;
		}
	}

	/** See HandOver.channelReported(). */
	channelReported(channelState: ChannelState, sourceFrameRate?: number, broadcastId?: string): void {
		this.#channelState = channelState;
		this.#sourceFrameRate = sourceFrameRate;
		this.#broadcastId = broadcastId;
		this.#shown?.playback.channelReported(channelState, broadcastId);
		this.#pending?.playback.channelReported(channelState, broadcastId);
	}

	/** Of the viewer, for all legs that play. */
	preferQuality(preference: QualityPreference): void {
		this.#shown?.playback.quality.prefer(preference);
		this.#pending?.playback.quality.prefer(preference);
	}

	/** For legs behind live. */
	setSpeed(speed: number): void {
		this.#shown?.playback.timeShift?.setSpeed(speed);
		this.#pending?.playback.timeShift?.setSpeed(speed);
	}

	setLevel(change: Partial<Level>): void {
		this.#level = { ...this.#level, ...change };
		this.#shown?.setLevel(this.#level);
		this.#pending?.setLevel(this.#level);
	}

	/** Ends everything and empties the container. Idempotent. */
	close(): void {
		this.#isClosed = true;
		this.#closePending();
		this.#shown?.close();
		this.#shown = undefined;
		this.#mixer.close();
	}

	#closePending(): void {
		const pending = this.#pending;
		this.#pending = undefined;
		pending?.close();
	}

	#swap(isPaused: boolean, reason: string): void {
		const [previous, next] = [this.#shown, this.#pending];
		if (previous === undefined || next === undefined) {
			return;
		}
		[this.#shown, this.#pending] = [next, undefined];
		setWatched(next.playback, true);
		// A hidden leg may have been paused from outside the page.
		next.setPaused(isPaused);
		const reveal = (): void =>
			next.onNextFrame(this.#deps.clock, () => {
				if (!this.#isClosed) {
					next.reveal();
					previous.retire(this.#deps.clock);
					this.#timer.swapped(previous.playback.shownMoments.latest, next.playback.shownMoments, reason);
				}
			});
		if (isElsewhere(previous.video)) {
			void moveSurfaces(previous.video, next.video).then(reveal);
		} else {
			reveal();
		}
	}

	#makeScreen(tier: DeliveryTier, isPaused: boolean, isShown: boolean, start: PlaybackStart): Screen {
		const screen = new Screen(
			{
				container: this.#deps.container,
				playback: this.#deps.createPlayback(tier, start),
				mixer: this.#mixer,
				onSoundBlocked: () => {
					this.#level = { ...this.#level, isMuted: true };
					this.emit('soundBlocked');
				},
				onPausedElsewhere: (isPausedNow) => {
					if (screen === this.#shown) {
						this.emit('pausedElsewhere', isPausedNow);
					}
				},
			},
			{ settings: { ...this.#level, isPaused }, isAudible: isShown },
		);
		setWatched(screen.playback, isShown);
		screen.playback.on('stateChanged', () => this.emit('legChanged', screen === this.#pending));
		if (isShown) {
			// Started later, so that `#shown` is set when the first states are reported.
			queueMicrotask(() => {
				if (screen.playback.state === 'idle') {
					screen.playback.start(screen.video, this.#channelState, this.#broadcastId);
				}
			});
		}
		return screen;
	}
}

function readLeg({ playback, video }: Screen, nowMs: number, sourceFrameRate: number | undefined): LegReading {
	const { tier, state, error, shownMoments, delay, timeShift } = playback;
	return {
		tier,
		state,
		error,
		delay,
		timeShift,
		get latestMs() {
			return shownMoments.latest?.captureTimeMs;
		},
		get positionMs() {
			return shownMoments.positionMs(nowMs);
		},
		get isSteady() {
			return shownMoments.isSteady(nowMs);
		},
		get soundMs() {
			const sound = delay?.playedSound();
			return sound === undefined ? undefined : sound.captureTimeMs + nowMs - sound.playedAtMs;
		},
		get latencyMs() {
			return playback.statistics().latencyMs;
		},
		get lineVerdict() {
			return playback.lineVerdict(sourceFrameRate);
		},
		get isElsewhere() {
			return isElsewhere(video);
		},
		get fillsScreen() {
			return isInNativeFullscreen(video);
		},
	};
}

/** Hidden, LL-HLS may change its rate more. */
function setWatched({ timeShift }: Playback, isWatched: boolean): void {
	if (timeShift !== undefined) {
		timeShift.isWatched = isWatched;
	}
}
