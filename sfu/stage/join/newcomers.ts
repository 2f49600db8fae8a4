/**
 * Gives newcomers a picture at once: chooses the join layer on which each one begins, and when its burst is sent.
 *
 * The first cohort's layer follows the live layer until its next key frame, and leads. Later cohorts change to the
 * leading layer as soon as they have their burst, at a switch point. So each of their layers is free again within a
 * tenth of a second, and a few layers serve any crowd.
 */
import type { LiveLayer } from '../layer/live-layer.ts';
import { Cohort, type MoveTo, type Newcomer } from './cohort.ts';
import { BURST_GROUP_PACKETS, type JoinLayer } from './join-layer.ts';

/** How long the first newcomers gather before their burst. */
const FIRST_GATHER_MS = 8;
/**
 * Added for each layer in use: what the burst takes, and at least this. So a crowd costs a burst every 30 to 130 ms,
 * and the layers last until the first of them is free again.
 */
const MIN_GATHER_STEP_MS = 20;
/** With the next key frame this near, waiting for it is quicker than a burst. */
const KEY_FRAME_NEAR_MS = 120;

type NewcomersDependencies = {
	joinLayers: readonly JoinLayer[];
	/** Calls back later, unless the track closes before. */
	after: (delayMs: number, callback: () => void) => void;
};

export class Newcomers {
	readonly #deps: NewcomersDependencies;
	/** Layers that have sent a burst, the oldest first; some are in use no more. */
	readonly #burstLayers = new Set<JoinLayer>();
	#gathering: { cohort: Cohort; live: LiveLayer } | undefined;

	constructor(deps: NewcomersDependencies) {
		this.#deps = deps;
	}

	/** Layers without newcomers. */
	get idleLayers(): JoinLayer[] {
		return this.#deps.joinLayers.filter(({ state }) => state === 'idle');
	}

	/**
	 * Chooses where a newcomer to a live layer begins: on a join layer, where a burst of the live layer's newest GOP
	 * follows, or on the live layer. The caller sets its Consumer to that layer, resumes it, and calls `ready`: it misses
	 * what is sent before. It reports each change of layer with `onLayer`, and moves its Consumer when `moveTo` is
	 * called.
	 */
	join(live: LiveLayer, moveTo: MoveTo): Newcomer {
		return (
			this.#chooseCohort(live)?.add(moveTo) ?? {
				spatialLayer: live.spatialLayer,
				ready: () => undefined,
				onLayer: () => undefined,
				finished: () => undefined,
			}
		);
	}

	#chooseCohort(live: LiveLayer): Cohort | undefined {
		if (live.gop === undefined) {
			return undefined;
		}
		if (this.#gathering?.cohort.isOpen === true && this.#gathering.live === live) {
			return this.#gathering.cohort;
		}
		if ((live.untilKeyFrameMs ?? Infinity) < KEY_FRAME_NEAR_MS) {
			return undefined;
		}
		const { joinLayers, after } = this.#deps;
		const [layer, ...otherIdle] = this.idleLayers;
		if (layer === undefined) {
			return undefined;
		}
		const busyCount = joinLayers.length - 1 - otherIdle.length;
		const burstMs = live.gop.packetCount / BURST_GROUP_PACKETS;
		const cohort = new Cohort(
			{
				layer,
				liveSpatialLayer: live.spatialLayer,
				after,
				sendBurst: (onSent) => this.#burst(layer, live, onSent),
				leadingLayer: () => [...this.#burstLayers].find(({ following }) => following === live),
			},
			FIRST_GATHER_MS + busyCount * Math.max(MIN_GATHER_STEP_MS, burstMs),
		);
		this.#gathering = { cohort, live };
		return cohort;
	}

	#burst(layer: JoinLayer, live: LiveLayer, onSent: () => void): void {
		this.#burstLayers.delete(layer);
		this.#burstLayers.add(layer);
		layer.burst(live, onSent);
	}
}
