/** From a publisher's timestamps to capture time on the server's clock. Publisher clocks are never trusted for more than rate. */
import type { Clock } from '../clock.ts';

/** Which track a timestamp belongs to; audio and video of a publisher may run on clocks of their own. */
export type TrackKind = 'audio' | 'video';

type TrackState = {
	/** Smallest (arrival − media time) of the running and of the last window: the lower envelope. */
	windowMinMs: number;
	lastWindowMinMs: number;
	windowStartedAtMs: number;
	/** Publisher's wall time − media time, from sender reports. */
	reportOffsetMs: number | undefined;
	reportCount: number;
	/** What is in use: server monotonic time − media time. */
	appliedOffsetMs: number | undefined;
	appliedAtMs: number;
};

/** Length of a window of the lower envelope: long enough to catch quiet moments, short enough to follow drift. */
const WINDOW_MS = 5000;
/** Reports needed before their relation of audio to video is used: the first ones of some encoders are off. */
const MIN_REPORT_COUNT = 3;
/**
 * How fast the mapping may move: 5 ms a second follows any clock drift and stays below what an eye or ear notices. In the
 * first seconds, while the envelope and the relation of the tracks are still being found, it moves faster.
 */
const SLEW_EARLY_RATIO = 0.05;
const SLEW_RATIO = 0.005;
const EARLY_MS = 5000;

/**
 * Maps media time to capture time.
 *
 * The anchor is the lower envelope of (arrival − mapped time) on the monotonic clock plus one wall anchor, so that neither
 * network jitter nor a step of the machine's clock moves it. Until three sender reports of each track are in, each track
 * stands on its own arrivals; then their relation comes from the reports. Changes are slewed; only a mapping that would put
 * capture after arrival is mended at once.
 */
export class PublisherClock {
	readonly #clock: Clock;
	readonly #hasCommonTimeline: boolean;
	readonly #wallAnchorMs: number;
	readonly #startedAtMs: number;
	readonly #tracks = new Map<TrackKind, TrackState>();

	/** `hasCommonTimeline`: audio and video timestamps are of one clock already, as in RTMP. */
	constructor(clock: Clock, options: { hasCommonTimeline: boolean }) {
		this.#clock = clock;
		this.#hasCommonTimeline = options.hasCommonTimeline;
		this.#startedAtMs = clock.monotonicMs();
		this.#wallAnchorMs = clock.nowMs() - this.#startedAtMs;
	}

	/** Takes a sender report: the publisher's wall time and the media time of the same instant, both in milliseconds. */
	senderReport(kind: TrackKind, publisherMs: number, mediaMs: number): void {
		const track = this.#tracks.get(kind);
		if (track !== undefined) {
			track.reportOffsetMs = publisherMs - mediaMs;
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
				reportOffsetMs: undefined,
				reportCount: 0,
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
			const limitMs = Math.max(0, nowMs - track.appliedAtMs) * ratio;
			const differenceMs = targetMs - track.appliedOffsetMs;
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

	#targetMs(track: TrackState): number {
		const tracks = [...this.#tracks.values()];
		if (this.#hasCommonTimeline) {
			return Math.min(...tracks.map(envelopeMs));
		}
		if (tracks.length > 1 && tracks.every((entry) => entry.reportCount >= MIN_REPORT_COUNT)) {
			const commonMs = Math.min(...tracks.map((entry) => envelopeMs(entry) - entry.reportOffsetMs!));
			return commonMs + track.reportOffsetMs!;
		}
		return envelopeMs(track);
	}
}

function envelopeMs(track: TrackState): number {
	return Math.min(track.windowMinMs, track.lastWindowMinMs);
}
