/** Places one publisher's units on the broadcast's media timeline with constant offsets, and computes capture times. */
import type { TrackKind } from '../../core/media/access-unit.ts';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { PublisherClock } from '../../core/media/publisher-clock.ts';
import { AAC_FRAME_SAMPLES, msToTicks, OPUS_CLOCK_RATE, ticksToMs, VIDEO_CLOCK_RATE } from '../../core/units.ts';
import { rtpClockRate, type PublisherUnit } from '../publisher/publisher.ts';

/** The timeline begins here, well above 0, because encoders prime with negative times. */
export const TIMELINE_START_MS = 10_000;
/** Sample counts and the publisher's milliseconds may differ by this much before the milliseconds count. */
const MAX_AUDIO_DRIFT_MS = 60;

export type TimelinePosition = {
	clockRate: number;
	decodeTimeTicks: number;
	presentationTimeTicks: number;
	captureTimeMs: number;
};

type ContributionTimelineDependencies = {
	clock: Clock;
	/** Epoch milliseconds of timeline position TIMELINE_START_MS. */
	broadcastEpochMs: number;
	/** The timeline position that the broadcast has reached; read when the first unit of a track is placed. */
	notBeforeMs: () => number;
};

/** One publisher's relation to the broadcast's timeline. Expects checked times. */
export class ContributionTimeline {
	readonly #deps: ContributionTimelineDependencies;
	readonly #hasCommonTimeline: boolean;
	#broadcastEpochMs: number;
	readonly #publisherClock: PublisherClock;
	/** Timeline − publisher's media time, per track. */
	readonly #offsetsMs = new Map<TrackKind, number>();
	readonly #rtpOffsetTicks = new Map<TrackKind, number>();
	/** The publisher clock's offsets when the tracks were placed on the timeline. */
	readonly #placedOffsetsMs = new Map<TrackKind, number>();
	/** Where the next AAC frame is expected, counted in samples of this rate. */
	#nextAudio: { ticks: number; sampleRate: number } | undefined;
	#lastVideoTicks = -Infinity;
	#lastAudioMs = -Infinity;

	constructor(deps: ContributionTimelineDependencies, options: { hasCommonTimeline: boolean }) {
		this.#deps = deps;
		this.#hasCommonTimeline = options.hasCommonTimeline;
		this.#broadcastEpochMs = deps.broadcastEpochMs;
		this.#publisherClock = new PublisherClock({ clock: deps.clock, hasCommonTimeline: options.hasCommonTimeline });
	}

	/** The machine's wall clock was set: positions stay where they are, their capture times move. */
	wallClockStepped(stepMs: number): void {
		this.#broadcastEpochMs += stepMs;
		this.#publisherClock.wallClockStepped(stepMs);
	}

	/** A sender report of the publisher. */
	senderReport(kind: TrackKind, publisherMs: number, mediaMs: number): void {
		this.#publisherClock.senderReport(kind, publisherMs, mediaMs);
	}

