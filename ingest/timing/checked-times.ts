/**
 * Checks the times that a publisher states, before anything else uses them. Checked times never step back, never jump
 * without cause, and continue through every change of the encoder's clock.
 */
import type { TrackKind } from '../../core/media/access-unit.ts';
import { median } from '../../core/percentiles.ts';
import { msToTicks, ticksToMs, VIDEO_CLOCK_RATE } from '../../core/units.ts';
import { rtpClockRate, type PublisherRtpPacket, type PublisherUnit } from '../publisher/publisher.ts';
import { judgeStep, type StepVerdict } from './step-judge.ts';

/** Another clock that a track may have changed to. */
type Suspicion = {
	/** Checked time − stated time on that clock. */
	rebaseMs: number;
	/** Units in a row that agree with it. */
	count: number;
	/** A small step back: another clock only when the other track agrees. */
	needsOther: boolean;
};

type TrackTimes = {
	/** Checked time − stated time. Whole milliseconds, so that it is whole ticks of every clock. */
	rebaseMs: number;
	/** Before the last break, for packets that arrive late. */
	formerRebaseMs: number | undefined;
	suspicion: Suspicion | undefined;
	/** Checked time and arrival of the newest unit or packet. */
	newestMs: number;
	newestArrivedAtMs: number;
	/** Of units; with B-frames over WHIP it runs apart from the newest presentation time. */
	lastDecodeMs: number;
	readonly stepsMs: number[];
	cadenceMs: number | undefined;
	/** The track returned from a pause behind the other track: since when, and by how much. */
	lag: { sinceMs: number; lagMs: number } | undefined;
	/** Smallest (arrival − checked time) of the running window, and of the one before. */
	leastDelayMs: number;
	formerLeastDelayMs: number;
	windowStartedAtMs: number;
	/** RTP only: packets are checked, and units follow them. */
	newestSequence: number | undefined;
	newestStatedMs: number;
	/** It has B-frames. */
	isReordered: boolean;
	/** Recent pictures whose timestamp stepped back a little, and by how many ticks they are moved. */
	readonly stepsBack: Array<{ statedMs: number; shiftTicks: number }>;
	/** A constant part of all composition offsets that is too large to mean anything. */
	compositionBaseMs: number | undefined;
};

const TICK_MS = 1000 / VIDEO_CLOCK_RATE;
/** Steps remembered: the cadence follows a change of the frame rate within half of them. */
const REMEMBERED_STEPS = 16;
/** Half of it misses the quiet moments of a crowded line; twice of it follows a drifting clock too late. */
const WINDOW_MS = 30_000;
/** Units in a row that must agree on another clock, so that one wild time changes nothing. */
const AGREEING_UNITS = 3;
/** The two tracks state one jump with a difference, because they are interleaved. */
const SAME_JUMP_MS = 500;
/** A smaller step back is never another clock. */
const LEAST_CLOCK_STEP_MS = 100;
/** Largest step back that is smoothed while the other track continues. */
const SMALL_STEP_BACK_MS = 1000;
/** A track that has been silent for longer is no measure for the other. */
const OTHER_FRESH_MS = 2000;
/** A second track begins this close to the first one; further off, it has another clock. */
const FIRST_STEP_MS = 3000;
/**
 * A track that returns after such a pause, this far behind the other, counted samples instead of time: a muted
 * microphone. Media that was only delayed catches up within {@link CATCH_UP_MS}.
 */
const STAND_STILL_MS = 1000;
const STAND_STILL_LAG_MS = 1500;
const CATCH_UP_MS = 700;
const CATCH_UP_RATIO = 0.7;
/** Two tracks with separate clocks break one after the other, which counts as one break. */
const ONE_BREAK_MS = 5000;
/** Largest distance from decoding to presentation; for slow pictures the largest reordering of H.264 counts. */
const MAX_COMPOSITION_MS = 5000;
const MAX_REORDERED_PICTURES = 16;
/** The first B-frame of a track is about half a step or more behind the newest picture; less is a wrong stamp. */
const LEAST_REORDERING_STEPS = 0.4;
/** A late packet is closer to the newest than this. */
const MAX_OFF_MS = 10_000;
/** A sequence number further back begins another count. */
const MAX_LATE_PACKETS = 1000;
/** Larger times lose their fractions when they are converted to ticks. */
const MAX_STATED_MS = 2 ** 42;

