/** Collects the facts of a publisher's units for the leg planner and for the streamer's health view. */
import { browserObstacle } from '../../core/media/aac-config.ts';
import { percentile } from '../../core/percentiles.ts';
import { bytesToBps } from '../../core/units.ts';
import { spsFacts, type AudioTrackConfig, type TrackConfig, type VideoTrackConfig } from '../../core/media/codecs.ts';
import type { SpsFacts } from '../../core/media/h264-parameter-sets.ts';
import type { StreamFacts } from './media-planner.ts';
import type { PublisherUnit } from '../publisher/publisher.ts';

/** Figures of the last seconds. */
export type StreamHealth = {
	videoBitrateBps: number;
	audioBitrateBps: number;
	frameRate: number;
	/** Of the last whole GOP; undefined before its end. */
	gopDurationMs: number | undefined;
	hasBFrames: boolean;
	/** Pictures and audio frames since the publisher's start. */
	videoUnitCount: number;
	audioUnitCount: number;
	/** Silences of the picture in the last minute that were much longer than usual, and the longest one. */
	gapCount: number;
	longestGapMs: number;
};

const WINDOW_MS = 3000;
/** Over a shorter span, a bunch of delayed pictures looks like a high rate. */
const MIN_RATE_SPAN_MS = 1000;
/** Viewers notice a picture that stands this long. A shared screen without changes sends as rarely, but evenly. */
const MIN_GAP_MS = 500;
const GAP_INTERVALS = 4;
const GAP_WINDOW_MS = 60_000;
const MAX_GAPS = 200;
/** The usual interval follows a change of the frame rate within half of them. */
const MAX_INTERVALS = 120;
/**
 * One step counts for no more of its GOP: two slow pictures make no long GOP, because re-encoding adds no key frame
 * between them.
 */
const MAX_GOP_STEP_MS = 1250;

type Sample = { atMs: number; bytes: number };

export class StreamObserver {
	#video: VideoTrackConfig | undefined;
	#sps: SpsFacts | undefined;
	#hasRecoveryPoints = false;
	#audio: AudioTrackConfig | undefined;
	#audioFacts: StreamFacts['audio'];
	#hasBFrames = false;
	#keyFrameTimeMs: number | undefined;
	/** Arrival of the newest key frame. */
	#gopBeganAtMs: number | undefined;
	#gopMs = 0;
	#lastDecodeMs: number | undefined;
	#longestGopMs: number | undefined;
	#lastGopMs: number | undefined;
	#keyFrameCount = 0;
	#newestPresentationMs = -Infinity;
	#videoUnitCount = 0;
	#audioUnitCount = 0;
	readonly #videoSamples: Sample[] = [];
	readonly #audioSamples: Sample[] = [];
	readonly #intervalsMs: number[] = [];
	/** Worked out when it is asked for; each picture changes it. */
	#usualIntervalMs: number | undefined;
	readonly #gaps: Array<{ endedAtMs: number; durationMs: number }> = [];