	/** `audioSampleRate`: for AAC, whose times are counted in samples. */
	place(unit: PublisherUnit, audioSampleRate: number): TimelinePosition {
		const captureTimeMs = this.#publisherClock.observe(unit.kind, unit.presentationTimeMs, unit.arrivedAtMs);
		const offsetMs = this.#offsetMs(unit.kind, captureTimeMs, unit.presentationTimeMs);
		if (unit.kind === 'video') {
			return { clockRate: VIDEO_CLOCK_RATE, ...this.#videoTicks(unit, offsetMs), captureTimeMs };
		}
		const ticks =
			unit.rtpTicks === undefined
				? this.#aacTicks(unit.presentationTimeMs + offsetMs, audioSampleRate)
				: unit.rtpTicks + this.rtpOffsetTicks('audio', unit.rtpTicks, captureTimeMs) + this.#skewTicks();
		// A correction moves sound by less than its duration, but a step back of the publisher may be longer.
		const notBackTicks = Math.max(ticks, msToTicks(this.#lastAudioMs, audioSampleRate));
		this.#lastAudioMs = ticksToMs(notBackTicks, audioSampleRate);
		return {
			clockRate: audioSampleRate,
			decodeTimeTicks: notBackTicks,
			presentationTimeTicks: notBackTicks,
			captureTimeMs,
		};
	}

	/**
	 * Current estimate of a timeline position's capture time. It is better than the one at the unit's placement. An
	 * encoder first sends what it gathered while connecting, a quarter of a second late and more.
	 */
	captureTimeMs(kind: TrackKind, timelineMs: number): number {
		return this.#publisherClock.captureTimeMs(kind, timelineMs - (this.#offsetsMs.get(kind) ?? 0));
	}

	/** Timeline ticks − RTP timestamp for a WHIP track, constant from its first packet on. */
	rtpOffsetTicks(kind: TrackKind, rtpTicks: number, captureTimeMs: number): number {
		let offset = this.#rtpOffsetTicks.get(kind);
		if (offset === undefined) {
			const clockRate = rtpClockRate(kind);
			const offsetMs = this.#offsetMs(kind, captureTimeMs, ticksToMs(rtpTicks, clockRate));
			offset = msToTicks(offsetMs + ticksToMs(rtpTicks, clockRate), clockRate) - rtpTicks;
			this.#rtpOffsetTicks.set(kind, offset);
			this.#placedOffsetsMs.set(kind, this.#publisherClock.offsetMs(kind) ?? 0);
		}
		return offset;
	}

	/** Places a picture of a simulcast layer by the picture's own relation; undefined before that is known. */
	placeLayer(rtpTicks: number): TimelinePosition | undefined {
		const offsetTicks = this.#rtpOffsetTicks.get('video');
		if (offsetTicks === undefined) {
			return undefined;
		}
		const ticks = rtpTicks + offsetTicks;
		const captureTimeMs = this.captureTimeMs('video', ticksToMs(ticks, VIDEO_CLOCK_RATE));
		return { clockRate: VIDEO_CLOCK_RATE, decodeTimeTicks: ticks, presentationTimeTicks: ticks, captureTimeMs };
	}

	/** Capture time of an RTP packet, which counts as an arrival. */
	observeRtp(kind: TrackKind, rtpTicks: number, arrivedAtMs: number): number {
		return this.#publisherClock.observe(kind, ticksToMs(rtpTicks, rtpClockRate(kind)), arrivedAtMs);
	}

	#offsetMs(kind: TrackKind, captureTimeMs: number, mediaMs: number): number {
		const known = this.#offsetsMs.get(kind) ?? (this.#hasCommonTimeline ? [...this.#offsetsMs.values()][0] : undefined);
		if (known !== undefined) {
			this.#offsetsMs.set(kind, known);
			return known;
		}
		const timelineMs = Math.max(captureTimeMs - this.#broadcastEpochMs + TIMELINE_START_MS, this.#deps.notBeforeMs());
		const offsetMs = timelineMs - mediaMs;
		this.#offsetsMs.set(kind, offsetMs);
		return offsetMs;
	}

	#videoTicks(
		unit: PublisherUnit,
		offsetMs: number,
	): Pick<TimelinePosition, 'decodeTimeTicks' | 'presentationTimeTicks'> {
		const reorderTicks = msToTicks(unit.presentationTimeMs - unit.decodeTimeMs, VIDEO_CLOCK_RATE);
		if (unit.rtpTicks !== undefined) {
			const presentationTimeTicks = unit.rtpTicks + this.rtpOffsetTicks('video', unit.rtpTicks, 0);
			const decodeTimeTicks = Math.max(presentationTimeTicks - reorderTicks, this.#lastVideoTicks + 1);
			this.#lastVideoTicks = decodeTimeTicks;
			return { decodeTimeTicks, presentationTimeTicks };
		}
		const decodeTimeTicks = Math.max(
			msToTicks(unit.decodeTimeMs + offsetMs, VIDEO_CLOCK_RATE),
			this.#lastVideoTicks + 1,
		);
		this.#lastVideoTicks = decodeTimeTicks;
		return { decodeTimeTicks, presentationTimeTicks: decodeTimeTicks + reorderTicks };
	}

	// RTMP writes whole milliseconds and AAC frames have 1024 samples: counting samples gives exact durations.
	#aacTicks(timelineMs: number, sampleRate: number): number {
		const statedTicks = msToTicks(timelineMs, sampleRate);
		let ticks = this.#nextAudio?.sampleRate === sampleRate ? this.#nextAudio.ticks : statedTicks;
		if (Math.abs(ticks - statedTicks) > msToTicks(MAX_AUDIO_DRIFT_MS, sampleRate)) {
			ticks = Math.max(statedTicks, ticks - AAC_FRAME_SAMPLES);
		}
		this.#nextAudio = { ticks: ticks + AAC_FRAME_SAMPLES, sampleRate };
		return ticks;
	}

	// The correction since the start of how sound relates to picture: an encoder's first packets are late, by different
	// times in the two tracks. The WebRTC tier gets it in our sender reports; the LL-HLS tier needs it in the timestamps,
	// and its encoder stretches the sound accordingly.
	#skewTicks(): number {
		return msToTicks(this.#correctionMs('audio') - this.#correctionMs('video'), OPUS_CLOCK_RATE);
	}

	#correctionMs(kind: TrackKind): number {
		const placedMs = this.#placedOffsetsMs.get(kind);
		return placedMs === undefined ? 0 : (this.#publisherClock.offsetMs(kind) ?? placedMs) - placedMs;
	}
}
