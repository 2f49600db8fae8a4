/**
 * Plans make-before-break hand-overs: readings in, actions out. The second leg plays hidden and silent, both legs are
 * moved until they play the same content, then they are swapped. In an emergency the second one takes over as soon as
 * it shows new content. Pure; its tables are in hand-over-rules.ts and hand-over-state.ts.
 */
import type { Logger } from '../../../../core/logger.ts';
import { StateMachine } from '../../../../core/lifecycle/state-machine.ts';
import type { DeliveryTier, TierReason } from '../../../../core/protocol/tiers.ts';
import { aheadMs } from '../measure/alignment.ts';
import { EmergencyWatch } from './emergency-watch.ts';
import type {
	HandOverEvents,
	LegReading,
	LineProblem,
	Notice,
	PlanAction,
	PlaybackStart,
	StageAction,
	StageReading,
} from './hand-over-types.ts';
import { isPlanned, judgeChoice, judgePending, type Choice } from './hand-over-rules.ts';
import { HAND_OVER_TRANSITIONS, type HandOverEvent, type HandOverState, type SwapKind } from './hand-over-state.ts';
import { compareLegs, LegAligner } from './leg-aligner.ts';
import { duringPause, playOn, type Pause, type PlayOn } from './pause-policy.ts';

/** A request for a tier. `isEmergency`: aligning may be skipped. */
type TierRequest = { tier: DeliveryTier; reason: string; isEmergency: boolean };

/** The second leg during a hand-over, from its opening to the swap. */
type PendingLeg = {
	tier: DeliveryTier;
	kind: SwapKind;
	reason: string;
	/** Opened without an order, because the first leg seemed to fail: given up when that recovers. */
	isPrecaution: boolean;
	playsSinceMs: number | undefined;
};

type Step = (now: StageReading) => PlanAction[];

export class HandOverPlan {
	readonly #options: { canHls: boolean };
	readonly #machine: StateMachine<HandOverState, HandOverEvent>;
	readonly #aligner = new LegAligner();
	readonly #emergency = new EmergencyWatch();
	#pending: PendingLeg | undefined;
	#isPaused: boolean;
	#pause: Pause | undefined;
	/** A change has to wait until the viewer leaves the full screen of the video element. */
	#isHeld = false;
	#changedAtMs = 0;
	/** The line is too poor for the WebRTC leg that is shown, whose picture was given up. */
	#isPictureGivenUp = false;

	/** `isPaused`: what the viewer wants at the start. `canHls`: LL-HLS may take over in an emergency. */
	constructor({ logger }: { logger: Logger }, options: { canHls: boolean; isPaused: boolean }) {
		this.#options = options;
		this.#isPaused = options.isPaused;
		this.#machine = new StateMachine({ table: HAND_OVER_TRANSITIONS, initial: 'settled', logger });
	}

	get state(): HandOverState {
		return this.#machine.state;
	}

	get isPaused(): boolean {
		return this.#isPaused;
	}

	/** The target of the hand-over under way. */
	get pendingTier(): DeliveryTier | undefined {
		return this.#pending?.tier;
	}

	/** What is wrong with the viewer's line; undefined while nothing is. */
	lineProblem(shown: LegReading | undefined): LineProblem | undefined {
		return this.#isPictureGivenUp ? 'real-time-given-up' : shown?.timeShift?.isStarved === true ? 'starved' : undefined;
	}

	/** `isLeft`: the server may send a smaller picture over WebRTC than it does now. */
	setSmallerPictureLeft(isLeft: boolean): void {
		this.#emergency.hasSmallerPicture = isLeft;
	}

