/**
 * Chooses the rung: down at once, also in the middle of a part that comes too late; up after the line has carried more
 * for some seconds. Pure: measurements in, choices out. A rung has a number, 0 for the best one; the number after the
 * lowest rung is sound alone.
 */
import { ThroughputMeter, type Estimate, type Transfer } from './throughput-meter.ts';

type AbrLadder = {
	/** From the best down: what picture and sound need. */
	rungs: readonly { bandwidthBps: number }[];
	/** Sound can be played without a picture. */
	hasSoundOnly: boolean;
};

/** Asked before each part of the picture. */
type NextPart = {
	nowMs: number;
	/** It is the first of its segment, which begins with a key frame in all rungs. */
	isSegmentStart: boolean;
	/** Undefined before anything has played. */
	bufferedAheadSeconds: number | undefined;
};

/** `probe`: also load a little of this rung, to measure the line. */
type NextChoice = { rung: number; probe?: number };

/** A part that is loading. */
type LoadingPart = {
	nowMs: number;
	rung: number;
	durationSeconds: number;
	loadedBytes: number;
	/** What has come since the first byte, with all that was loaded beside the part. */
	lineBytes: number;
	/** Undefined until the answer begins. */
	totalBytes: number | undefined;
	requestedAtMs: number;
	firstByteAtMs: number | undefined;
	bufferedAheadSeconds: number | undefined;
};

/** A part that has come completely. `tookMs`: from the first byte to the last. */
type LoadedPart = Pick<LoadingPart, 'nowMs' | 'rung' | 'durationSeconds' | 'bufferedAheadSeconds'> & {
	bytes: number;
	tookMs: number;
};

/** Beside the media: playlists, and the headers of some twenty answers a second. */
const OVERHEAD_BPS = 100_000;
/** After a line has become worse it must also catch up. */
const DOWN_MARGIN = 1.15;
/** What real time takes more: the sound of the source, and headers of packets, less the requests. */
const REAL_TIME_BPS = 100_000;
/** Without anything known, the line is assumed to be this. */
const USUAL_LINE_BPS = 2_500_000;
/** The first picture needs all since its key frame, which is up to so old in the source, and in the rungs. */
const SOURCE_GOP_SECONDS = 2;
const RUNG_GOP_SECONDS = 1;
/** That has to come within this time at most. A better rung follows soon. */
const FIRST_PICTURE_SECONDS = 0.9;
/** No change up for this long after one down. */
const HOLD_MS = 10_000;
/** A rung that was too much is not tried again for this long, doubled each time. */
const FIRST_BAR_MS = 40_000;
const MAX_BAR_MS = 320_000;
/** A rung that was left again within this time was too much, … */
const PROVEN_MS = 60_000;
/** … unless the line carries less than this share of what it needs: then the line has changed. */
const SAME_LINE_SHARE = 0.6;
/** A line that carries so many times what a barred rung needs has changed. */
const AMPLE = 1.6;
/** From one change up to the next. */
const BETWEEN_UPS_MS = 2500;
/** For a playback that has just begun, less time proves the line. */
const BEGIN_MS = 15_000;
const BEGIN_SPAN_MS = 1500;
/** With less buffered, a better rung may stall before it is known to be too much. */
const UP_BUFFER_SECONDS = 0.25;
/** A part is judged by this much of the last time, … */
const JUDGED_MS = 200;
/** … which has to be at least so long, … */
const JUDGED_LEAST_MS = 120;
/** … after it has come for so much longer than expected, … */
const LATE_FACTOR = 1.5;
/** … and not before this after one was given up: what was sent of that one still comes. */
const QUEUE_MS = 250;
/** Left before the buffer is empty: a part has to be parsed and decoded. */
const SAFE_SECONDS = 0.1;
/** Until the first byte of another rung: its playlist, and what is still under way. */
const CHANGE_SECONDS = 0.1;
/** After a change, the next one has to be worth more. */
const AGAIN_SECONDS = 0.35;
const AGAIN_MS = 1500;
/** A pause of the bytes is over soon, most often, and what came before it says nothing. */
const PAUSE_MS = 80;
const LONG_PAUSE_MS = 400;
/** At the start nothing stalls: a part so late is given up for one that comes in half of the time. */
const START_SECONDS = 1;
/** A picture so late is given up for sound alone. */
const NO_PICTURE_SECONDS = 0.8;
/** Without a byte for this long the line is gone, or so slow that less is better. */
const SILENT_MS = 700;
/** Time of the last parts, of their duration, from which on the line does not keep up. */
const SLOW_SHARE = 0.95;
const SLOW_WINDOW_SECONDS = 0.9;
/** With less left after a slow part, the next one comes too late. */
const DRY_SECONDS = 0.05;
/** Behind the edge, so much is buffered that a slow part is no reason. */
const PLENTY_SECONDS = 4;
/** A hidden page keeps the lowest picture for this long, for viewers who look at another page for a moment. */
const HIDDEN_SOUND_ONLY_MS = 60_000;
/** Sound alone takes some of the line too, which is not measured, and each change of the picture is seen. */
const PICTURE_SHARE = 1.2;
/** Between two probes. Doubled while nothing follows from them. */
const FIRST_PROBE_MS = 2500;
const MAX_PROBE_MS = 10_000;
/** With less buffered, what is loaded for a probe may make the next part late. */
const PROBE_BUFFER_SECONDS = 0.3;

