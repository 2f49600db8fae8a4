/**
 * From a publisher's timestamps to capture time on the server's clock. Publisher clocks are never trusted for more than
 * rate.
 */
import type { TrackKind } from './access-unit.ts';
import type { Clock } from '../lifecycle/clock.ts';

type TrackState = {
	/** Smallest (arrival − media time) of the running and of the last window: the lower envelope. */
	windowMinMs: number;
	lastWindowMinMs: number;
	windowStartedAtMs: number;
	/** The same over the last second or two. */
	recentMinMs: number;
	lastRecentMinMs: number;
	recentStartedAtMs: number;
	/** Publisher's wall time − media time, from sender reports. */
	reportOffsetMs: number | undefined;
	reportCount: number;
	/** The reports have stepped, and the mapping has not followed yet. */
	isStepDue: boolean;
	/** What is in use: server monotonic time − media time. */
	appliedOffsetMs: number | undefined;
	appliedAtMs: number;
};

/** Length of a window of the lower envelope: long enough to catch quiet moments, short enough to follow drift. */
const WINDOW_MS = 5000;
/** Length of a window of the newest arrivals. */
const RECENT_MS = 1000;
/**
 * A step of the reports by more than this is no drift: the publisher's sound stood still, its samples go on without a
 * hole, and are all that much younger from then on. Less is slewed, and not noticed meanwhile.
 */
const STEP_MS = 60;
/** Such a step is believed at once when the newest arrivals are late by as much, give or take their jitter. */
const STEP_JITTER_MS = 40;
/** Reports needed before their relation of audio to video is used: the first ones of some encoders are off. */
const MIN_REPORT_COUNT = 3;
/**
 * How fast the mapping may move: 5 ms a second follows any clock drift and stays below what an eye or ear notices. In
 * the first seconds, while the envelope and the relation of the tracks are still being found, it moves faster.
 */
const SLEW_EARLY_RATIO = 0.05;
const SLEW_RATIO = 0.005;
const EARLY_MS = 5000;

/**
 * Maps media time to capture time.
 *
 * The anchor is the lower envelope of (arrival − mapped time) on the monotonic clock plus one wall anchor, so that
 * neither network jitter nor a step of the machine's clock moves it. Until three sender reports of each track are in,
 * each track stands on its own arrivals; then their relation comes from the reports. Changes are slewed; only a mapping
 * that would put capture after arrival is mended at once, and a step of the reports that arrivals confirm is taken at
 * once.
 */
export class PublisherClock {
	readonly #clock: Clock;
	readonly #hasCommonTimeline: boolean;
	#wallAnchorMs: number;
	readonly #startedAtMs: number;
	readonly #tracks = new Map<TrackKind, TrackState>();

	/** `hasCommonTimeline`: audio and video timestamps are of one clock already, as in RTMP. */
	constructor(clock: Clock, options: { hasCommonTimeline: boolean }) {
		this.#clock = clock;
		this.#hasCommonTimeline = options.hasCommonTimeline;
		this.#startedAtMs = clock.monotonicMs();
		this.#wallAnchorMs = clock.nowMs() - this.#startedAtMs;
	}

	/** The machine's wall clock was set: capture times follow it at once, and nothing else changes. */
	wallClockStepped(stepMs: number): void {
		this.#wallAnchorMs += stepMs;
	}

	/** Takes a sender report: the publisher's wall time and the media time of the same instant, both in milliseconds. */
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

