/** The smaller simulcast layers of one publisher: which of them can be rungs now, and what is known of each. */
import type { AccessUnit } from '../../core/media/access-unit.ts';
import type { Clock } from '../../core/lifecycle/clock.ts';
import { displaySize, isSameConfig, type VideoTrackConfig } from '../../core/media/codecs.ts';
import { msToTicks, VIDEO_CLOCK_RATE } from '../../core/units.ts';
import { isLayerUsable, SOURCE_TRACKS } from '../media-plan/media-planner.ts';
import type { LayerPicture } from '../media-plan/publisher-rungs.ts';
import { StreamObserver } from '../media-plan/stream-observer.ts';
import type { PublisherUnit } from '../publisher/publisher.ts';
import type { TimelinePosition } from '../timing/contribution-timeline.ts';

/** Before, the rate of a layer is not known. */
const LEAST_PICTURES = 10;
/** A layer that is silent for longer is no rung any more. */
const MAX_SILENCE_MS = 3000;
/** Key frames of a layer and the source that are no further apart are one picture. */
const SAME_PICTURE_TICKS = msToTicks(8, VIDEO_CLOCK_RATE);
/**
 * Key frames of the source in a row that a layer may lack: one may be lost on the way. A new layer counts as aligned,
 * because encoders make their key frames at once, and another run would begin a GOP later.
 */
const MAX_MISSED_KEY_FRAMES = 1;

type Layer = {
	config: VideoTrackConfig;
	observer: StreamObserver;
	lastAtMs: number;
	/** Of the newest two, on the timeline. */
	keyFrameTicks: readonly number[];
	/** Key frames of the source in a row at which it had none. */
	missedCount: number;
};

export class PublisherLayers {
	readonly #deps: { clock: Clock };
	readonly #layers = new Map<number, Layer>();
	/** The source's newest key frame, on the timeline. */
	#sourceTicks: number | undefined;

	constructor(deps: { clock: Clock }) {
		this.#deps = deps;
	}

	/** Sets a layer's configuration. Returns true when it replaces another one, which needs another run. */
	configure(layer: number, config: VideoTrackConfig): boolean {
		const known = this.#layers.get(layer);
		const isOther = known !== undefined && !isSameConfig(known.config, config);
		if (known === undefined || isOther) {
			const observer = new StreamObserver();
			this.#layers.set(layer, {
				config,
				observer,
				lastAtMs: this.#deps.clock.monotonicMs(),
				keyFrameTicks: [],
				missedCount: 0,
			});
		}
		const entry = this.#layers.get(layer)!;
		entry.config = config;
		entry.observer.configure(config);
		return isOther;
	}

	config(layer: number): VideoTrackConfig | undefined {
		return this.#layers.get(layer)?.config;
	}

	/** Takes a picture of a layer, at this position. Its run, and its track as a rung, are set where it goes out. */
	observe(layer: number, unit: PublisherUnit, position: TimelinePosition): AccessUnit {
		const { isKeyFrame, bytes } = unit;
		const entry = this.#layers.get(layer);
		if (entry !== undefined) {
			entry.lastAtMs = this.#deps.clock.monotonicMs();
			entry.observer.observe(unit);
			if (isKeyFrame) {
				entry.keyFrameTicks = [position.presentationTimeTicks, ...entry.keyFrameTicks].slice(0, 2);
				this.#meet(entry);
			}
		}
		const { id: trackId } = SOURCE_TRACKS.video;
		return { trackId, kind: 'video', codec: 'h264', ...position, isKeyFrame, run: 0, bytes };
	}

	/** A key frame of the source, at this position. */
	observeSourceKeyFrame(timelineTicks: number): void {
		const beforeTicks = this.#sourceTicks;
		this.#sourceTicks = timelineTicks;
		for (const entry of this.#layers.values()) {
			if (beforeTicks !== undefined && !hasKeyFrameAt(entry, beforeTicks)) {
				entry.missedCount++;
			}
			this.#meet(entry);
		}
	}

	/** Those that can be rungs now. */
	get pictures(): readonly LayerPicture[] {
		const nowMs = this.#deps.clock.monotonicMs();
		const usable = [...this.#layers].filter(([, { observer, lastAtMs }]) => {
			const isLive = nowMs - lastAtMs <= MAX_SILENCE_MS;
			return isLive && observer.health.videoUnitCount >= LEAST_PICTURES && isLayerUsable(observer.facts);
		});
		return usable.map(([layer, { config, observer, missedCount }]): LayerPicture => {
			const { frameRate, videoBitrateBps: bitrateBps } = observer.health;
			const isAligned = missedCount <= MAX_MISSED_KEY_FRAMES;
			return { layer, ...displaySize(config), frameRate, bitrateBps, isAligned };
		});
	}

	#meet(entry: Layer): void {
		if (this.#sourceTicks !== undefined && hasKeyFrameAt(entry, this.#sourceTicks)) {
			entry.missedCount = 0;
		}
	}
}

function hasKeyFrameAt({ keyFrameTicks }: Layer, ticks: number): boolean {
	return keyFrameTicks.some((own) => Math.abs(own - ticks) <= SAME_PICTURE_TICKS);
}
