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
	LegReading,
	LineProblem,
	PendingLeg,
	PlanAction,
	PlanOptions,
	PlaybackStart,
	StageAction,
	StageReading,
	TierRequest,
} from './hand-over-types.ts';
import { isPlanned, judgeChoice, judgePending, type Choice } from './hand-over-rules.ts';
import { HAND_OVER_TRANSITIONS, type HandOverEvent, type HandOverState, type SwapKind } from './hand-over-state.ts';
import { compareLegs, LegAligner } from './leg-aligner.ts';
import { duringPause, playOn, type Pause, type PlayOn } from './pause-policy.ts';
import { changed, hasStopped, notice, placeOf, rest, rests } from './plan-words.ts';

/** How much a playback moves on while another one opens. */
const REOPENING_MS = 500;

type Step = (now: StageReading) => PlanAction[];

export class HandOverPlan {
	readonly #options: PlanOptions;
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
	/** The shown leg is behind live, and has nothing more to play. */
	#isRewindOver = false;

	constructor({ logger }: { logger: Logger }, options: PlanOptions) {
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

	/** The viewer watches behind live, or has a last picture only, and is not on their way to live. */
	isAway(shown: LegReading | undefined): boolean {
		const kind = this.#pending?.kind;
		const isBehind = shown?.timeShift?.isShifted === true || (rests(shown) && this.#isPaused);
		return kind === 'resume' || (isBehind && kind !== 'to-live');
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
				if (isEmergency && isPlanned(this.#pending!.kind)) {
					this.#pending!.kind = 'emergency';
				}
				return [];
			default:
				return [...this.#dropPending(now.nowMs), ...this.#follow(choice, now, request, isResting), changed()];
		}
	}

	/**
	 * Pauses, or continues: after a short pause at the live edge, after a longer one from the paused picture.
	 * See {@link goLive}. `isOfHiddenPage`: paused by the browser, until the page is visible again.
	 */
	setPaused(now: StageReading, isPaused: boolean, isOfHiddenPage: boolean): PlanAction[] {
		if (this.#isPaused === isPaused) {
			return [];
		}
		this.#isPaused = isPaused;
		return [...(isPaused ? this.#beginPause(now, isOfHiddenPage) : this.#playOn(now)), changed()];
	}

	/** Plays from there on, behind live; a pause continues there. Does nothing where that is not possible. */
	seek(now: StageReading, captureTimeMs: number): PlanAction[] {
		if (now.shown === undefined || !this.#options.canRewind) {
			return [];
		}
		const dropped = this.#dropPending(now.nowMs);
		this.#pause = this.#pause && { ...this.#pause, captureTimeMs, wasBehindLive: true };
		if (!rests(now.shown) && now.shown.timeShift?.reaches(captureTimeMs) === true) {
			return [...dropped, { do: 'seek', captureTimeMs }, changed()];
		}
		return [
			...dropped,
			this.#open(now, 'll-hls', 'rewound', 'resume', { fromCaptureTimeMs: captureTimeMs }),
			changed(),
		];
	}

	/** Returns to live in this tier: make-before-break from behind live. */
	goLive(now: StageReading, tier: DeliveryTier): PlanAction[] {
		this.#isPaused = false;
		this.#pause = undefined;
		if (this.#pending?.kind === 'to-live' && this.#pending.tier === tier) {
			return [];
		}
		const dropped = this.#dropPending(now.nowMs);
		const { shown } = now;
		if (shown?.timeShift?.isShifted !== true) {
			return [...dropped, { do: 'go-live' }, { do: 'pause', isPaused: false }, notice('mayChange'), changed()];
		}
		return [...dropped, ...this.#leaveRewound(now, shown, tier), changed()];
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
		const advance: Step = (now) => this.#advance(now);
		return this.#isPaused
			? [(now) => this.#watchPause(now), advance]
			: [
					(now) => this.#watchFullscreen(now),
					(now) => this.#watchRewound(now),
					(now) => this.#watchForEmergency(now),
					advance,
				];
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
		this.#isRewindOver = false;
		// It lasts when the viewer has rewound meanwhile.
		this.#pause = this.#isPaused ? this.#pause : undefined;
	}

	#leaveRewound(now: StageReading, shown: LegReading, tier: DeliveryTier): PlanAction[] {
		if (tier === shown.tier && shown.timeShift!.hasLiveEdge) {
			return [{ do: 'go-live' }, { do: 'pause', isPaused: false }];
		}
		return [this.#open(now, tier, 'back to live', 'to-live')];
	}

	/** Keeps a viewer in what can be played: the live window moves on, and a broadcast ends. */
	#watchRewound(now: StageReading): PlanAction[] {
		const { shown, channelState } = now;
		if (shown?.timeShift?.isShifted !== true || this.#pending !== undefined || this.#isRewindOver) {
			return [];
		}
		const { state, latestMs, timeShift } = shown;
		if (timeShift.hasLiveEdge) {
			const isLeaving = state === 'playing' && latestMs !== undefined && !timeShift.reaches(latestMs);
			return isLeaving && this.#options.canRewind ? this.seek(now, latestMs + REOPENING_MS) : [];
		}
		this.#isRewindOver = state === 'error' || (state === 'ended' && channelState !== 'offline');
		if (!this.#isRewindOver) {
			return [];
		}
		return [...(state === 'error' ? [notice('rewindFailed', shown.error)] : []), notice('rewindOver')];
	}

	#open(now: StageReading, tier: DeliveryTier, reason: string, kind: SwapKind, start: PlaybackStart = {}): StageAction {
		this.#machine.handle('chosen');
		this.#changedAtMs = now.nowMs;
		const { fromCaptureTimeMs } = start;
		this.#pending = { tier, kind, reason, isPrecaution: false, playsSinceMs: undefined, fromCaptureTimeMs };
		if (tier === 'webrtc') {
			start = { delayMs: this.#aligner.begin(kind === 'to-webrtc' ? now.shown : undefined) };
		}
		return { do: 'open', tier, start };
	}

	#beginPause(now: StageReading, isOfHiddenPage: boolean): PlanAction[] {
		// What they rewind to is shown, and paused there.
		const rewinding = this.#pending?.kind === 'resume' ? this.#pending : undefined;
		const dropped = rewinding === undefined ? this.#dropPending(now.nowMs) : [];
		// A pause before the last one was over continues that one.
		if (this.#pause === undefined || !rests(now.shown)) {
			this.#pause = {
				sinceMs: now.nowMs,
				captureTimeMs: rewinding?.fromCaptureTimeMs ?? now.shown?.latestMs,
				wasBehindLive: rewinding !== undefined || now.shown?.timeShift?.isShifted === true,
				isOfHiddenPage,
			};
		}
		const actions: PlanAction[] = [...dropped, { do: 'pause', isPaused: true }, { do: 'hold-position' }];
		return this.#isPictureGivenUp ? [...actions, ...rest()] : actions;
	}

	#playOn(now: StageReading): PlanAction[] {
		const pause = this.#pause;
		if (this.#pending?.kind === 'resume') {
			// It plays as soon as it is shown.
			return [];
		}
		const how: PlayOn =
			now.shown === undefined || pause === undefined
				? 'continue'
				: playOn(pause, {
						nowMs: now.nowMs,
						tier: now.shown.tier,
						isResting: rests(now.shown),
						isReached: now.shown.timeShift?.reaches(placeOf(pause, now.shown) ?? Infinity) === true,
						canRewind: this.#options.canRewind,
					});
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
				// The paused picture stays until LL-HLS shows the same one.
				return [this.#open(now, 'll-hls', reason, 'resume', { fromCaptureTimeMs: placeOf(pause!, now.shown)! })];
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
		// A leg that is always behind live has no other tier to show the same.
		const isKept = shown?.timeShift?.hasLiveEdge === false;
		if (shown === undefined || rests(shown) || isKept || this.#pending?.kind === 'resume') {
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
		if (pending === undefined && this.#isPaused) {
			return [];
		}
		if (pending === undefined || first === undefined || second === undefined) {
			return this.#relax(now);
		}
		const isAwaited = pending.isPrecaution || this.#isPictureGivenUp;
		// When the paused frame has left the window, playback continues at the live edge.
		const kind = pending.kind === 'resume' && second.timeShift?.isShifted !== true ? 'emergency' : pending.kind;
		const distance =
			kind === 'resume'
				? { pictureAheadMs: aheadMs(second.latestMs, pending.fromCaptureTimeMs), soundAheadMs: undefined }
				: compareLegs({ nowMs, first, second }, kind, isAwaited || rests(first));
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
			case 'end-trial': {
				const dropped = this.#dropPending(nowMs);
				const instead = kind === 'to-live' ? this.#leaveRewound(now, first, 'll-hls') : [];
				return [...dropped, ...instead, notice('tierFailed', 'webrtc', 'line-too-poor'), changed()];
			}
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
		const { error } = now.pending!;
		if (pending.kind === 'resume') {
			const dropped = this.#dropPending(now.nowMs);
			// They watch on as before: the pause is over where they were at live.
			const isAtLive = now.shown?.timeShift?.isShifted !== true && !this.#isPaused;
			const live: PlanAction[] = isAtLive ? [{ do: 'pause', isPaused: false }, { do: 'go-live' }] : [];
			// Without a broadcast there is nothing to explain.
			const failed = now.channelState === 'offline' ? [] : [notice('rewindFailed', error)];
			return [...dropped, ...live, ...failed, notice('mayChange'), changed()];
		}
		if (pending.kind === 'to-live' && pending.tier === 'webrtc') {
			const dropped = this.#dropPending(now.nowMs);
			const instead = this.#leaveRewound(now, now.shown!, 'll-hls');
			return [...dropped, ...instead, notice('switchFailed', pending.tier, error), changed()];
		}
		if (this.#isPictureGivenUp || rests(now.shown)) {
			// There is nothing to return to: show the second leg while it keeps trying.
			return this.#swap(pending, now);
		}
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