/** The times of one publisher's tracks. */
export class CheckedTimes {
	readonly #hasCommonTimeline: boolean;
	readonly #tracks = new Map<TrackKind, TrackTimes>();
	#brokenAtMs = -Infinity;
	#isBreakDue = false;

	/** `hasCommonTimeline`: audio and video times are of one clock, as in RTMP. */
	constructor(options: { hasCommonTimeline: boolean }) {
		this.#hasCommonTimeline = options.hasCommonTimeline;
	}

	/** True once after the publisher's clock has changed: what follows belongs to another run. */
	consumeBreak(): boolean {
		const isDue = this.#isBreakDue;
		this.#isBreakDue = false;
		return isDue;
	}

	/** Returns the unit with usable times. Call it in the order of arrival. */
	check(unit: PublisherUnit): PublisherUnit {
		if (unit.rtpTicks !== undefined) {
			return this.#checkRtpUnit(unit, unit.rtpTicks);
		}
		const checkedMs = this.#judge(unit.kind, unit.decodeTimeMs, unit.arrivedAtMs, undefined);
		const track = this.#tracks.get(unit.kind)!;
		const decodeTimeMs = Math.max(checkedMs, track.lastDecodeMs + TICK_MS);
		track.lastDecodeMs = decodeTimeMs;
		const compositionMs = checkedComposition(track, unit.presentationTimeMs - unit.decodeTimeMs);
		return { ...unit, decodeTimeMs, presentationTimeMs: decodeTimeMs + compositionMs };
	}

	/** The usable RTP timestamp of a packet: the stated one, unless the publisher has changed its clock. */
	checkRtp(packet: PublisherRtpPacket): number {
		const { kind } = packet;
		const statedMs = ticksToMs(packet.rtpTicks, rtpClockRate(kind));
		const track = this.#tracks.get(kind);
		const isNewer = track?.newestSequence === undefined || isNewerSequence(packet.sequenceNumber, track.newestSequence);
		if (track === undefined) {
			this.#judge(kind, statedMs, packet.arrivedAtMs, SMALL_STEP_BACK_MS);
		} else if (isNewer && statedMs !== track.newestStatedMs) {
			this.#judgeRtp(kind, track, packet, statedMs);
		}
		const judged = this.#tracks.get(kind)!;
		if (isNewer) {
			judged.newestSequence = packet.sequenceNumber;
			judged.newestStatedMs = statedMs;
		}
		return packet.rtpTicks + placedShiftTicks(judged, statedMs, rtpClockRate(kind));
	}

	/** The usable RTP timestamp of a layer's picture, which follows the track's; undefined before the track has begun. */
	checkLayer(rtpTicks: number): number | undefined {
		const track = this.#tracks.get('video');
		return track && rtpTicks + placedShiftTicks(track, ticksToMs(rtpTicks, VIDEO_CLOCK_RATE), VIDEO_CLOCK_RATE);
	}

	/** A media time of a sender report. */
	checkReport(kind: TrackKind, statedMs: number): number {
		const track = this.#tracks.get(kind);
		return track === undefined ? statedMs : statedMs + nearestRebaseMs(track, statedMs);
	}