	configure(config: TrackConfig): void {
		if (config.kind === 'audio') {
			this.#audio = config;
			const { codec, audioSpecificConfig } = config;
			this.#audioFacts = codec === 'aac' ? { codec, browserObstacle: browserObstacle(audioSpecificConfig) } : { codec };
			return;
		}
		this.#video = config;
		this.#sps = spsFacts(config);
		if ((this.#sps?.maxNumReorderFrames ?? 0) > 0) {
			this.#hasBFrames = true;
		}
	}

	observe(unit: PublisherUnit): void {
		if (unit.kind === 'audio') {
			this.#audioUnitCount++;
			pushSample(this.#audioSamples, unit.arrivedAtMs, unit.bytes.length);
			return;
		}
		this.#videoUnitCount++;
		const usualMs = this.usualIntervalMs;
		this.#observeGap(unit.arrivedAtMs);
		pushSample(this.#videoSamples, unit.arrivedAtMs, unit.bytes.length);
		// In decode order, a picture that is shown before an earlier one proves B-frames; so does a composition offset.
		if (unit.presentationTimeMs < this.#newestPresentationMs || unit.presentationTimeMs - unit.decodeTimeMs > 1) {
			this.#hasBFrames = true;
		} else if (Number.isFinite(this.#newestPresentationMs)) {
			this.#intervalsMs.push(unit.presentationTimeMs - this.#newestPresentationMs);
			this.#intervalsMs.splice(0, this.#intervalsMs.length - MAX_INTERVALS);
			this.#usualIntervalMs = undefined;
		}
		this.#newestPresentationMs = Math.max(this.#newestPresentationMs, unit.presentationTimeMs);
		this.#gopBeganAtMs = unit.isKeyFrame ? unit.arrivedAtMs : this.#gopBeganAtMs;
		this.#observeGop(unit, usualMs);
	}

	get facts(): StreamFacts {
		return {
			video:
				this.#video === undefined
					? undefined
					: {
							codec: this.#video.codec,
							hasBFrames: this.#hasBFrames,
							longestGopMs: this.#longestGopMs,
							...(this.#hasRecoveryPoints ? { hasRecoveryPoints: true } : {}),
							...(this.#sps === undefined ? {} : { sps: this.#sps }),
						},
			audio: this.#audioFacts,
		};
	}

	/** True from the first key frame on: before it no picture can be shown. */
	get hasPicture(): boolean {
		return this.#gopBeganAtMs !== undefined;
	}

	/** True after the first whole GOP. */
	get isGopKnown(): boolean {
		return this.#keyFrameCount > 1;
	}

	/** When the newest key frame arrived; undefined before the first. */
	get gopBeganAtMs(): number | undefined {
		return this.#gopBeganAtMs;
	}

	/**
	 * The usual time from picture to picture, in milliseconds; undefined before the second. The mean of the intervals
	 * near their median: the median alone is 33 ms for RTMP's 33, 33, 34, and a plain mean follows every pause.
	 */
	get usualIntervalMs(): number | undefined {
		if (this.#usualIntervalMs === undefined && this.#intervalsMs.length > 0) {
			const medianMs = percentile(this.#intervalsMs, 50);
			const usual = this.#intervalsMs.filter((interval) => interval >= medianMs / 2 && interval <= medianMs * 1.5);
			this.#usualIntervalMs = usual.reduce((sum, interval) => sum + interval, 0) / usual.length;
		}
		return this.#usualIntervalMs;
	}

	/** Arriving pictures a second, which cost encoder time independent of stated times. 0 while unknown. */
	get arrivalFrameRate(): number {
		const spanMs = (this.#videoSamples.at(-1)?.atMs ?? 0) - (this.#videoSamples[0]?.atMs ?? 0);
		return spanMs < MIN_RATE_SPAN_MS ? 0 : countRate(this.#videoSamples);
	}

	get video(): VideoTrackConfig | undefined {
		return this.#video;
	}

	get audio(): AudioTrackConfig | undefined {
		return this.#audio;
	}

	get health(): StreamHealth {
		const intervalMs = this.usualIntervalMs ?? 0;
		const newestMs = Math.max(this.#videoSamples.at(-1)?.atMs ?? 0, this.#audioSamples.at(-1)?.atMs ?? 0);
		const gaps = this.#gaps.filter(({ endedAtMs }) => newestMs - endedAtMs <= GAP_WINDOW_MS);
		return {
			videoBitrateBps: rateBps(this.#videoSamples),
			audioBitrateBps: rateBps(this.#audioSamples),
			frameRate: this.#hasBFrames ? countRate(this.#videoSamples) : intervalMs > 0 ? 1000 / intervalMs : 0,
			gopDurationMs: this.#lastGopMs,
			hasBFrames: this.#hasBFrames,
			videoUnitCount: this.#videoUnitCount,
			audioUnitCount: this.#audioUnitCount,
			gapCount: gaps.length,
			longestGapMs: Math.max(0, ...gaps.map(({ durationMs }) => durationMs)),
		};
	}

	#observeGap(arrivedAtMs: number): void {
		const previousMs = this.#videoSamples.at(-1)?.atMs;
		const durationMs = arrivedAtMs - (previousMs ?? arrivedAtMs);
		if (isGap(durationMs, this.usualIntervalMs ?? NaN)) {
			this.#gaps.push({ endedAtMs: arrivedAtMs, durationMs });
			this.#gaps.splice(0, this.#gaps.length - MAX_GAPS);
		}
	}

	// A pause of the picture does not count as a longer GOP: the next one has the usual length.
	#observeGop(unit: PublisherUnit, usualMs: number | undefined): void {
		this.#hasRecoveryPoints ||= unit.isRecoveryPoint === true;
		const isKeyFrame = unit.isKeyFrame && unit.isRecoveryPoint !== true;
		if (this.#keyFrameTimeMs !== undefined && this.#lastDecodeMs !== undefined) {
			const stepMs = unit.decodeTimeMs - this.#lastDecodeMs;
			this.#gopMs += usualMs !== undefined && isGap(stepMs, usualMs) ? usualMs : Math.min(stepMs, MAX_GOP_STEP_MS);
			this.#longestGopMs = Math.max(this.#longestGopMs ?? 0, this.#gopMs);
			if (isKeyFrame) {
				this.#lastGopMs = unit.decodeTimeMs - this.#keyFrameTimeMs;
			}
		}
		this.#lastDecodeMs = unit.decodeTimeMs;
		if (isKeyFrame) {
			this.#keyFrameTimeMs = unit.decodeTimeMs;
			this.#gopMs = 0;
			this.#keyFrameCount++;
		}
	}
}

function isGap(durationMs: number, usualMs: number): boolean {
	return durationMs > MIN_GAP_MS && durationMs > GAP_INTERVALS * usualMs;
}

// One sample before the window stays: a bunch after a pause counts for the time since that sample.
function pushSample(samples: Sample[], atMs: number, bytes: number): void {
	samples.push({ atMs, bytes });
	while (samples.length > 1 && atMs - samples[1]!.atMs >= WINDOW_MS) {
		samples.shift();
	}
}

function rateBps(samples: readonly Sample[]): number {
	if (samples.length < 2) {
		return 0;
	}
	const bytes = samples.slice(1).reduce((sum, sample) => sum + sample.bytes, 0);
	return bytesToBps(bytes, Math.max(MIN_RATE_SPAN_MS, samples.at(-1)!.atMs - samples[0]!.atMs));
}

function countRate(samples: readonly Sample[]): number {
	const spanMs = samples.length < 2 ? 0 : samples.at(-1)!.atMs - samples[0]!.atMs;
	return spanMs > 0 ? ((samples.length - 1) * 1000) / spanMs : 0;
}