export class AbrController {
	readonly #meter = new ThroughputMeter();
	readonly #startedAtMs: number;
	#ladder: AbrLadder;
	#rung = 0;
	/** Of the viewer. */
	#chosen: number | undefined;
	#ceiling = 0;
	#hiddenSinceMs: number | undefined;
	/** Where to return to when the page is shown again. */
	#rungBeforeHidden: number | undefined;
	/** A worse rung that the next part has to be of. */
	#urgent: { rung: number; bps: number } | undefined;
	/** What the line carries, while a smaller rung is used so that the picture continues sooner. */
	#planned: number | undefined;
	/** Where to return to when the first part of a better rung comes too late. */
	#triedFrom: number | undefined;
	#upAllowedAtMs = -Infinity;
	/** This rung and better ones were too much. */
	#barred: { rung: number; untilMs: number } | undefined;
	#barMs = FIRST_BAR_MS;
	/** The last change up, until the next one down. */
	#unproven: { rung: number; from: number; sinceMs: number } | undefined;
	#wentDownAtMs = -Infinity;
	#gaveUpAtMs = -Infinity;
	#probedAtMs = -Infinity;
	#probeMs = FIRST_PROBE_MS;
	/** The part that is loading, at the last looks. */
	#looks: LoadingPart[] = [];
	/** When it last had more bytes than before. */
	#progressAtMs = -Infinity;
	/** Its first byte, or the end of a pause. */
	#judgedFromMs = -Infinity;
	#recentParts: Pick<LoadedPart, 'durationSeconds' | 'tookMs'>[] = [];

	/** `knownBps`: what is known of the line; undefined for nothing. */
	constructor(ladder: AbrLadder, { startedAtMs, knownBps }: { startedAtMs: number; knownBps: number | undefined }) {
		this.#ladder = ladder;
		this.#startedAtMs = startedAtMs;
		const bps = knownBps ?? USUAL_LINE_BPS;
		const fitting = ladder.rungs.findIndex((_, rung) => {
			const seconds = rung === 0 ? SOURCE_GOP_SECONDS : RUNG_GOP_SECONDS;
			return this.#need(rung) * seconds <= bps * FIRST_PICTURE_SECONDS;
		});
		this.#rung = fitting < 0 ? this.#lowest : fitting;
	}

	/** The rung of the parts that are loading. */
	get rung(): number {
		return this.#rung;
	}

	/** What the line carries; undefined where that was not measured. */
	estimateBps(nowMs: number): number | undefined {
		return this.#meter.recent(nowMs)?.bps;
	}

