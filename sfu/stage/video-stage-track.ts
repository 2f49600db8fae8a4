/** The picture of a stage: live layers of rungs and source, and the join layers on which newcomers begin. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import type { Logger } from '../../core/logger.ts';
import type { MoveTo, Newcomer } from './join/cohort.ts';
import { JoinLayer } from './join/join-layer.ts';
import { Newcomers } from './join/newcomers.ts';
import type { LiveLayer, OwnPicture, PublisherPacket } from './layer/live-layer.ts';
import { randomSequence } from './layer/splice.ts';
import { SILENCE, type StagePacket, type StageStream } from './layer/stage-stream.ts';
import { STAGE_LAYER_NAMES, StageLayers } from './stage-layers.ts';

/**
 * A few suffice where newcomers change to the leading layer at once. They cannot for the first 3 s of a new pipe,
 * because its far end knows capture times after three sender reports: then a crowd needs more. An idle one costs a
 * packet every 2 s. The limit is one RTCP packet of mediasoup's, which has to hold a report of each layer: 17 of them.
 */
const JOIN_LAYER_COUNT = 11;
/** Encodings of the stage's video Producer. */
export const VIDEO_LAYER_COUNT = STAGE_LAYER_NAMES.length + JOIN_LAYER_COUNT;
/** mediasoup treats a stream with dtx as dead after 5 s of silence. */
const KEEP_ALIVE_INTERVAL_MS = 2000;

type VideoStageTrackDependencies = {
	clock: Clock;
	logger: Logger;
	/**
	 * One for each encoding of the Producer, in its order: the live layers, then the join layers. mediasoup serves a
	 * Consumer the highest layer that lives and is not above its preference, so a viewer on a live layer stays there.
	 */
	streams: readonly StageStream[];
};

export class VideoStageTrack {
	readonly #clock: Clock;
	readonly #scope = new CloseScope<'stage-closed'>();
	/** The layers that viewers stay on. */
	readonly layers: StageLayers;
	readonly #joinLayers: readonly JoinLayer[];
	readonly #newcomers: Newcomers;
	/** Added to the timeline's ticks, so that timestamps reveal nothing about the server (RFC 3550 §5.1). */
	readonly #timestampBase = crypto.getRandomValues(new Uint32Array(1))[0]!;
	#isKeptAlive = false;

	/** `liveCount`: how many of the streams are live layers, the last of them the source's. */
	constructor({ clock, logger, streams }: VideoStageTrackDependencies, liveCount: number = STAGE_LAYER_NAMES.length) {
		this.#clock = clock;
		const liveDeps = { clock, logger, streams: streams.slice(0, liveCount) };
		this.layers = new StageLayers(liveDeps, { timestampBase: this.#timestampBase });
		this.#joinLayers = streams.slice(liveCount).map((stream, index) => {
			const options = { spatialLayer: liveCount + index, firstSequence: randomSequence() };
			return new JoinLayer({ clock, stream }, options);
		});
		this.#newcomers = new Newcomers({
			joinLayers: this.#joinLayers,
			after: (delayMs, callback) => void this.#scope.after(clock, delayMs, callback),
		});
	}

	get #live(): LiveLayer {
		return this.layers.source;
	}

	/** SSRC of the source's layer. */
	get liveSsrc(): number {
		return this.#live.ssrc;
	}

	/** Spatial layer of the source's picture. */
	get liveSpatialLayer(): number {
		return this.#live.spatialLayer;
	}

	/** Of the source: pictures and key frames sent, packets and bytes, for statistics. */
	get statistics(): LiveLayer['statistics'] {
		return this.#live.statistics;
	}

	/** mediasoup knows a layer from its first packet on: without it a viewer before the first picture gets stuck. */
	prime(): void {
		for (const layer of [this.#live, ...this.#joinLayers]) {
			layer.prime(this.#silence);
		}
	}

	/**
	 * Makes the layers known at the far end of a new pipe, for the same reason. Join layers in use are skipped, since a
	 * viewer might change to them here: their burst makes them known.
	 */
	primePipe(): void {
		for (const layer of this.#newcomers.idleLayers) {
			layer.prime(this.#silence);
		}
		if (this.#live.newest === undefined) {
			this.#live.prime(this.#silence);
		} else {
			this.#live.requestSwitchPoint();
		}
		for (const rung of this.layers.rungsOnAir) {
			rung.requestSwitchPoint();
		}
	}

	/** Another publisher, or another encoder, feeds the source's layer from now on, from its first key frame. */
	beginRun(): void {
		this.#live.beginRun();
	}

	/** Forwards a publisher's packet. Packets may come out of order within a run. */
	forward(packet: PublisherPacket): void {
		this.#live.forward(packet);
		this.#beginToKeepAlive();
	}

	/** Sends one picture of our own packetising. */
	writePicture(picture: OwnPicture): void {
		this.#live.writePicture(picture);
		this.#beginToKeepAlive();
	}

	/** Chooses where a newcomer to a live layer begins, see {@link Newcomers.join}. */
	join(moveTo: MoveTo, live: LiveLayer = this.#live): Newcomer {
		return this.#newcomers.join(live, moveTo);
	}

	/** Stops timers and bursts. */
	close(): Promise<void> {
		for (const layer of this.#joinLayers) {
			layer.reset();
		}
		void this.layers.close();
		return this.#scope.close('stage-closed');
	}

	/** From the first picture on. */
	#beginToKeepAlive(): void {
		if (!this.#isKeptAlive && this.#live.newest !== undefined) {
			this.#isKeptAlive = true;
			this.#keepAlive();
			this.#scope.every(this.#clock, KEEP_ALIVE_INTERVAL_MS, () => this.#keepAlive());
		}
	}

	/**
	 * A Consumer that prefers a dead layer gets another one: a newcomer misses its burst, and a viewer on the live layer
	 * gets the bursts of newcomers while the publisher is away.
	 */
	#keepAlive(): void {
		const { timestampTicks, captureTimeMs } = this.#silence;
		for (const layer of [this.#live, ...this.#newcomers.idleLayers]) {
			layer.keepAlive({ timestampTicks, captureTimeMs });
		}
		for (const rung of this.layers.rungsOnAir) {
			rung.keepAlive(rung.newest ?? { timestampTicks, captureTimeMs });
		}
	}

	/**
	 * Not part of a picture, with the times of the newest one. It looks like a key frame, because a pipe passes nothing
	 * before one; and its descriptor's structure is needed to read those of the packets that keep a layer alive.
	 */
	get #silence(): StagePacket {
		return {
			...SILENCE,
			timestampTicks: this.#live.newest?.timestampTicks ?? this.#timestampBase,
			captureTimeMs: this.#live.newest?.captureTimeMs ?? this.#clock.nowMs(),
			descriptor: 'switch-point',
		};
	}
}
