/**
 * Chooses the layer of one viewer's picture: evidence in, actions out. Pure.
 *
 * `free`: the line has shown no trouble; mediasoup sends the preferred layer whatever it costs. `managed`: it has, and
 * mediasoup estimates the line from then on; the estimate decides when to go up. `by-trial`: trouble was seen, and the
 * player's offer does not allow estimation; the viewer goes up by trial. Down is always decided by resends and round
 * trips. Why: docs/decisions.md, "Bandwidth estimation with join layers".
 */
import type { ShownRung, WishedRung } from '../../core/protocol/ladder-choice.ts';
import type { PictureLimit } from '../../core/protocol/signaling/picture-limits.ts';
import { STAGE_LAYER_NAMES, type OnAirLayer } from '../stage/stage-layers.ts';
import { FailedClimbs } from './failed-climbs.ts';
import { drainLimits, lineLimits, risingRates, SOUND_ALONE_LIMITS, type LineLimits } from './line-limits.ts';
import { ResendWindow } from './resend-window.ts';

/** `prefer`: from its next key frame on. `kick`: stop at once, let the line drain, and continue with this layer. */
export type SelectorAction =
	| { do: 'prefer'; spatialLayer: number }
	| { do: 'kick'; spatialLayer: number; startsEstimator: boolean; limits: LineLimits | undefined }
	| { do: 'limit'; limits: LineLimits }
	/** The viewer wants the sound alone, or a picture again. */
	| { do: 'pause' }
	| { do: 'resume' }
	/** The line does not carry the lowest layer. */
	| { do: 'give-up' };

/** Each second, or more rarely, see {@link LayerSelector.needsReading}. */
type LineReading = {
	/** mediasoup's estimate; undefined without one. */
	availableBps: number | undefined;
	roundTripMs: number | undefined;
	/** By the viewer's receiver reports, 0 to 1. */
	lossShare: number;
};

type SelectorMode = 'free' | 'managed' | 'by-trial';

/**
 * Resends, as a share of the layer's rate, above which the line does not carry it. 10 % random loss makes 0.15. The
 * first only starts the estimator, so it may be wrong more often.
 */
const FIRST_KICK_SHARE = 0.25;
const KICK_SHARE = 0.35;
/** On the lowest layer there is nothing to change to: only resends are bounded. */
const LOWEST_KICK_SHARE = 1;
/** Above it a moment counts as bad. */
const BAD_SHARE = 0.25;
/** From one kick to the next. */
const MIN_KICK_INTERVAL_MS = 700;
/** After a kick: the line's queue, the first key frame, and the first feedback. */
const DRAIN_MS = 600;
const CALM_AFTER_KICK_MS = 3000;
/** A kick so soon after a change up leads back by one layer, not to the lowest. */
const JUST_CLIMBED_MS = 4000;
/** A change down so soon after one up makes that a failed one. */
const FAILED_CLIMB_MS = 10_000;
/** By trial: so long without trouble. */
const TRIAL_CALM_MS = 4000;
/** The estimate has to exceed a layer's rate by this. */
const UP_MARGIN = 1.1;
/** A round trip longer than the shortest by this means a queue that grows. */
const LATE_ROUND_TRIP_MS = 300;
/** Receiver reports of a line that loses this share. */
const LOSSY_SHARE = 0.2;
/** Of the last seconds on the lowest layer, so many may be bad. */
const JUDGED_SECONDS = 6;
const GIVE_UP_BAD_SECONDS = 4;
/** Where there is one layer, whose key frames are seconds apart: so many kicks within this time. */
const GIVE_UP_KICKS = 3;
const GIVE_UP_KICKS_WITHIN_MS = 10_000;
/** While the encoder starts again, a viewer waits so long for a layer that their line and the server carry. */
const MISSING_RUNG_MS = 3000;
const FREE_READING_INTERVAL_MS = 5000;
/** A layer at least this share of the height on the screen fills it. */
const SCREEN_SHARE = 0.9;