	/** There is nothing smaller. */
	get isAtWorst(): boolean {
		return this.#rung >= this.#last;
	}

	/** The rung that plays is the best one that is wanted. */
	get isAtBest(): boolean {
		return this.#rung <= (this.#chosen ?? this.#best);
	}

	/** The line is known to be poor: begins with the lowest picture. */
	expectPoorLine(): void {
		if (this.#chosen === undefined) {
			this.#become(Math.max(this.#rung, this.#lowest));
		}
	}

	/** The line is too poor for the smallest picture in real time, as far as known. */
	isShort(nowMs: number): boolean {
		const hasLeftPicture = this.#isSoundOnly && this.#chosen === undefined && this.#hiddenSinceMs === undefined;
		return hasLeftPicture || (this.estimateBps(nowMs) ?? Infinity) < this.#need(this.#lowest) + REAL_TIME_BPS;
	}

	/** The channel's rungs have changed. `rung`: the number of the one that plays, in the new ladder. */
	setLadder(ladder: AbrLadder, rung: number): void {
		this.#ladder = ladder;
		this.#barred = undefined;
		this.#rungBeforeHidden = undefined;
		this.#become(rung);
	}

	/** The viewer's choice; undefined for the controller's. */
	choose(rung: number | undefined): void {
		this.#chosen = rung;
		this.#urgent = undefined;
	}

	/** The best rung that the size on the screen can show. */
	setCeiling(rung: number): void {
		this.#ceiling = rung;
	}

	setHidden(nowMs: number, isHidden: boolean): void {
		if (isHidden && this.#hiddenSinceMs === undefined) {
			this.#rungBeforeHidden ??= this.#rung;
		}
		this.#hiddenSinceMs = isHidden ? (this.#hiddenSinceMs ?? nowMs) : undefined;
	}

	/** A measurement of the server, or of a probe. */
	measured(nowMs: number, bps: number): void {
		this.#meter.measured(nowMs, bps);
	}

	transferred(transfer: Transfer): void {
		this.#meter.transferred(transfer);
	}

