/** Maps a publisher's timestamps to capture time on the server's clock. Only the rate of its clock is used. */
import type { TrackKind } from './access-unit.ts';
import type { Clock } from '../lifecycle/clock.ts';

type TrackState = {
	/** Of (arrival − media time), over the last one or two windows. */
	envelope: LowerEnvelope;
	recentEnvelope: LowerEnvelope;
	/** Publisher's wall time − media time, from sender reports. */
	reportOffsetMs: number | undefined;
	reportCount: number;
	/** The reports have stepped, and the mapping has not followed yet. */
	isStepDue: boolean;
	/** The offset in use: server monotonic time − media time. */
	appliedOffsetMs: number | undefined;
	appliedAtMs: number;
};

/** Length of a window of the lower envelope: long enough to catch quiet moments, short enough to follow drift. */
const WINDOW_MS = 5000;
/** Length of a window of the newest arrivals. */
const RECENT_MS = 1000;
/**
 * A step of the reports by more than this is no drift. The publisher's sound stopped for a while, and its samples
 * continue without a gap. So all later samples were captured that much later. Smaller steps are slewed.
 */
const STEP_MS = 60;
/** A step is applied at once when the newest arrivals are late by as much, within this jitter. */
const STEP_JITTER_MS = 40;
/** Reports needed before their relation of audio to video is used: the first ones of some encoders are wrong. */
const MIN_REPORT_COUNT = 3;
/**
 * How fast the mapping moves: 5 ms a second follows any clock drift and is too slow for an eye or ear to notice. It is
 * faster in the first seconds, when the envelope and the relation of the tracks are not known yet.
 */
const SLEW_EARLY_RATIO = 0.05;
const SLEW_RATIO = 0.005;
const EARLY_MS = 5000;

/**
 * The anchor is the lower envelope of (arrival − mapped time) on the monotonic clock, plus one wall anchor. So neither
 * network jitter nor a step of the machine's clock moves it. Until three sender reports of each track are in, each
 * track depends on its own arrivals; then the relation of the tracks comes from the reports. Changes are slewed, with
 * two exceptions that apply at once: a capture time after the arrival, and a step of the reports that arrivals confirm.
 */
export class PublisherClock {
	readonly #deps: { clock: Clock; hasCommonTimeline: boolean };
	#wallAnchorMs: number;
	readonly #startedAtMs: number;
	readonly #tracks = new Map<TrackKind, TrackState>();
	/** The same, for each packet. */
	readonly #all: TrackState[] = [];

	/** `hasCommonTimeline`: audio and video timestamps come from one clock, as in RTMP. */
	constructor(deps: { clock: Clock; hasCommonTimeline: boolean }) {
		this.#deps = deps;
		this.#startedAtMs = deps.clock.monotonicMs();
		this.#wallAnchorMs = deps.clock.nowMs() - this.#startedAtMs;
	}

	/** The machine's wall clock was set: only capture times change, at once. */
	wallClockStepped(stepMs: number): void {
		this.#wallAnchorMs += stepMs;
	}

	/** Applies a sender report: the publisher's wall time and the media time of one instant, both in milliseconds. */
	senderReport(kind: TrackKind, publisherMs: number, mediaMs: number): void {
		const track = this.#tracks.get(kind);
		if (track !== undefined) {
			const offsetMs = publisherMs - mediaMs;
			const stepMs = offsetMs - (track.reportOffsetMs ?? offsetMs);
			track.isStepDue ||= stepMs > STEP_MS;
			track.reportOffsetMs = offsetMs;
			track.reportCount++;
		}
	}

	/** Records an arrival and returns the capture time of that media time, epoch milliseconds. */
	observe(kind: TrackKind, mediaMs: number, arrivedAtMs = this.#deps.clock.monotonicMs()): number {
		let track = this.#tracks.get(kind);
		if (track === undefined) {
			track = {
				envelope: new LowerEnvelope(WINDOW_MS),
				recentEnvelope: new LowerEnvelope(RECENT_MS),
				reportOffsetMs: undefined,
				reportCount: 0,
				isStepDue: false,
				appliedOffsetMs: undefined,
				appliedAtMs: arrivedAtMs,
			};
			this.#tracks.set(kind, track);
			this.#all.push(track);
		}
		track.envelope.add(arrivedAtMs - mediaMs, arrivedAtMs);
		track.recentEnvelope.add(arrivedAtMs - mediaMs, arrivedAtMs);
		this.#slew(track, arrivedAtMs);
		return this.captureTimeMs(kind, mediaMs);
	}

