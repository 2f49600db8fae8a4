/** Watches a publisher's units and keeps the facts that the leg planner and the streamer's health view need. */
import { browserObstacle } from '../core/media/aac-config.ts';
import { percentile } from '../core/percentiles.ts';
import { bytesToBps } from '../core/units.ts';
import type { TrackConfig, VideoTrackConfig, AudioTrackConfig } from '../core/media/codecs.ts';
import { parseSps } from '../core/media/h264.ts';
import type { StreamFacts } from './leg-planner.ts';
import type { PublisherUnit } from './publisher.ts';

/** Figures of the last seconds. */
export type StreamHealth = {
	videoBitrateBps: number;
	audioBitrateBps: number;
	frameRate: number;
	/** Of the last whole GOP; undefined before its end. */
	gopDurationMs: number | undefined;
	hasBFrames: boolean;
	/** Pictures and audio frames since the publisher came. */
	videoUnitCount: number;
	audioUnitCount: number;
	/** How often in the last minute no picture came for much longer than usual, and for how long at most. */
	gapCount: number;
	longestGapMs: number;
};

const WINDOW_MS = 3000;
/** Viewers see a picture that stands for so long; a screen that is shared and does not change sends as seldom, evenly. */
const MIN_GAP_MS = 500;
const GAP_INTERVALS = 4;
const GAP_WINDOW_MS = 60_000;
const MAX_GAPS = 200;

type Sample = { atMs: number; bytes: number };

/** Facts of one publisher's stream. */
export class StreamObserver {
	#video: VideoTrackConfig | undefined;
	#audio: AudioTrackConfig | undefined;
	#audioFacts: StreamFacts['audio'];
	#hasBFrames = false;
	#keyFrameTimeMs: number | undefined;
	#longestGopMs: number | undefined;
	#lastGopMs: number | undefined;
	#keyFrameCount = 0;
	#newestPresentationMs = -Infinity;
	#videoUnitCount = 0;
	#audioUnitCount = 0;
	readonly #videoSamples: Sample[] = [];
	readonly #audioSamples: Sample[] = [];
	readonly #intervalsMs: number[] = [];
	readonly #gaps: Array<{ endedAtMs: number; durationMs: number }> = [];

	/** Takes a track's configuration. */
	configure(config: TrackConfig): void {
		if (config.kind === 'audio') {
			this.#audio = config;
			const { codec, audioSpecificConfig } = config;
			this.#audioFacts = codec === 'aac' ? { codec, browserObstacle: browserObstacle(audioSpecificConfig) } : { codec };
			return;
		}
		this.#video = config;
		const sps = config.sps[0];
		if (sps !== undefined && (parseSps(sps)?.maxNumReorderFrames ?? 0) > 0) {
			this.#hasBFrames = true;
		}
	}

	/** Takes a unit. */
	observe(unit: PublisherUnit): void {
		if (unit.kind === 'audio') {
			this.#audioUnitCount++;
			pushSample(this.#audioSamples, unit.arrivedAtMs, unit.bytes.length);
			return;
		}
		this.#videoUnitCount++;
		this.#observeGap(unit.arrivedAtMs);
		pushSample(this.#videoSamples, unit.arrivedAtMs, unit.bytes.length);
		// In order of decoding, a picture shown before one that came earlier is a B-frame's doing; so is a composition offset.
		if (unit.presentationTimeMs < this.#newestPresentationMs || unit.presentationTimeMs - unit.decodeTimeMs > 1) {
			this.#hasBFrames = true;
		} else if (Number.isFinite(this.#newestPresentationMs)) {
			this.#intervalsMs.push(unit.presentationTimeMs - this.#newestPresentationMs);
			if (this.#intervalsMs.length > 120) {
				this.#intervalsMs.shift();
			}
		}
		this.#newestPresentationMs = Math.max(this.#newestPresentationMs, unit.presentationTimeMs);
		this.#observeGop(unit);
	}

	/** What the leg planner decides on. */
	get facts(): StreamFacts {
		return {
			video:
				this.#video === undefined
					? undefined
					: { codec: this.#video.codec, hasBFrames: this.#hasBFrames, longestGopMs: this.#longestGopMs },
			audio: this.#audioFacts,
		};
	}

	/** True once a whole GOP was seen, so that its length is known. */
	get isGopKnown(): boolean {
		return this.#keyFrameCount > 1;
	}

	get video(): VideoTrackConfig | undefined {
		return this.#video;
	}

	get audio(): AudioTrackConfig | undefined {
		return this.#audio;
	}

	/** Figures for people. */
	get health(): StreamHealth {
		const intervalMs = percentile(this.#intervalsMs, 50);
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

	/** The timeline was broken: what was measured across the break does not count. */
	restartTimeline(): void {
		this.#keyFrameTimeMs = undefined;
		this.#newestPresentationMs = -Infinity;
		this.#intervalsMs.length = 0;
	}

	#observeGap(arrivedAtMs: number): void {
		const previousMs = this.#videoSamples.at(-1)?.atMs;
		const durationMs = arrivedAtMs - (previousMs ?? arrivedAtMs);
		if (durationMs > MIN_GAP_MS && durationMs > GAP_INTERVALS * percentile(this.#intervalsMs, 50)) {
			this.#gaps.push({ endedAtMs: arrivedAtMs, durationMs });
			this.#gaps.splice(0, this.#gaps.length - MAX_GAPS);
		}
	}

	#observeGop(unit: PublisherUnit): void {
		if (this.#keyFrameTimeMs !== undefined) {
			const runningMs = unit.decodeTimeMs - this.#keyFrameTimeMs;
			this.#longestGopMs = Math.max(this.#longestGopMs ?? 0, runningMs);
			if (unit.isKeyFrame) {
				this.#lastGopMs = runningMs;
			}
		}
		if (unit.isKeyFrame) {
			this.#keyFrameTimeMs = unit.decodeTimeMs;
			this.#keyFrameCount++;
		}
	}
}

function pushSample(samples: Sample[], atMs: number, bytes: number): void {
	samples.push({ atMs, bytes });
	while (samples.length > 0 && atMs - samples[0]!.atMs > WINDOW_MS) {
		samples.shift();
	}
}

function rateBps(samples: readonly Sample[]): number {
	if (samples.length < 2) {
		return 0;
	}
	const bytes = samples.slice(1).reduce((sum, sample) => sum + sample.bytes, 0);
	return bytesToBps(bytes, samples.at(-1)!.atMs - samples[0]!.atMs);
}

function countRate(samples: readonly Sample[]): number {
	const spanMs = samples.length < 2 ? 0 : samples.at(-1)!.atMs - samples[0]!.atMs;
	return spanMs > 0 ? ((samples.length - 1) * 1000) / spanMs : 0;
}