export class LayerSelector {
	readonly #canEstimate: boolean;
	#layers: readonly OnAirLayer[];
	#mode: SelectorMode = 'free';
	/** The highest spatial layer that the line carries, as far as known. */
	#line = Infinity;
	#chosen: ShownRung | undefined;
	#isSoundAlone = false;
	/** After the sound alone, until a picture is sent: it begins small, because small ones have more key frames. */
	#isReturning = false;
	#seats: ShownRung | undefined;
	#screenHeightPixels: number | undefined;
	/** The layer that is shown; undefined: none. Join layers are above all others. */
	#shown: number | undefined;
	#preferred: number | undefined;
	/** Whose GOP a newcomer began with. */
	#burst: number | undefined;
	readonly #resends = new ResendWindow();
	#isBadNow = false;
	#badAtMs = -Infinity;
	#kickedAtMs = -Infinity;
	#kickTimesMs: number[] = [];
	#climbedAtMs = -Infinity;
	#ceilingSinceMs = -Infinity;
	/** The estimate at the last change up. */
	#climbedWithBps = 0;
	readonly #failures = new FailedClimbs();
	#shortestRoundTripMs = Infinity;
	#lateCount = 0;
	#badSeconds: boolean[] = [];
	#readAtMs = -Infinity;
	#missingSinceMs: number | undefined;
	#limits: LineLimits | undefined;
	#hasGivenUp = false;

	/** `layers`: on air now, lowest first. */
	constructor(layers: readonly OnAirLayer[], { canEstimate }: { canEstimate: boolean }) {
		this.#layers = layers;
		this.#canEstimate = canEstimate;
	}

	get mode(): SelectorMode {
		return this.#mode;
	}

	/** The viewer wants no picture. */
	get isSoundAlone(): boolean {
		return this.#isSoundAlone;
	}

	/** The layer whose GOP a newcomer gets: small, because nothing is known of their line. */
	get firstLayer(): number {
		const rungCount = this.#layers.length - 1;
		const first = this.#layers[Math.min(1, Math.max(0, rungCount - 1))]!.spatialLayer;
		return Math.min(first, this.wantedLayer);
	}