	next(part: NextPart): NextChoice {
		const { nowMs, isSegmentStart } = part;
		this.#triedFrom = undefined;
		const wanted = this.#chosen ?? this.#wantedByScreen(part);
		if (wanted !== undefined) {
			// Better rungs have fewer key frames: pictures between them are loaded only to be skipped.
			if (wanted > this.#rung || isSegmentStart || this.#isSoundOnly) {
				this.#become(wanted);
			}
			return { rung: this.#rung };
		}
		if (this.#urgent !== undefined) {
			this.#goDown(nowMs, this.#urgent.rung, this.#urgent.bps);
			return { rung: this.#rung };
		}
		if (this.#planned !== undefined && isSegmentStart) {
			this.#become(this.#planned);
			return { rung: this.#rung };
		}
		const candidate = this.#candidate(part);
		if (candidate !== undefined) {
			this.#triedFrom = this.#rung;
			this.#goUp(nowMs, candidate);
		} else if (this.#isProbeDue(part)) {
			this.#probedAtMs = nowMs;
			this.#probeMs = Math.min(MAX_PROBE_MS, this.#probeMs * 2);
			return { rung: this.#rung, probe: this.#lowest };
		}
		return { rung: this.#rung };
	}

	/** A worse rung, when the part comes too late in this one. */
	whileLoading(part: LoadingPart): number | undefined {
		const { nowMs, rung, bufferedAheadSeconds, loadedBytes, totalBytes, firstByteAtMs } = part;
		if (this.#chosen !== undefined || rung >= this.#last || rung !== this.#rung) {
			return undefined;
		}
		if (firstByteAtMs === undefined || totalBytes === undefined) {
			const isGone = nowMs - part.requestedAtMs > SILENT_MS && (bufferedAheadSeconds ?? 0) < SAFE_SECONDS;
			return isGone ? this.#giveUp(nowMs, this.#lowest, 0) : undefined;
		}
		const from = this.#lookBefore(part, firstByteAtMs);
		const comesForMs = nowMs - from.nowMs;
		const pausedForMs = nowMs - this.#progressAtMs;
		const expectedMs = (totalBytes * 8000) / (this.#meter.recent(nowMs)?.bps ?? Infinity);
		const isPaused = pausedForMs >= PAUSE_MS && pausedForMs < LONG_PAUSE_MS;
		if (isPaused || comesForMs < JUDGED_LEAST_MS || nowMs - firstByteAtMs < expectedMs * LATE_FACTOR) {
			return undefined;
		}
		const bps = ((loadedBytes - from.loadedBytes) * 8000) / comesForMs;
		const restSeconds = ((totalBytes - loadedBytes) * 8) / Math.max(1, bps);
		const hasPlayed = bufferedAheadSeconds !== undefined;
		if (restSeconds <= (hasPlayed ? bufferedAheadSeconds - SAFE_SECONDS : START_SECONDS)) {
			return undefined;
		}
		const lineBps = ((part.lineBytes - from.lineBytes) * 8000) / comesForMs;
		const carried = this.#carriedBy(nowMs, lineBps);
		const isAgain = nowMs - this.#gaveUpAtMs < AGAIN_MS;
		const secondsTo = (other: number): number =>
			this.#secondsIn(other, part.durationSeconds, lineBps) + (isAgain ? AGAIN_SECONDS : CHANGE_SECONDS);
		// The picture continues sooner with a smaller one.
		const isInTime = (other: number): boolean => other === this.#triedFrom || secondsTo(other) <= bufferedAheadSeconds!;
		const other = hasPlayed && carried < this.#lowest && !isInTime(carried) ? this.#lowest : carried;
		if (secondsTo(other) >= restSeconds * (hasPlayed ? 1 : 0.5)) {
			return undefined;
		}
		const givenUp = this.#giveUp(nowMs, other, lineBps);
		this.#planned = givenUp !== undefined && carried < other ? carried : undefined;
		return givenUp;
	}

	loaded(part: LoadedPart): void {
		const { nowMs, durationSeconds, bytes, tookMs, bufferedAheadSeconds } = part;
		if (part.rung !== this.#rung || this.#isSoundOnly || this.#chosen !== undefined) {
			return;
		}
		if (nowMs - this.#gaveUpAtMs < AGAIN_MS) {
			// The part before it, and what else it depends on, were loaded with it.
			return;
		}
		const recent = this.#recentParts;
		recent.push({ durationSeconds, tookMs });
		while (sumOf(recent, 'durationSeconds') - recent[0]!.durationSeconds >= SLOW_WINDOW_SECONDS) {
			recent.shift();
		}
		const [seconds, tookSeconds] = [sumOf(recent, 'durationSeconds'), sumOf(recent, 'tookMs') / 1000];
		const isSlow = seconds >= SLOW_WINDOW_SECONDS && tookSeconds > seconds * SLOW_SHARE;
		const aheadSeconds = bufferedAheadSeconds ?? Infinity;
		const isDry = aheadSeconds < DRY_SECONDS && tookMs > durationSeconds * 1500 && this.#rung < this.#lowest;
		if ((isSlow && aheadSeconds < PLENTY_SECONDS) || isDry) {
			const bps = Math.min((bytes * 8000) / Math.max(1, tookMs), this.#meter.recent(nowMs)?.bps ?? Infinity);
			this.#urgent = { rung: this.#carriedBy(nowMs, bps), bps };
		}
	}

	/** The rung has no media now, and another one is used. */
	failed(nowMs: number, rung: number, other: number): void {
		if (rung === this.#rung) {
			this.#become(other);
			this.#upAllowedAtMs = nowMs + HOLD_MS;
		}
	}

	get #lowest(): number {
		return this.#ladder.rungs.length - 1;
	}

	/** The number of the last choice. A channel with one rung plays it over any line, with pauses. */
	get #last(): number {
		return this.#ladder.hasSoundOnly && this.#ladder.rungs.length > 1 ? this.#lowest + 1 : this.#lowest;
	}

	get #isSoundOnly(): boolean {
		return this.#rung > this.#lowest;
	}

	/** The best rung that makes sense on this screen. */
	get #best(): number {
		return Math.min(this.#ceiling, this.#lowest);
	}

	#need(rung: number): number {
		return (this.#ladder.rungs[rung]?.bandwidthBps ?? 0) + OVERHEAD_BPS;
	}

	/** What the page needs, whatever the line carries; undefined while the line decides. */
	#wantedByScreen({ nowMs, isSegmentStart }: NextPart): number | undefined {
		if (this.#hiddenSinceMs !== undefined) {
			const isLong = nowMs - this.#hiddenSinceMs >= HIDDEN_SOUND_ONLY_MS;
			return Math.max(this.#rung, isLong ? this.#last : this.#lowest);
		}
		const before = this.#rungBeforeHidden ?? this.#rung;
		if (before < this.#rung) {
			return before;
		}
		this.#rungBeforeHidden = undefined;
		return this.#rung < this.#best && isSegmentStart ? this.#best : undefined;
	}

	/** A better rung that the line should carry now. */
	#candidate({ nowMs, isSegmentStart, bufferedAheadSeconds }: NextPart): number | undefined {
		const isPossible = this.#isSoundOnly || (isSegmentStart && (bufferedAheadSeconds ?? 0) >= UP_BUFFER_SECONDS);
		if (this.#rung <= this.#best || !isPossible || nowMs < this.#upAllowedAtMs) {
			return undefined;
		}
		const isBegin = nowMs - this.#startedAtMs < BEGIN_MS && this.#wentDownAtMs === -Infinity;
		const estimate = this.#meter.sustained(nowMs, isBegin ? BEGIN_SPAN_MS : undefined);
		return estimate && this.#bestFor(nowMs, estimate);
	}

	#bestFor(nowMs: number, { bps, isStrong }: Estimate): number | undefined {
		// After sound alone the picture comes soonest with the lowest rung.
		const isOneStep = !isStrong || this.#isSoundOnly;
		const from = isOneStep ? Math.max(this.#best, this.#rung - 1) : this.#best;
		const candidates = this.#ladder.rungs.map((_, rung) => rung).slice(from, this.#rung);
		return candidates.find((rung) => {
			const isAmple = bps >= this.#need(rung) * AMPLE && nowMs >= this.#wentDownAtMs + HOLD_MS;
			const share = this.#isSoundOnly ? PICTURE_SHARE : 1;
			return this.#need(rung) * share <= bps && (isAmple || !this.#isBarred(nowMs, rung));
		});
	}

	/** The lowest rung and sound alone are too small to measure the line. */
	#isProbeDue({ nowMs, bufferedAheadSeconds }: NextPart): boolean {
		const isSmall = this.#rung >= this.#lowest && this.#rung > this.#best;
		const isWeak = this.#meter.sustained(nowMs, 0)?.isStrong !== true;
		const isSoon = nowMs >= this.#upAllowedAtMs - FIRST_PROBE_MS && nowMs >= this.#probedAtMs + this.#probeMs;
		return isSmall && isWeak && isSoon && (bufferedAheadSeconds ?? 0) >= PROBE_BUFFER_SECONDS;
	}

	#isBarred(nowMs: number, rung: number): boolean {
		return this.#barred !== undefined && rung <= this.#barred.rung && nowMs < this.#barred.untilMs;
	}

	/** The best of the worse rungs that this line carries. */
	#fitting(bps: number): number {
		for (let rung = this.#rung + 1; rung <= this.#lowest; rung++) {
			if (this.#need(rung) * DOWN_MARGIN <= bps) {
				return rung;
			}
		}
		return this.#rung >= this.#lowest ? this.#last : this.#lowest;
	}

