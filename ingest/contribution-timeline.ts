/** Puts one publisher's units on the broadcast's media timeline, with constant offsets, and tells their capture times. */
import type { Clock } from '../core/clock.ts';
import { PublisherClock } from '../core/media/publisher-clock.ts';
import { AAC_FRAME_SAMPLES, msToTicks, OPUS_CLOCK_RATE, ticksToMs, VIDEO_CLOCK_RATE } from '../core/units.ts';
import type { PublisherUnit } from './publisher.ts';

/** The timeline begins here, well above 0, because encoders prime with negative times. */
export const TIMELINE_START_MS = 10_000;
/** A step in a track's times larger than this is a break, not a lost packet. */
const MAX_STEP_MS = 1000;
/** Sample counts and the publisher's milliseconds may differ by this much before we believe the milliseconds. */
const MAX_AUDIO_DRIFT_MS = 60;

/** Where a unit stands. */
export type TimelinePosition = {
	clockRate: number;
	decodeTimeTicks: number;
	presentationTimeTicks: number;
	captureTimeMs: number;
};

/** One publisher's relation to the broadcast's timeline. */
export class ContributionTimeline {
	readonly #clock: Clock;
	readonly #hasCommonTimeline: boolean;
	readonly #broadcastEpochMs: number;
	readonly #notBeforeMs: () => number;
	#publisherClock: PublisherClock;
	/** Timeline − publisher's media time, per track. */
	readonly #offsetsMs = new Map<'audio' | 'video', number>();
	readonly #rtpOffsetTicks = new Map<'audio' | 'video', number>();
	readonly #lastTimeMs = new Map<'audio' | 'video', number>();
	/** The publisher clock's offsets when the tracks were placed on the timeline. */
	readonly #placedOffsetsMs = new Map<'audio' | 'video', number>();
	#nextAudioTicks: number | undefined;

	/**
	 * `broadcastEpochMs`: epoch milliseconds of timeline position TIMELINE_START_MS. `notBeforeMs`: the timeline position
	 * that the broadcast has reached, asked when the first unit is placed.
	 */
	constructor(options: {
		clock: Clock;
		hasCommonTimeline: boolean;
		broadcastEpochMs: number;
		notBeforeMs: () => number;
	}) {
		this.#clock = options.clock;
		this.#hasCommonTimeline = options.hasCommonTimeline;
		this.#broadcastEpochMs = options.broadcastEpochMs;
		this.#notBeforeMs = options.notBeforeMs;
		this.#publisherClock = new PublisherClock(options.clock, options);
	}

	/** True when this unit does not continue its track: the caller begins a new timeline and a new run. */
	isBroken(unit: PublisherUnit): boolean {
		const lastMs = this.#lastTimeMs.get(unit.kind);
		return lastMs !== undefined && (unit.decodeTimeMs < lastMs - 1 || unit.decodeTimeMs > lastMs + MAX_STEP_MS);
	}

	/** A sender report of the publisher. */
	senderReport(kind: 'audio' | 'video', publisherMs: number, mediaMs: number): void {
		this.#publisherClock.senderReport(kind, publisherMs, mediaMs);
	}

	/** Places a unit. `audioSampleRate`: for AAC, whose times are counted in samples. */
	place(unit: PublisherUnit, audioSampleRate: number): TimelinePosition {
		const captureTimeMs = this.#publisherClock.observe(unit.kind, unit.presentationTimeMs, unit.arrivedAtMs);
		this.#lastTimeMs.set(unit.kind, unit.decodeTimeMs);
		const offsetMs = this.#offsetMs(unit.kind, captureTimeMs, unit.presentationTimeMs);
		if (unit.kind === 'video') {
			return {
				clockRate: VIDEO_CLOCK_RATE,
				decodeTimeTicks: this.#videoTicks(unit, unit.decodeTimeMs, offsetMs),
				presentationTimeTicks: this.#videoTicks(unit, unit.presentationTimeMs, offsetMs),
				captureTimeMs,
			};
		}
		const ticks =
			unit.rtpTicks === undefined
				? this.#aacTicks(unit.presentationTimeMs + offsetMs, audioSampleRate)
				: unit.rtpTicks + this.rtpOffsetTicks('audio', unit.rtpTicks, captureTimeMs) + this.#skewTicks();
		return { clockRate: audioSampleRate, decodeTimeTicks: ticks, presentationTimeTicks: ticks, captureTimeMs };
	}