	#checkRtpUnit(unit: PublisherUnit, statedTicks: number): PublisherUnit {
		const clockRate = rtpClockRate(unit.kind);
		const statedMs = ticksToMs(statedTicks, clockRate);
		if (this.#tracks.get(unit.kind)?.newestSequence === undefined) {
			this.#judge(unit.kind, statedMs, unit.arrivedAtMs, SMALL_STEP_BACK_MS);
		}
		const track = this.#tracks.get(unit.kind)!;
		const rtpTicks = statedTicks + placedShiftTicks(track, statedMs, clockRate);
		const presentationTimeMs = ticksToMs(rtpTicks, clockRate);
		// RTP states no decode time. With B-frames the order of sending gives it, as close to the last as possible.
		const decodeTimeMs =
			unit.kind === 'video' ? Math.max(presentationTimeMs, track.lastDecodeMs + TICK_MS) : presentationTimeMs;
		track.lastDecodeMs = Math.max(track.lastDecodeMs, decodeTimeMs);
		return { ...unit, rtpTicks, presentationTimeMs, decodeTimeMs };
	}

	#judgeRtp(kind: TrackKind, track: TrackTimes, packet: PublisherRtpPacket, statedMs: number): void {
		const backMs = track.newestMs - (statedMs + track.rebaseMs);
		const leastMs = (track.cadenceMs ?? 0) * LEAST_REORDERING_STEPS;
		track.isReordered ||= backMs > 0 && backMs >= leastMs && backMs < MAX_COMPOSITION_MS;
		if (kind === 'video' && backMs >= 0 && backMs < leastMs && !track.isReordered) {
			const newestTicks = msToTicks(track.newestMs, VIDEO_CLOCK_RATE) + 1;
			const shiftTicks = newestTicks - packet.rtpTicks;
			track.stepsBack.push({ statedMs, shiftTicks });
			track.stepsBack.splice(0, track.stepsBack.length - REMEMBERED_STEPS);
			this.#accept(track, ticksToMs(newestTicks, VIDEO_CLOCK_RATE), packet.arrivedAtMs, 'smoothed');
		} else {
			this.#judge(kind, statedMs, packet.arrivedAtMs, SMALL_STEP_BACK_MS);
		}
	}

	/** The checked time for a stated one, which becomes the track's newest. */
	#judge(kind: TrackKind, statedMs: number, arrivedAtMs: number, smallStepBackMs: number | undefined): number {
		const track = this.#tracks.get(kind);
		if (track === undefined) {
			return this.#begin(kind, statedMs, arrivedAtMs);
		}
		const other = this.#other(kind);
		const isAlone = other === undefined || arrivedAtMs - other.newestArrivedAtMs > OTHER_FRESH_MS;
		const elapsedMs = Math.max(0, arrivedAtMs - track.newestArrivedAtMs);
		const judgeAt = (checkedMs: number): StepVerdict =>
			judgeStep({
				stepMs: checkedMs - track.newestMs,
				cadenceMs: track.cadenceMs,
				elapsedMs,
				earlyMs: leastDelayMs(track) - (arrivedAtMs - checkedMs),
				otherAheadMs: other !== undefined && this.#hasCommonTimeline ? other.newestMs - checkedMs : undefined,
				smallStepBackMs:
					smallStepBackMs ??
					(isAlone
						? Math.min(SMALL_STEP_BACK_MS, Math.max(LEAST_CLOCK_STEP_MS, track.cadenceMs ?? 0))
						: SMALL_STEP_BACK_MS),
			});
		const statedAtMs = statedMs + track.rebaseMs;
		const verdict = judgeAt(statedAtMs);
		const isStepBack = verdict === 'smoothed' && track.newestMs - statedAtMs > LEAST_CLOCK_STEP_MS;
		if (verdict !== 'broken' && !isStepBack) {
			track.suspicion = verdict === 'smoothed' ? track.suspicion : undefined;
			const lagMs = other !== undefined && !isAlone && this.#hasCommonTimeline ? other.newestMs - statedAtMs : 0;
			if (hasStoodStill(track, lagMs, elapsedMs, arrivedAtMs)) {
				changeClock(track, Math.ceil(arrivedAtMs - leastDelayMs(track) - statedMs));
			}
			const checkedMs = statedMs + track.rebaseMs;
			this.#accept(track, checkedMs, arrivedAtMs, verdict);
			return checkedMs;
		}
		if (!Number.isFinite(statedMs)) {
			return this.#placeByArrival(track, arrivedAtMs, elapsedMs);
		}
		const onOtherClockMs = other === undefined ? NaN : statedMs + other.rebaseMs;
		if (this.#hasCommonTimeline && other?.rebaseMs !== track.rebaseMs && judgeAt(onOtherClockMs) !== 'broken') {
			// The other track has changed its clock, and this one follows.
			changeClock(track, other!.rebaseMs);
			this.#accept(track, onOtherClockMs, arrivedAtMs, 'continues');
			return onOtherClockMs;
		}
		this.#suspect(track, statedMs, elapsedMs, verdict === 'smoothed', judgeAt);
		this.#confirm(track, other, arrivedAtMs);
		if (track.suspicion?.needsOther === true) {
			this.#accept(track, statedAtMs, arrivedAtMs, 'smoothed');
			return statedAtMs;
		}
		const rebaseMs = track.suspicion?.rebaseMs ?? track.rebaseMs;
		this.#accept(track, statedMs + rebaseMs, arrivedAtMs, 'continues');
		return statedMs + rebaseMs;
	}

	#begin(kind: TrackKind, statedMs: number, arrivedAtMs: number): number {
		const other = this.#hasCommonTimeline ? this.#other(kind) : undefined;
		const isUsable = Math.abs(statedMs) <= MAX_STATED_MS;
		let rebaseMs = isUsable ? (other?.rebaseMs ?? 0) : Number.isFinite(statedMs) ? -Math.floor(statedMs) : 0;
		if (other !== undefined) {
			const nowMs = other.newestMs + Math.max(0, arrivedAtMs - other.newestArrivedAtMs);
			if (!(Math.abs(statedMs + rebaseMs - nowMs) <= FIRST_STEP_MS)) {
				rebaseMs = Number.isFinite(statedMs) ? Math.ceil(nowMs - statedMs) : 0;
			}
		}
		const checkedMs = Number.isFinite(statedMs) ? statedMs + rebaseMs : (other?.newestMs ?? 0);
		this.#tracks.set(kind, {
			rebaseMs,
			formerRebaseMs: undefined,
			suspicion: undefined,
			newestMs: checkedMs,
			newestArrivedAtMs: arrivedAtMs,
			lastDecodeMs: -Infinity,
			stepsMs: [],
			cadenceMs: undefined,
			lag: undefined,
			leastDelayMs: arrivedAtMs - checkedMs,
			formerLeastDelayMs: Infinity,
			windowStartedAtMs: arrivedAtMs,
			newestSequence: undefined,
			newestStatedMs: NaN,
			isReordered: false,
			stepsBack: [],
			compositionBaseMs: undefined,
		});
		return checkedMs;
	}

	#accept(track: TrackTimes, checkedMs: number, arrivedAtMs: number, verdict: StepVerdict): void {
		const stepMs = checkedMs - track.newestMs;
		if (verdict === 'continues' && stepMs > 0) {
			track.stepsMs.push(stepMs);
			track.stepsMs.splice(0, track.stepsMs.length - REMEMBERED_STEPS);
			track.cadenceMs = median(track.stepsMs);
		}
		const delayMs = arrivedAtMs - checkedMs;
		if (arrivedAtMs - track.windowStartedAtMs > WINDOW_MS) {
			track.formerLeastDelayMs = track.leastDelayMs;
			track.leastDelayMs = delayMs;
			track.windowStartedAtMs = arrivedAtMs;
		} else {
			track.leastDelayMs = Math.min(track.leastDelayMs, delayMs);
		}
		track.newestMs = Math.max(track.newestMs, checkedMs);
		track.newestArrivedAtMs = arrivedAtMs;
	}

	#placeByArrival(track: TrackTimes, arrivedAtMs: number, elapsedMs: number): number {
		track.newestMs += nextStepMs(track, elapsedMs);
		track.newestArrivedAtMs = arrivedAtMs;
		return track.newestMs;
	}

	#suspect(
		track: TrackTimes,
		statedMs: number,
		elapsedMs: number,
		needsOther: boolean,
		judgeAt: (checkedMs: number) => StepVerdict,
	): void {
		const suspicion = track.suspicion;
		if (suspicion !== undefined && (needsOther || judgeAt(statedMs + suspicion.rebaseMs) !== 'broken')) {
			suspicion.count++;
			suspicion.needsOther &&= needsOther;
			return;
		}
		const rebaseMs = Math.ceil(track.newestMs + nextStepMs(track, elapsedMs) - statedMs);
		track.suspicion = { rebaseMs, count: 1, needsOther };
	}

	/** Accepts another clock when both tracks of one clock agree on it, or one track does for long enough. */
	#confirm(track: TrackTimes, other: TrackTimes | undefined, arrivedAtMs: number): void {
		const suspicion = track.suspicion!;
		const otherSuspicion = this.#hasCommonTimeline ? other?.suspicion : undefined;
		const isShared =
			otherSuspicion !== undefined &&
			Math.abs(suspicion.rebaseMs - track.rebaseMs - (otherSuspicion.rebaseMs - other!.rebaseMs)) <= SAME_JUMP_MS;
		if (!isShared && (suspicion.needsOther || suspicion.count < AGREEING_UNITS)) {
			return;
		}
		const rebaseMs = isShared ? Math.max(suspicion.rebaseMs, otherSuspicion.rebaseMs) : suspicion.rebaseMs;
		changeClock(track, rebaseMs);
		if (isShared) {
			// One relation for one clock: otherwise sound and picture drift apart.
			changeClock(other!, rebaseMs);
		}
		this.#isBreakDue ||= arrivedAtMs - this.#brokenAtMs > ONE_BREAK_MS;
		this.#brokenAtMs = arrivedAtMs;
	}

	#other(kind: TrackKind): TrackTimes | undefined {
		return this.#tracks.get(kind === 'audio' ? 'video' : 'audio');
	}
}

