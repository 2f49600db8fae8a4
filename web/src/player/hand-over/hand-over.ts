/** Plays a channel in the chosen tier, and makes hand-overs make-before-break: the plan decides, the stage performs. */
import type { CancelTimer, Clock } from '../../../../core/lifecycle/clock.ts';
import type { Logger } from '../../../../core/logger.ts';
import type { ChannelState } from '../../../../core/protocol/api/channel-description.ts';
import { TypedEmitter } from '../../../../core/lifecycle/typed-emitter.ts';
import type { DeliveryTier } from '../../../../core/protocol/tiers.ts';
import type { HandOverEvents, LineProblem, PlanAction } from './hand-over-types.ts';
import { HandOverPlan } from './hand-over-plan.ts';
import type { HandOverStage } from './hand-over-stage.ts';
import type { HandOverReading } from './hand-over-timer.ts';
import type { QualityPreference } from '../playback/quality.ts';
import type { WatchSettings } from './screen.ts';

const TICK_MS = 50;

type HandOverDeps = {
	clock: Clock;
	logger: Logger;
	stage: Pick<
		HandOverStage,
		| 'read'
		| 'perform'
		| 'on'
		| 'shown'
		| 'level'
		| 'setLevel'
		| 'preferQuality'
		| 'setSpeed'
		| 'channelReported'
		| 'measurements'
		| 'close'
	>;
};

export class HandOver extends TypedEmitter<HandOverEvents> {
	readonly #deps: HandOverDeps;
	readonly #plan: HandOverPlan;
	readonly #cancelTick: CancelTimer;
	#broadcastId: string | undefined;

	constructor(deps: HandOverDeps, options: { canHls: boolean; canRewind: boolean; isPaused: boolean }) {
		super(deps.logger);
		const { clock, stage } = deps;
		this.#deps = deps;
		this.#plan = new HandOverPlan(deps, options);
		this.#cancelTick = clock.setInterval(() => this.#tick(), TICK_MS);
		stage.on('soundBlocked', () => this.emit('soundBlocked'));
		stage.on('pausedElsewhere', (isPaused) => this.setPaused(isPaused, isPaused && !stage.read().isPageVisible));
		stage.on('legChanged', (isPending) => {
			if (isPending) {
				this.#run(this.#plan.pendingChanged(stage.read()));
			}
			this.emit('changed');
		});
	}

	/** The watched screen; undefined before the first {@link choose}. */
	get shown(): HandOverStage['shown'] {
		return this.#deps.stage.shown;
	}

	get pendingTier(): DeliveryTier | undefined {
		return this.#plan.pendingTier;
	}

	get settings(): Readonly<WatchSettings> {
		return { isPaused: this.#plan.isPaused, ...this.#deps.stage.level };
	}

	/** True when the viewer watches behind the live edge, after a pause or a seek. */
	get isBehindLive(): boolean {
		return this.#deps.stage.read().shown?.timeShift?.isShifted === true;
	}

	/** True when they are not on their way to live either: then they need no seat. */
	get isAway(): boolean {
		return this.#plan.isAway(this.#deps.stage.read().shown);
	}

	get lineProblem(): LineProblem | undefined {
		return this.#plan.lineProblem(this.#deps.stage.read().shown);
	}

	get reading(): HandOverReading {
		return { state: this.#plan.state, ...this.#deps.stage.measurements };
	}

	/** Plays in this tier: at once when nothing plays, else make-before-break. `isEmergency`: aligning may be skipped. */
	choose(tier: DeliveryTier, reason = 'chosen', isEmergency = false): void {
		this.#run(this.#plan.choose(this.#deps.stage.read(), { tier, reason, isEmergency }));
	}

	/**
	 * Applies the channel's state as the server reports it. `sourceFrameRate`: of the publisher's picture.
	 * `broadcastId`: of the broadcast that runs; undefined: none.
	 */
	channelReported(channelState: ChannelState, sourceFrameRate?: number, broadcastId = this.#broadcastId): void {
		const { clock, stage } = this.#deps;
		if (broadcastId !== this.#broadcastId) {
			this.#broadcastId = broadcastId;
			this.#plan.broadcastChanged(clock.monotonicMs());
		}
		stage.channelReported(channelState, sourceFrameRate, broadcastId);
	}

	/** `isLeft`: the server may send a smaller picture over WebRTC than it does now. */
	setSmallerPictureLeft(isLeft: boolean): void {
		this.#plan.setSmallerPictureLeft(isLeft);
	}

	/** Pauses, or plays on. `isOfHiddenPage`: paused by the browser, until the page is visible again. */
	setPaused(isPaused: boolean, isOfHiddenPage = false): void {
		this.#run(this.#plan.setPaused(this.#deps.stage.read(), isPaused, isOfHiddenPage));
	}

	/** Plays from there on: a capture time, the server's epoch milliseconds. */
	seek(captureTimeMs: number): void {
		this.#run(this.#plan.seek(this.#deps.stage.read(), captureTimeMs));
	}

	/** Returns to live in this tier. At live, after a pause, the listener of `mayChange` chooses the tier. */
	goLive(tier: DeliveryTier): void {
		this.#run(this.#plan.goLive(this.#deps.stage.read(), tier));
	}

	/** Closes a leg whose picture was given up, when the server cannot be asked to stop sending it. */
	dropPicture(): void {
		this.#run(this.#plan.dropPicture());
	}

	/** Of the viewer; undefined for the player's own choice. */
	preferQuality(preference: QualityPreference): void {
		this.#deps.stage.preferQuality(preference);
		this.emit('changed');
	}

	/** Behind live; 1 is normal. */
	setSpeed(speed: number): void {
		this.#deps.stage.setSpeed(speed);
		this.emit('changed');
	}

	setMuted(isMuted: boolean): void {
		this.#deps.stage.setLevel({ isMuted });
		this.emit('changed');
	}

	/** 0 to 1. */
	setVolume(volume: number): void {
		this.#deps.stage.setLevel({ volume: Math.min(1, Math.max(0, volume)) });
		this.emit('changed');
	}

	/** Ends everything and empties the container. Idempotent. */
	close(): void {
		if (this.#plan.state !== 'closed') {
			this.#plan.close();
			this.#cancelTick();
			this.#deps.stage.close();
		}
	}

	#tick(): void {
		for (const step of this.#plan.steps) {
			this.#run(step(this.#deps.stage.read()));
		}
	}

	#run(actions: readonly PlanAction[]): void {
		for (const action of actions) {
			if (action.do === 'notify') {
				this.emit(action.event, ...action.args);
			} else {
				this.#deps.stage.perform(action);
			}
		}
	}
}