	/** The highest layer within all limits; the lowest, when none is. */
	get wantedLayer(): number {
		return (this.#layers.findLast(({ spatialLayer }) => spatialLayer <= this.#ceiling) ?? this.#layers[0]!)
			.spatialLayer;
	}

	/** The shown layer; undefined: none, or a join layer. */
	get shownLayer(): OnAirLayer | undefined {
		return this.#isSoundAlone ? undefined : this.#layers.find(({ spatialLayer }) => spatialLayer === this.#shown);
	}

	/** Why it is not the best layer; null: it is, or will be. */
	get limitedBy(): PictureLimit | null {
		if (this.#isSoundAlone) {
			return 'choice';
		}
		const wanted = this.wantedLayer;
		if (wanted === this.#layers.at(-1)!.spatialLayer) {
			return null;
		}
		const limits = [
			['choice', this.#ranked(this.#chosen)],
			['screen', this.#screenCeiling],
			['seats', this.#ranked(this.#seats)],
			['line', this.#line],
		] as const;
		return limits.find(([, limit]) => limit === this.#ceiling)?.[0] ?? 'line';
	}

	/** Before the first picture: the viewer's line has carried none before, so they begin with the lowest layer. */
	expectPoorLine(): void {
		if (this.#preferred === undefined && this.#layers.length > 1) {
			this.#line = this.#layers[0]!.spatialLayer;
		}
	}

	/** A newcomer has begun. */
	begin(nowMs: number, burstLayer: number): SelectorAction[] {
		this.#burst = burstLayer;
		this.#preferred = this.wantedLayer;
		this.#ceilingSinceMs = nowMs;
		if (this.#line === Infinity) {
			return [];
		}
		this.#kickedAtMs = nowMs;
		return this.#beginAgain({ startsEstimator: this.#canEstimate });
	}

	/** Layers have come, gone or changed. */
	layersChanged(nowMs: number, layers: readonly OnAirLayer[]): SelectorAction[] {
		this.#layers = layers;
		return this.#follow(nowMs);
	}

	/** The same layers, whose rates have changed with the pictures. */
	measured(layers: readonly OnAirLayer[]): void {
		this.#layers = layers;
	}

	/** The viewer's choice; undefined: the best that fits. */
	choose(nowMs: number, name: WishedRung | undefined): SelectorAction[] {
		const wasSoundAlone = this.#isSoundAlone;
		this.#isSoundAlone = name === 'audio';
		if (name === 'audio') {
			return wasSoundAlone ? [] : this.#leavePicture();
		}
		this.#chosen = name;
		return wasSoundAlone ? this.#returnToPicture(nowMs) : this.#follow(nowMs);
	}

	/** The best layer that the server has room for. */
	limitBySeats(nowMs: number, name: ShownRung | undefined): SelectorAction[] {
		this.#seats = name;
		return this.#follow(nowMs);
	}

	/** The picture's height on the viewer's screen, in its pixels. */
	showOnScreen(nowMs: number, heightPixels: number | undefined): SelectorAction[] {
		this.#screenHeightPixels = heightPixels;
		return this.#follow(nowMs);
	}

	/** mediasoup has changed the layer. */
	shown(nowMs: number, spatialLayer: number | undefined): SelectorAction[] {
		this.#shown = spatialLayer;
		if (!this.#isReturning || spatialLayer === undefined) {
			return [];
		}
		this.#isReturning = false;
		return this.#follow(nowMs);
	}

	/** All resends so far, read because the viewer asked for some. */
	resent(nowMs: number, bytes: number): SelectorAction[] {
		const bps = this.#resends.add(nowMs, bytes);
		if (bps === undefined || this.#hasGivenUp || this.#isSoundAlone) {
			return [];
		}
		const share = bps / this.#currentRateBps;
		if (share > BAD_SHARE) {
			this.#isBadNow = true;
			this.#badAtMs = nowMs;
		}
		const kickShare = this.#mode === 'free' && this.#canEstimate ? FIRST_KICK_SHARE : KICK_SHARE;
		return share > (this.#index === 0 ? LOWEST_KICK_SHARE : kickShare) ? this.#kick(nowMs) : [];
	}

	/** Whether a reading is worth its cost now; called once a second. */
	needsReading(nowMs: number): boolean {
		if (this.#isSoundAlone) {
			return false;
		}
		if (this.#missingSinceMs !== undefined) {
			return !this.#hasGivenUp;
		}
		if (this.#hasGivenUp || (this.#layers.length === 1 && this.#mode === 'free')) {
			return false;
		}
		return this.#mode !== 'free' || nowMs - this.#readAtMs >= FREE_READING_INTERVAL_MS;
	}

	read(nowMs: number, reading: LineReading): SelectorAction[] {
		this.#readAtMs = nowMs;
		if (this.#hasGivenUp || this.#isSoundAlone) {
			return [];
		}
		const { roundTripMs, lossShare } = reading;
		this.#shortestRoundTripMs = Math.min(this.#shortestRoundTripMs, roundTripMs ?? Infinity);
		const isLate = (roundTripMs ?? 0) > this.#shortestRoundTripMs + LATE_ROUND_TRIP_MS;
		this.#lateCount = isLate ? this.#lateCount + 1 : 0;
		const isBad = isLate || this.#isBadNow || (this.#mode !== 'free' && lossShare > LOSSY_SHARE);
		this.#isBadNow = false;
		if (isBad) {
			this.#badAtMs = nowMs;
		}
		this.#failures.forgive(nowMs, this.#shown);
		if (this.#carriesNothing(isBad)) {
			this.#hasGivenUp = true;
			return [{ do: 'give-up' }];
		}
		if (this.#lateCount >= (this.#mode === 'free' ? 1 : 2) && this.#index !== 0) {
			this.#lateCount = 0;
			return this.#kick(nowMs);
		}
		const actions = this.#follow(nowMs);
		const climb = actions.length > 0 || isBad ? undefined : this.#climb(nowMs, reading);
		return [...actions, ...(climb ?? this.#adjustLimits(nowMs))];
	}

	/** Nobody could move the viewer elsewhere: they keep what gets through. */
	goOn(): void {
		this.#hasGivenUp = false;
		this.#badSeconds = [];
		this.#kickTimesMs = [];
	}

	/** {@link DRAIN_MS} after a kick: limits with which the estimator probes. */
	drained(nowMs: number): SelectorAction[] {
		const isManaged = this.#mode === 'managed' && !this.#isSoundAlone;
		return isManaged && nowMs - this.#kickedAtMs >= DRAIN_MS ? this.#limitAnew() : [];
	}

	static readonly drainMs = DRAIN_MS;

	/** Among the layers on air; undefined while none of them is shown. */
	get #index(): number | undefined {
		const index = this.#layers.findIndex(({ spatialLayer }) => spatialLayer === this.#shown);
		return index < 0 ? undefined : index;
	}

	get #rates(): readonly number[] {
		return this.#layers.map(({ rateBps }) => rateBps);
	}

	/** Of the shown layer; on a join layer, of the one that it copies. */
	get #currentRateBps(): number {
		const isJoining = this.#shown !== undefined && this.#shown > this.#layers.at(-1)!.spatialLayer;
		const own = isJoining ? this.#burst : this.#shown;
		return (this.#layers.find(({ spatialLayer }) => spatialLayer === own) ?? this.#layers[0]!).rateBps;
	}

	get #ceiling(): number {
		return Math.min(this.#line, this.#ranked(this.#chosen), this.#ranked(this.#seats), this.#screenCeiling);
	}

	/** A layer by its name; one that is off the air stands for the next lower one. */
	#ranked(name: ShownRung | undefined): number {
		return name === undefined ? Infinity : STAGE_LAYER_NAMES.indexOf(name);
	}

	/** What the viewer has chosen counts, whatever the size. */
	get #screenCeiling(): number {
		const height = this.#screenHeightPixels;
		if (height === undefined || this.#chosen !== undefined) {
			return Infinity;
		}
		const filling = this.#layers.find(({ heightPixels }) => heightPixels > 0 && heightPixels >= height * SCREEN_SHARE);
		return filling === undefined || filling === this.#layers.at(-1) ? Infinity : filling.spatialLayer;
	}

	#leavePicture(): SelectorAction[] {
		this.#isReturning = false;
		if (this.#preferred === undefined) {
			return [];
		}
		const isManaged = this.#mode === 'managed';
		return [{ do: 'pause' }, ...(isManaged ? [{ do: 'limit', limits: SOUND_ALONE_LIMITS } as const] : [])];
	}

	/** What was seen of the line before says nothing of it now; what it carried does. */
	#returnToPicture(nowMs: number): SelectorAction[] {
		this.#resends.clear();
		this.#isBadNow = false;
		this.#lateCount = 0;
		this.#badSeconds = [];
		this.#kickTimesMs = [];
		this.#missingSinceMs = undefined;
		this.#ceilingSinceMs = nowMs;
		if (this.#preferred === undefined) {
			return [];
		}
		this.#isReturning = true;
		this.#preferred = this.firstLayer;
		const limit = this.#mode === 'managed' ? this.#limitAnew() : [];
		return [{ do: 'prefer', spatialLayer: this.#preferred }, ...limit, { do: 'resume' }];
	}

	/** Prefers the wanted layer, if it is another. */
	#follow(nowMs: number): SelectorAction[] {
		if (this.#hasGivenUp || this.#preferred === undefined || this.#isSoundAlone) {
			return [];
		}
		const isMissing = this.#layers[0]!.spatialLayer > Math.min(this.#line, this.#ranked(this.#seats));
		this.#missingSinceMs = isMissing ? (this.#missingSinceMs ?? nowMs) : undefined;
		if (isMissing && nowMs - this.#missingSinceMs! < MISSING_RUNG_MS) {
			return [];
		}
		if (this.#layers[0]!.spatialLayer > this.#line) {
			this.#line = this.#layers[0]!.spatialLayer;
			this.#ceilingSinceMs = nowMs;
		}
		const wanted = this.#isReturning ? this.firstLayer : this.wantedLayer;
		if (wanted === this.#preferred) {
			return [];
		}
		this.#preferred = wanted;
		return [{ do: 'prefer', spatialLayer: wanted }, ...(this.#mode === 'managed' ? this.#limitAnew() : [])];
	}

	#kick(nowMs: number): SelectorAction[] {
		if (nowMs - this.#kickedAtMs < MIN_KICK_INTERVAL_MS || this.#preferred === undefined) {
			return [];
		}
		this.#kickedAtMs = nowMs;
		this.#isReturning = false;
		this.#kickTimesMs = [...this.#kickTimesMs.filter((atMs) => nowMs - atMs < GIVE_UP_KICKS_WITHIN_MS), nowMs];
		this.#resends.clear();
		const only = this.#layers.length === 1;
		if (only && this.#kickTimesMs.length >= GIVE_UP_KICKS) {
			this.#hasGivenUp = true;
			return [{ do: 'give-up' }];
		}
		const before = this.wantedLayer;
		const index = this.#index;
		const hasJustClimbed = index !== undefined && index > 0 && nowMs - this.#climbedAtMs < JUST_CLIMBED_MS;
		const to = this.#layers[hasJustClimbed ? index - 1 : 0]!.spatialLayer;
		if (to < before && nowMs - this.#climbedAtMs < FAILED_CLIMB_MS) {
			this.#failures.add(before, nowMs, this.#climbedWithBps);
		}
		const startsEstimator = this.#mode === 'free' && this.#canEstimate && !only;
		if (!only) {
			this.#line = to;
		}
		this.#ceilingSinceMs = nowMs;
		this.#preferred = this.wantedLayer;
		return this.#beginAgain({ startsEstimator });
	}

	/** With the preferred layer. */
	#beginAgain({ startsEstimator }: { startsEstimator: boolean }): SelectorAction[] {
		if (this.#layers.length > 1) {
			this.#mode = this.#canEstimate ? 'managed' : 'by-trial';
		}
		const wantedIndex = this.#layers.findIndex(({ spatialLayer }) => spatialLayer === this.#preferred);
		this.#limits = this.#mode === 'managed' ? drainLimits(this.#rates, wantedIndex) : undefined;
		return [{ do: 'kick', spatialLayer: this.wantedLayer, startsEstimator, limits: this.#limits }];
	}

	/** True once the lowest layer has been too much for some seconds. */
	#carriesNothing(isBad: boolean): boolean {
		if (this.#mode === 'free' || this.#layers.length === 1) {
			return false;
		}
		const isOnLowest = this.#shown === undefined || this.#index === 0;
		this.#badSeconds = [...this.#badSeconds, isOnLowest && isBad].slice(-JUDGED_SECONDS);
		return this.#badSeconds.filter((wasBad) => wasBad).length >= GIVE_UP_BAD_SECONDS;
	}

	#climb(nowMs: number, { availableBps }: LineReading): SelectorAction[] | undefined {
		const index = this.#index;
		const next = index === undefined ? undefined : this.#layers[index + 1];
		const isAtLine = this.#shown === this.#line && this.#line === this.wantedLayer;
		if (this.#mode === 'free' || index === undefined || next === undefined || !isAtLine) {
			return undefined;
		}
		const sinceMs = nowMs - this.#ceilingSinceMs;
		const calmMs = nowMs - Math.max(this.#badAtMs, this.#ceilingSinceMs);
		const mayGoUp =
			this.#mode === 'managed'
				? (availableBps ?? 0) >= UP_MARGIN * risingRates(this.#rates)[index + 1]! &&
					nowMs - this.#kickedAtMs >= CALM_AFTER_KICK_MS &&
					sinceMs >= this.#failures.holdMs(next.spatialLayer, availableBps, this.#limits?.maxBps)
				: calmMs >= Math.max(TRIAL_CALM_MS, this.#failures.holdMs(next.spatialLayer));
		if (!mayGoUp) {
			return undefined;
		}
		this.#line = next.spatialLayer;
		this.#climbedAtMs = nowMs;
		this.#climbedWithBps = availableBps ?? 0;
		this.#ceilingSinceMs = nowMs;
		return this.#follow(nowMs);
	}

	/** Rates change with the pictures. */
	#adjustLimits(nowMs: number): SelectorAction[] {
		if (this.#mode !== 'managed' || nowMs - this.#kickedAtMs < DRAIN_MS) {
			return [];
		}
		const { minBps, maxBps } = this.#wantedLimits;
		const isNear = (one: number, other = 0): boolean => Math.abs(one - other) <= 0.1 * other;
		return isNear(minBps, this.#limits?.minBps) && isNear(maxBps, this.#limits?.maxBps) ? [] : this.#limitAnew();
	}

	#limitAnew(): SelectorAction[] {
		this.#limits = this.#wantedLimits;
		return [{ do: 'limit', limits: this.#limits }];
	}

	get #wantedLimits(): LineLimits {
		const wanted = this.wantedLayer;
		return lineLimits(
			this.#rates,
			this.#layers.findIndex(({ spatialLayer }) => spatialLayer === wanted),
		);
	}
}