function changeClock(track: TrackTimes, rebaseMs: number): void {
	track.formerRebaseMs = track.rebaseMs;
	track.rebaseMs = rebaseMs;
	track.suspicion = undefined;
}

function leastDelayMs(track: TrackTimes): number {
	return Math.min(track.leastDelayMs, track.formerLeastDelayMs);
}

/** Called for every unit; true once, when the track has stayed behind. */
function hasStoodStill(track: TrackTimes, lagMs: number, elapsedMs: number, arrivedAtMs: number): boolean {
	const { lag } = track;
	if (lagMs < STAND_STILL_LAG_MS) {
		track.lag = undefined;
	} else if (lag === undefined) {
		track.lag = elapsedMs > STAND_STILL_MS ? { sinceMs: arrivedAtMs, lagMs } : undefined;
	} else if (arrivedAtMs - lag.sinceMs >= CATCH_UP_MS) {
		const isCatchingUp = lagMs < lag.lagMs * CATCH_UP_RATIO;
		track.lag = isCatchingUp ? { sinceMs: arrivedAtMs, lagMs } : undefined;
		return !isCatchingUp;
	}
	return false;
}

function nextStepMs(track: TrackTimes, elapsedMs: number): number {
	return Math.max(TICK_MS, elapsedMs, track.cadenceMs ?? 0);
}