	/** Takes an arrival and returns the capture time of that media time, epoch milliseconds. */
	observe(kind: TrackKind, mediaMs: number, arrivedAtMs = this.#clock.monotonicMs()): number {
		const delayMs = arrivedAtMs - mediaMs;
		let track = this.#tracks.get(kind);
		if (track === undefined) {
			track = {
				windowMinMs: delayMs,
				lastWindowMinMs: Infinity,
				windowStartedAtMs: arrivedAtMs,
				recentMinMs: delayMs,
				lastRecentMinMs: Infinity,
				recentStartedAtMs: arrivedAtMs,
				reportOffsetMs: undefined,
				reportCount: 0,
				isStepDue: false,
				appliedOffsetMs: undefined,
				appliedAtMs: arrivedAtMs,
			};
			this.#tracks.set(kind, track);
		}
		if (arrivedAtMs - track.windowStartedAtMs > WINDOW_MS) {
			track.lastWindowMinMs = track.windowMinMs;
			track.windowMinMs = delayMs;
			track.windowStartedAtMs = arrivedAtMs;
		} else if (delayMs < track.windowMinMs) {
			track.windowMinMs = delayMs;
		}
		if (arrivedAtMs - track.recentStartedAtMs > RECENT_MS) {
			track.lastRecentMinMs = track.recentMinMs;
			track.recentMinMs = delayMs;
			track.recentStartedAtMs = arrivedAtMs;
		} else {
			track.recentMinMs = Math.min(track.recentMinMs, delayMs);
		}
		this.#slew(track, arrivedAtMs);
		return this.captureTimeMs(kind, mediaMs);
	}

	/** Capture time of a media time without counting an arrival; the track must have been observed. */
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
			// A second track joins the timeline where the first one stands, slewed or not.
			const other = this.#hasCommonTimeline
				? [...this.#tracks.values()].find((entry) => entry.appliedOffsetMs !== undefined)
				: undefined;
			track.appliedOffsetMs = other?.appliedOffsetMs ?? targetMs;
		} else {
			const ratio = nowMs - this.#startedAtMs < EARLY_MS ? SLEW_EARLY_RATIO : SLEW_RATIO;
			const differenceMs = targetMs - track.appliedOffsetMs;
			track.isStepDue &&= this.#usesReports() && differenceMs > STEP_MS;
			const isStep = track.isStepDue && recentEnvelopeMs(track) >= targetMs - STEP_JITTER_MS;
			if (isStep) {
				// Arrivals from before the step would say for another ten seconds that all is captured earlier.
				track.windowMinMs = recentEnvelopeMs(track);
				track.lastWindowMinMs = Infinity;
				track.isStepDue = false;
			}
			const limitMs = isStep ? differenceMs : Math.max(0, nowMs - track.appliedAtMs) * ratio;
			// Nothing is captured after it has arrived. Encoders flush what they gathered while connecting, so the first
			// packets are late; holding on to them would make the latency of all that follow negative.
			const latestMs = envelopeMs(track);
			track.appliedOffsetMs = Math.min(
				latestMs,
				track.appliedOffsetMs + Math.max(-limitMs, Math.min(limitMs, differenceMs)),
			);
			if (this.#hasCommonTimeline) {
				for (const other of this.#tracks.values()) {
					other.appliedOffsetMs = track.appliedOffsetMs;
					other.appliedAtMs = nowMs;
				}
			}
		}
		track.appliedAtMs = nowMs;
	}

	#usesReports(): boolean {
		const tracks = [...this.#tracks.values()];
		return (
			!this.#hasCommonTimeline && tracks.length > 1 && tracks.every((entry) => entry.reportCount >= MIN_REPORT_COUNT)
		);
	}

	#targetMs(track: TrackState): number {
		const tracks = [...this.#tracks.values()];
		if (this.#hasCommonTimeline) {
			return Math.min(...tracks.map(envelopeMs));
		}
		if (this.#usesReports()) {
			// A track whose step is not confirmed yet says nothing about the others.
			const settled = tracks.filter((entry) => !entry.isStepDue);
			const known = settled.length > 0 ? settled : tracks;
			const commonMs = Math.min(...known.map((entry) => envelopeMs(entry) - entry.reportOffsetMs!));
			return commonMs + track.reportOffsetMs!;
		}
		return envelopeMs(track);
	}
}

function envelopeMs(track: TrackState): number {
	return Math.min(track.windowMinMs, track.lastWindowMinMs);
}

function recentEnvelopeMs(track: TrackState): number {
	return Math.min(track.recentMinMs, track.lastRecentMinMs);
}