	/** The same, but where a better rung was tried over the same line, the one before it. */
	#carriedBy(nowMs: number, bps: number): number {
		const { from = -1, sinceMs = -Infinity } = this.#unproven ?? {};
		const isTried = from > this.#rung && from <= this.#lowest && nowMs - sinceMs < PROVEN_MS;
		return isTried && bps >= this.#need(from) ? from : this.#fitting(bps);
	}

	/** How long a part takes in this rung: itself, and half a second of those before it, since its last key frame. */
	#secondsIn(rung: number, durationSeconds: number, bps: number): number {
		return rung > this.#lowest
			? NO_PICTURE_SECONDS
			: (this.#ladder.rungs[rung]!.bandwidthBps * (durationSeconds + 0.5)) / Math.max(1, bps);
	}

	/** The state of the part some moments ago, from which on it is judged. */
	#lookBefore(part: LoadingPart, firstByteAtMs: number): Pick<LoadingPart, 'nowMs' | 'loadedBytes' | 'lineBytes'> {
		const { nowMs } = part;
		const last = this.#looks.at(-1);
		const isSame = last?.requestedAtMs === part.requestedAtMs;
		const hasCome = !isSame || part.loadedBytes > last.loadedBytes;
		if (!isSame || (hasCome && nowMs - this.#progressAtMs >= PAUSE_MS)) {
			this.#looks = [];
		}
		const isAfterPause = isSame && this.#looks.length === 0;
		this.#progressAtMs = hasCome ? nowMs : this.#progressAtMs;
		this.#judgedFromMs = isSame ? (isAfterPause ? nowMs : this.#judgedFromMs) : firstByteAtMs;
		const fromMs = Math.max(nowMs - JUDGED_MS, this.#gaveUpAtMs + QUEUE_MS);
		this.#looks.push(part);
		while (this.#looks.length > 1 && this.#looks[1]!.nowMs <= fromMs) {
			this.#looks.shift();
		}
		const isFromStart = this.#judgedFromMs === firstByteAtMs && firstByteAtMs >= fromMs;
		return isFromStart ? { nowMs: firstByteAtMs, loadedBytes: 0, lineBytes: 0 } : this.#looks[0]!;
	}

	#giveUp(nowMs: number, rung: number, bps: number): number | undefined {
		if (rung <= this.#rung) {
			return undefined;
		}
		this.#gaveUpAtMs = nowMs;
		this.#goDown(nowMs, rung, bps);
		return rung;
	}

	#goDown(nowMs: number, rung: number, bps: number): void {
		const isOtherLine = bps < this.#need(this.#rung) * SAME_LINE_SHARE && this.#rung < this.#lowest;
		if (this.#unproven !== undefined && nowMs - this.#unproven.sinceMs < PROVEN_MS) {
			if (!isOtherLine) {
				this.#barred = { rung: this.#unproven.rung, untilMs: nowMs + this.#barMs };
				this.#barMs = Math.min(MAX_BAR_MS, this.#barMs * 2);
			}
		} else if (this.#unproven !== undefined) {
			this.#barMs = FIRST_BAR_MS;
		}
		this.#unproven = undefined;
		// A better rung that was only tried says nothing about those below it.
		this.#upAllowedAtMs = nowMs + (rung === this.#triedFrom ? BETWEEN_UPS_MS : HOLD_MS);
		this.#wentDownAtMs = nowMs;
		this.#rungBeforeHidden = undefined;
		this.#become(rung);
		// What was measured before the line became worse does not count any more.
		this.#meter.forget();
	}

	#goUp(nowMs: number, rung: number): void {
		this.#unproven = { rung, from: this.#rung, sinceMs: nowMs };
		this.#upAllowedAtMs = nowMs + BETWEEN_UPS_MS;
		this.#probeMs = FIRST_PROBE_MS;
		this.#become(rung);
	}

	#become(rung: number): void {
		this.#rung = Math.min(rung, this.#last);
		this.#urgent = undefined;
		this.#planned = undefined;
		this.#recentParts = [];
	}
}

function sumOf<Name extends string>(parts: readonly Record<Name, number>[], name: Name): number {
	return parts.reduce((sum, part) => sum + part[name], 0);
}