	/**
	 * Capture time of a timeline position as it is known now. Better than what was known when the unit was placed: an encoder
	 * sends first what it gathered while connecting, a quarter of a second late and more.
	 */
	captureTimeMs(kind: 'audio' | 'video', timelineMs: number): number {
		return this.#publisherClock.captureTimeMs(kind, timelineMs - (this.#offsetsMs.get(kind) ?? 0));
	}

	/** Timeline ticks − RTP timestamp for a WHIP track, constant from its first packet on. */
	rtpOffsetTicks(kind: 'audio' | 'video', rtpTicks: number, captureTimeMs: number): number {
		let offset = this.#rtpOffsetTicks.get(kind);
		if (offset === undefined) {
			const clockRate = kind === 'video' ? VIDEO_CLOCK_RATE : OPUS_CLOCK_RATE;
			const offsetMs = this.#offsetMs(kind, captureTimeMs, ticksToMs(rtpTicks, clockRate));
			offset = msToTicks(offsetMs + ticksToMs(rtpTicks, clockRate), clockRate) - rtpTicks;
			this.#rtpOffsetTicks.set(kind, offset);
			this.#placedOffsetsMs.set(kind, this.#publisherClock.offsetMs(kind) ?? 0);
		}
		return offset;
	}

	/** Capture time of an RTP packet, which counts as an arrival. */
	observeRtp(kind: 'audio' | 'video', rtpTicks: number, arrivedAtMs: number): number {
		return this.#publisherClock.observe(
			kind,
			ticksToMs(rtpTicks, kind === 'video' ? VIDEO_CLOCK_RATE : OPUS_CLOCK_RATE),
			arrivedAtMs,
		);
	}

	/** Begins anew after a break. */
	restart(): void {
		this.#publisherClock = new PublisherClock(this.#clock, { hasCommonTimeline: this.#hasCommonTimeline });
		this.#offsetsMs.clear();
		this.#rtpOffsetTicks.clear();
		this.#lastTimeMs.clear();
		this.#placedOffsetsMs.clear();
		this.#nextAudioTicks = undefined;
	}

	#offsetMs(kind: 'audio' | 'video', captureTimeMs: number, mediaMs: number): number {
		const known = this.#offsetsMs.get(kind) ?? (this.#hasCommonTimeline ? [...this.#offsetsMs.values()][0] : undefined);
		if (known !== undefined) {
			this.#offsetsMs.set(kind, known);
			return known;
		}
		const timelineMs = Math.max(captureTimeMs - this.#broadcastEpochMs + TIMELINE_START_MS, this.#notBeforeMs());
		const offsetMs = timelineMs - mediaMs;
		this.#offsetsMs.set(kind, offsetMs);
		return offsetMs;
	}

	#videoTicks(unit: PublisherUnit, timeMs: number, offsetMs: number): number {
		if (unit.rtpTicks === undefined) {
			return msToTicks(timeMs + offsetMs, VIDEO_CLOCK_RATE);
		}
		const reorderTicks = msToTicks(timeMs - unit.presentationTimeMs, VIDEO_CLOCK_RATE);
		return unit.rtpTicks + this.rtpOffsetTicks('video', unit.rtpTicks, 0) + reorderTicks;
	}

	// RTMP writes whole milliseconds, AAC frames have 1024 samples: counting samples gives exact durations.
	#aacTicks(timelineMs: number, sampleRate: number): number {
		const toldTicks = msToTicks(timelineMs, sampleRate);
		let ticks = this.#nextAudioTicks ?? toldTicks;
		if (Math.abs(ticks - toldTicks) > msToTicks(MAX_AUDIO_DRIFT_MS, sampleRate)) {
			ticks = Math.max(toldTicks, ticks - AAC_FRAME_SAMPLES);
		}
		this.#nextAudioTicks = ticks + AAC_FRAME_SAMPLES;
		return ticks;
	}

	// What arrivals and sender reports have taught since the start about the relation of sound to picture: an encoder's first
	// packets are late, and not by the same in both tracks. The WebRTC tier learns it by our own sender reports; the LL-HLS tier
	// needs it in the timestamps, and its encoder stretches the sound accordingly.
	#skewTicks(): number {
		return msToTicks(this.#learntMs('audio') - this.#learntMs('video'), OPUS_CLOCK_RATE);
	}

	#learntMs(kind: 'audio' | 'video'): number {
		const placedMs = this.#placedOffsetsMs.get(kind);
		return placedMs === undefined ? 0 : (this.#publisherClock.offsetMs(kind) ?? placedMs) - placedMs;
	}
}