	choose(now: StageReading, request: TierRequest): PlanAction[] {
		const { tier, isEmergency } = request;
		this.#isHeld = false;
		const isResting = rests(now.shown);
		const facts = { tier, isEmergency, isPaused: this.#isPaused, isResting, shown: now.shown, pending: this.#pending };
		const choice = judgeChoice(facts);
		switch (choice) {
			case 'rest':
				return rest();
			case 'ignore':
				return [];
			case 'raise':
				this.#pending!.kind = isEmergency ? 'emergency' : this.#pending!.kind;
				return [];
			default:
				return [...this.#dropPending(now.nowMs), ...this.#follow(choice, now, request, isResting), changed()];
		}
	}

	/**
	 * Pauses, or continues: after a short pause at the live edge, after a longer one from the paused frame while that is
	 * in the window. See {@link goLive}. `isOfHiddenPage`: paused by the browser, until the page is visible again.
	 */
	setPaused(now: StageReading, isPaused: boolean, isOfHiddenPage: boolean): PlanAction[] {
		if (this.#isPaused === isPaused) {
			return [];
		}
		this.#isPaused = isPaused;
		return [...(isPaused ? this.#beginPause(now, isOfHiddenPage) : this.#playOn(now)), changed()];
	}

	goLive(now: StageReading): PlanAction[] {
		this.#isPaused = false;
		this.#pause = undefined;
		const dropped = this.#dropPending(now.nowMs);
		return [...dropped, { do: 'go-live' }, { do: 'pause', isPaused: false }, notice('mayChange'), changed()];
	}

	/** Closes a leg whose picture was given up, when the server cannot be asked to stop sending it. */
	dropPicture(): PlanAction[] {
		return this.#isPictureGivenUp ? [{ do: 'rest' }] : [];
	}

	/** Another broadcast has begun: both legs connect again. */
	broadcastChanged(nowMs: number): void {
		this.#emergency.restart(nowMs);
		if (this.#pending !== undefined) {
			this.#pending.playsSinceMs = undefined;
			this.#changedAtMs = nowMs;
		}
	}

	pendingChanged(now: StageReading): PlanAction[] {
		const [pending, state] = [this.#pending, now.pending?.state];
		if (pending === undefined || state === undefined) {
			return [];
		}
		if (state === 'playing') {
			pending.playsSinceMs ??= now.nowMs;
			this.#move('second-plays', now.nowMs);
			return [];
		}
		return ['error', 'offline', 'ended'].includes(state) ? this.#giveUp(pending, now) : [];
	}

	/** To run about twenty times a second, each step with a new reading. */
	get steps(): readonly Step[] {
		return this.#isPaused
			? [(now) => this.#watchPause(now)]
			: [(now) => this.#watchFullscreen(now), (now) => this.#watchForEmergency(now), (now) => this.#advance(now)];
	}

	close(): void {
		this.#machine.handle('closed');
		this.#pending = undefined;
	}

	#follow(
		choice: Exclude<Choice, 'rest' | 'ignore' | 'raise'>,
		now: StageReading,
		{ tier, reason, isEmergency }: TierRequest,
		isResting: boolean,
	): PlanAction[] {
		switch (choice) {
			case 'stay':
				return [];
			case 'refuse':
				return [notice('tierFailed', tier, 'line-too-poor')];
			case 'hold':
				this.#isHeld = true;
				return [];
			case 'show':
				this.#aligner.begin(undefined);
				this.#beginWatching(now.nowMs);
				return [{ do: 'show', tier, isPaused: this.#isPaused }];
			case 'open': {
				const kind = isEmergency || isResting ? 'emergency' : tier === 'webrtc' ? 'to-webrtc' : 'to-hls';
				// The server has given up the picture already.
				const isLineTooPoor = isEmergency && reason === ('line-too-poor' satisfies TierReason);
				const open = this.#open(now, tier, reason, kind);
				return isLineTooPoor ? [open, { do: 'expect-poor-line' }] : [open];
			}
		}
	}

	#beginWatching(nowMs: number): void {
		this.#emergency.begin(nowMs);
		this.#isPictureGivenUp = false;
		this.#pause = undefined;
	}

	#open(now: StageReading, tier: DeliveryTier, reason: string, kind: SwapKind, start: PlaybackStart = {}): StageAction {
		this.#machine.handle('chosen');
		this.#changedAtMs = now.nowMs;
		this.#pending = { tier, kind, reason, isPrecaution: false, playsSinceMs: undefined };
		if (tier === 'webrtc') {
			start = { delayMs: this.#aligner.begin(kind === 'to-webrtc' ? now.shown : undefined) };
		}
		return { do: 'open', tier, start };
	}

	#beginPause(now: StageReading, isOfHiddenPage: boolean): PlanAction[] {
		const dropped = this.#dropPending(now.nowMs);
		// A pause before the last one was over continues that one.
		if (this.#pause === undefined || !rests(now.shown)) {
			this.#pause = {
				sinceMs: now.nowMs,
				captureTimeMs: now.shown?.latestMs,
				wasBehindLive: now.shown?.timeShift?.isShifted === true,
				isOfHiddenPage,
			};
		}
		const actions: PlanAction[] = [...dropped, { do: 'pause', isPaused: true }, { do: 'hold-position' }];
		return this.#isPictureGivenUp ? [...actions, ...rest()] : actions;
	}

	#playOn(now: StageReading): PlanAction[] {
		const pause = this.#pause;
		const how: PlayOn =
			now.shown === undefined || pause === undefined
				? 'continue'
				: playOn(pause, now.nowMs, now.shown.tier, rests(now.shown));
		const reason = 'played on after a pause';
		switch (how) {
			case 'continue':
				this.#pause = undefined;
				return [{ do: 'pause', isPaused: false }];
			case 'go-live':
				this.#pause = undefined;
				return [{ do: 'pause', isPaused: false }, { do: 'go-live' }, notice('mayChange')];
			case 'second-leg-live':
				return [this.#open(now, 'll-hls', reason, 'emergency')];
			case 'second-leg-from-pause':
				// The last picture stays until LL-HLS shows the next one.
				return [this.#open(now, 'll-hls', reason, 'resume', { fromCaptureTimeMs: pause!.captureTimeMs! })];
		}
	}

	#watchPause(now: StageReading): PlanAction[] {
		if (now.shown === undefined) {
			return [];
		}
		switch (duringPause(this.#pause, now.shown, { ...now, canHls: this.#options.canHls })) {
			case 'play':
				return this.setPaused(now, false, false);
			case 'give-up-seat':
				return rest();
			case 'wait':
				return [];
		}
	}

	#watchFullscreen({ shown, nowMs }: StageReading): PlanAction[] {
		const fills = shown?.fillsScreen === true;
		if (fills && this.#pending !== undefined && isPlanned(this.#pending.kind)) {
			this.#isHeld = true;
			return this.#dropPending(nowMs);
		}
		if (!fills && this.#isHeld) {
			this.#isHeld = false;
			return [notice('mayChange')];
		}
		return [];
	}

	#watchForEmergency(now: StageReading): PlanAction[] {
		const { shown, channelState, nowMs } = now;
		if (shown === undefined || rests(shown) || this.#pending?.kind === 'resume') {
			return [];
		}
		const cause = this.#emergency.check(shown, channelState, nowMs);
		switch (cause) {
			case undefined:
				return [];
			case 'line-too-poor':
				return this.#leavePoorLine(now, shown.tier);
			case 'recovered':
				return this.#pending?.isPrecaution === true ? [...this.#dropPending(nowMs), changed()] : [];
			default:
				return this.#takePrecaution(now, shown.tier === 'webrtc' ? 'll-hls' : 'webrtc', cause);
		}
	}

	#takePrecaution(now: StageReading, other: DeliveryTier, cause: string): PlanAction[] {
		if (this.#pending?.tier === other) {
			this.#pending.kind = 'emergency';
			return [];
		}
		if (other === 'll-hls' && !this.#options.canHls) {
			return [];
		}
		const open = this.#open(now, other, cause, 'emergency');
		this.#pending!.isPrecaution = true;
		return [open, changed()];
	}

	/** The picture stops first, to make room for LL-HLS; the sound stays until that plays. */
	#leavePoorLine(now: StageReading, tier: DeliveryTier): PlanAction[] {
		if (this.#isPictureGivenUp || !this.#options.canHls) {
			return [];
		}
		this.#isPictureGivenUp = true;
		const actions: PlanAction[] = [{ do: 'give-up-picture' }];
		if (this.#pending === undefined) {
			actions.push(this.#open(now, 'll-hls', 'line-too-poor', 'emergency'));
		}
		// Whatever it was opened for, the LL-HLS leg takes over, and need not detect the poor line itself.
		Object.assign(this.#pending!, { kind: 'emergency', isPrecaution: false } satisfies Partial<PendingLeg>);
		return [...actions, { do: 'expect-poor-line' }, notice('tierFailed', tier, 'line-too-poor'), changed()];
	}

	#advance(now: StageReading): PlanAction[] {
		const { nowMs, shown: first, pending: second } = now;
		const pending = this.#pending;
		if (pending === undefined || first === undefined || second === undefined) {
			return this.#relax(now);
		}
		const isAwaited = pending.isPrecaution || this.#isPictureGivenUp;
		// When the paused frame has left the window, playback continues at the live edge.
		const kind = pending.kind === 'resume' && second.timeShift?.isShifted !== true ? 'emergency' : pending.kind;
		const distance = compareLegs({ nowMs, first, second }, kind, isAwaited || rests(first));
		const verdict = judgePending({
			...distance,
			kind,
			isAwaited,
			alignedForMs: nowMs - (pending.playsSinceMs ?? nowMs),
			isSteady: second.isSteady,
			hasPlayed: pending.playsSinceMs !== undefined,
			openForMs: nowMs - this.#changedAtMs,
			isTrialFailing:
				second.tier === 'webrtc' && (second.lineVerdict === 'line-too-poor' || first.timeShift?.isStarved === true),
			hasFirstStopped: hasStopped(first, second),
		});
		switch (verdict) {
			case 'end-trial':
				return [...this.#dropPending(nowMs), notice('tierFailed', 'webrtc', 'line-too-poor'), changed()];
			case 'give-up':
				return this.#giveUp(pending, now);
			case 'swap':
				return this.#swap(pending, now);
			case 'align':
				return this.#aligner.align({ nowMs, first, second }, distance);
			case 'wait':
				return [];
		}
	}

	#relax({ shown, nowMs }: StageReading): PlanAction[] {
		if (this.#machine.state !== 'relaxing') {
			return [];
		}
		const { isDone, actions } = this.#aligner.relax(shown, nowMs, nowMs - this.#changedAtMs);
		if (isDone) {
			this.#move('relaxed', nowMs);
		}
		return actions;
	}

	#swap({ tier, kind, reason }: PendingLeg, { shown, nowMs }: StageReading): PlanAction[] {
		// A poor line was already reported when it was detected.
		const failure = kind === 'emergency' && !this.#isPictureGivenUp ? this.#emergency.cause : undefined;
		this.#pending = undefined;
		this.#beginWatching(nowMs);
		this.#move(tier === 'webrtc' && !this.#aligner.isRelaxed ? 'swapped-behind' : 'swapped', nowMs);
		const failed = failure === undefined ? [] : [notice('tierFailed', shown!.tier, failure)];
		return [{ do: 'swap', isPaused: this.#isPaused, reason }, notice('swapped', tier), ...failed, changed()];
	}

	#giveUp(pending: PendingLeg, now: StageReading): PlanAction[] {
		if (this.#isPictureGivenUp || rests(now.shown)) {
			// There is nothing to return to: show the second leg while it keeps trying.
			return this.#swap(pending, now);
		}
		const { error } = now.pending!;
		return [...this.#dropPending(now.nowMs), notice('switchFailed', pending.tier, error), changed()];
	}

	#dropPending(nowMs: number): PlanAction[] {
		if (this.#pending === undefined) {
			return [];
		}
		this.#pending = undefined;
		// A WebRTC leg that was held back for it returns to live.
		this.#move('given-up', nowMs);
		return [{ do: 'close-pending' }];
	}

	#move(event: HandOverEvent, nowMs: number): void {
		const previous = this.#machine.state;
		this.#machine.handle(event);
		if (this.#machine.state !== previous) {
			this.#changedAtMs = nowMs;
		}
	}
}

/** True when the shown leg was closed, and only its last picture is left. */
function rests(shown: LegReading | undefined): boolean {
	return shown?.state === 'stopped';
}

/** True when the first leg has stopped by itself, and the second one shows nothing older than its last picture. */
function hasStopped(first: LegReading, second: LegReading): boolean {
	// One picture of WebRTC is not enough: this leg may be what starves the shown one.
	const isWorthIt = second.tier === 'll-hls' || second.isSteady;
	return isWorthIt && first.state !== 'playing' && (aheadMs(second.latestMs, first.latestMs) ?? 0) >= 0;
}

function rest(): PlanAction[] {
	return [{ do: 'leave-elsewhere' }, { do: 'rest' }, changed()];
}

function changed(): PlanAction {
	return notice('changed');
}

function notice<Name extends keyof HandOverEvents>(event: Name, ...args: HandOverEvents[Name]): PlanAction {
	return { do: 'notify', event, args } as Notice;
}