/** Of the clocks that the track has or may have, the one on which this time is nearest to the newest. */
function nearestRebaseMs(track: TrackTimes, statedMs: number): number {
	const suspected = track.suspicion?.needsOther === false ? track.suspicion.rebaseMs : undefined;
	let nearest = track.rebaseMs;
	for (const rebaseMs of [track.formerRebaseMs, suspected]) {
		const isNearer =
			rebaseMs !== undefined &&
			Math.abs(statedMs + rebaseMs - track.newestMs) < Math.abs(statedMs + nearest - track.newestMs);
		nearest = isNearer ? rebaseMs : nearest;
	}
	return nearest;
}

/** The same; a time that is on none of them is a single wild one, and is placed at the newest. */
function placedRebaseMs(track: TrackTimes, statedMs: number): number {
	const nearest = nearestRebaseMs(track, statedMs);
	const offMs = statedMs + nearest - track.newestMs;
	return Math.abs(offMs) <= MAX_OFF_MS ? nearest : Math.ceil(track.newestMs - statedMs);
}

function placedShiftTicks(track: TrackTimes, statedMs: number, clockRate: number): number {
	const stepBack = track.stepsBack.find((entry) => entry.statedMs === statedMs);
	return stepBack?.shiftTicks ?? msToTicks(placedRebaseMs(track, statedMs), clockRate);
}

function checkedComposition(track: TrackTimes, statedMs: number): number {
	const mostMs = Math.max(MAX_COMPOSITION_MS, MAX_REORDERED_PICTURES * (track.cadenceMs ?? 0));
	const isUsable = (ms: number): boolean => Math.abs(ms) <= mostMs;
	track.compositionBaseMs ??= isUsable(statedMs) || !Number.isFinite(statedMs) ? 0 : statedMs;
	const offsetMs = statedMs - track.compositionBaseMs;
	return isUsable(offsetMs) ? offsetMs : 0;
}

/** RFC 3550 §A.1: 16 bits that wrap, compared as serial numbers. */
function isNewerSequence(sequence: number, than: number): boolean {
	const ahead = (sequence - than) & 0xffff;
	return ahead > 0 && ahead < 0x10000 - MAX_LATE_PACKETS;
}