	/** Capture time of a media time without recording an arrival; the track must have been observed. */
	captureTimeMs(kind: TrackKind, mediaMs: number): number {
		return mediaMs + (this.#tracks.get(kind)?.appliedOffsetMs ?? 0) + this.#wallAnchorMs;
	}

	/** Server's monotonic time − media time, as in use now; undefined for a track not yet observed. */
	offsetMs(kind: TrackKind): number | undefined {
		return this.#tracks.get(kind)?.appliedOffsetMs;
	}

	#slew(track: TrackState, nowMs: number): void {
		const targetMs = this.#targetMs(track);
		if (track.appliedOffsetMs === undefined) {
			// A second track joins the common timeline with the offset of the first one, slewed or not.
			const other = this.#deps.hasCommonTimeline
				? this.#all.find((entry) => entry.appliedOffsetMs !== undefined)
				: undefined;
			track.appliedOffsetMs = other?.appliedOffsetMs ?? targetMs;
		} else {
			const ratio = nowMs - this.#startedAtMs < EARLY_MS ? SLEW_EARLY_RATIO : SLEW_RATIO;
			const differenceMs = targetMs - track.appliedOffsetMs;
			track.isStepDue &&= this.#usesReports() && differenceMs > STEP_MS;
			const isStep = track.isStepDue && track.recentEnvelope.minMs >= targetMs - STEP_JITTER_MS;
			if (isStep) {
				// Otherwise arrivals from before the step would keep the offset low for another ten seconds.
				track.envelope.reset(track.recentEnvelope.minMs);
				track.isStepDue = false;
			}
			const limitMs = isStep ? differenceMs : Math.max(0, nowMs - track.appliedAtMs) * ratio;
			// A capture time is never after the arrival. Encoders flush what they gathered while connecting, so the first
			// packets are late. An offset that keeps to them makes the latency of all later packets negative.
			track.appliedOffsetMs = Math.min(
				track.envelope.minMs,
				track.appliedOffsetMs + Math.max(-limitMs, Math.min(limitMs, differenceMs)),
			);
			if (this.#deps.hasCommonTimeline) {
				for (const other of this.#all) {
					other.appliedOffsetMs = track.appliedOffsetMs;
					other.appliedAtMs = nowMs;
				}
			}
		}
		track.appliedAtMs = nowMs;
	}

	#usesReports(): boolean {
		return (
			!this.#deps.hasCommonTimeline &&
			this.#all.length > 1 &&
			this.#all.every((entry) => entry.reportCount >= MIN_REPORT_COUNT)
		);
	}

	#targetMs(track: TrackState): number {
		let commonMs = Infinity;
		if (this.#deps.hasCommonTimeline) {
			for (const { envelope } of this.#all) {
				commonMs = Math.min(commonMs, envelope.minMs);
			}
			return commonMs;
		}
		if (!this.#usesReports()) {
			return track.envelope.minMs;
		}
		// A track whose step is not confirmed yet does not affect the others.
		const isAnySettled = this.#all.some((entry) => !entry.isStepDue);
		for (const { envelope, isStepDue, reportOffsetMs } of this.#all) {
			if (!isStepDue || !isAnySettled) {
				commonMs = Math.min(commonMs, envelope.minMs - reportOffsetMs!);
			}
		}
		return commonMs + track.reportOffsetMs!;
	}
}

/** The smallest value of the current and of the last window. */
class LowerEnvelope {
	readonly #windowMs: number;
	#windowMinMs = Infinity;
	#lastWindowMinMs = Infinity;
	#windowStartedAtMs = -Infinity;

	constructor(windowMs: number) {
		this.#windowMs = windowMs;
	}

	get minMs(): number {
		return Math.min(this.#windowMinMs, this.#lastWindowMinMs);
	}

	add(valueMs: number, atMs: number): void {
		if (atMs - this.#windowStartedAtMs > this.#windowMs) {
			this.#lastWindowMinMs = this.#windowMinMs;
			this.#windowMinMs = valueMs;
			this.#windowStartedAtMs = atMs;
		} else {
			this.#windowMinMs = Math.min(this.#windowMinMs, valueMs);
		}
	}

	/** Replaces all values by this one, within the current window. */
	reset(valueMs: number): void {
		this.#windowMinMs = valueMs;
		this.#lastWindowMinMs = Infinity;
	}
}
