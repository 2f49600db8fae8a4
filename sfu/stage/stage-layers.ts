/**
 * The layers of the stage's picture that viewers stay on: the rungs of the ladder, lowest first, and the source. Rungs
 * come and go during a broadcast, since the encoder makes as many as it can.
 */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { CloseScope } from '../../core/lifecycle/close-scope.ts';
import type { Logger } from '../../core/logger.ts';
import { TypedEmitter } from '../../core/lifecycle/typed-emitter.ts';
import { SHOWN_RUNGS, type RungName, type ShownRung } from '../../core/protocol/ladder-choice.ts';
import { ticksToMs, VIDEO_CLOCK_RATE } from '../../core/units.ts';
import { LiveLayer, type OwnPicture } from './layer/live-layer.ts';
import type { StageStream } from './layer/stage-stream.ts';

/** In the order of their spatial layers: rungs from the lowest up, then the source. */
export const STAGE_LAYER_NAMES: readonly ShownRung[] = SHOWN_RUNGS.toReversed();

/** A rung without a picture for this long is off the air, while the source sends: its encoder is gone or hangs. */
const SILENT_RUNG_MS = 700;
const CHECK_INTERVAL_MS = 250;
/** A rung that is further behind the source is off the air, because its encoder has too much to do. */
const MAX_RUNG_LAG_MS = 500;
/** It comes back once it is behind by less than this. */
const SMALL_RUNG_LAG_MS = 250;
/** And not sooner than this: an encoder that has too much to do comes and goes. Doubled each time it falls behind … */
const MIN_OFF_AIR_MS = 2000;
const MAX_OFF_AIR_MS = 32_000;
/** … before it has kept up for this long. */
const KEPT_UP_MS = 20_000;

/** What viewers learn of a layer's picture. */
type LayerPicture = {
	widthPixels: number;
	heightPixels: number;
	frameRate: number;
	maxBitrateBps: number | undefined;
	/** A rung: a layer of the publisher's simulcast. */
	isFromPublisher?: boolean;
};

/** A layer with a picture now. */
export type OnAirLayer = {
	name: ShownRung;
	spatialLayer: number;
	/** What it takes of a line: the busiest of the last seconds, or the ceiling that the encoder was given. */
	rateBps: number;
	/** What it takes over the last seconds; undefined before it is known. */
	meanBps: number | undefined;
	/** The size is 0 while unknown. */
	widthPixels: number;
	heightPixels: number;
	frameRate: number;
};

type StageLayersEvents = {
	/** A rung has come or gone, or its size has changed. */
	changed: [];
};

type Entry = {
	layer: LiveLayer;
	picture: LayerPicture | undefined;
	writtenAtMs: number;
	isOnAir: boolean;
	beganAtMs: number;
	endedAtMs: number;
	/** Off the air for at least this long. */
	pauseMs: number;
};

/** Assumed of a source that has not been measured yet. */
const ASSUMED_SOURCE_BPS = 4_000_000;

export class StageLayers extends TypedEmitter<StageLayersEvents> {
	readonly source: LiveLayer;
	readonly #clock: Clock;
	readonly #scope = new CloseScope<'stage-closed'>();
	readonly #rungs: ReadonlyMap<RungName, Entry>;
	#sourcePicture: LayerPicture | undefined;

	/** `streams`: of the rungs, lowest first, which may be fewer than there are names; then of the source. */
	constructor(
		{ clock, logger, streams }: { clock: Clock; logger: Logger; streams: readonly StageStream[] },
		{ timestampBase }: { timestampBase: number },
	) {
		super(logger);
		this.#clock = clock;
		const layers = streams.map((stream, spatialLayer) => {
			return new LiveLayer({ clock, stream }, { spatialLayer, timestampBase });
		});
		this.source = layers.pop()!;
		const names = STAGE_LAYER_NAMES.filter((name) => name !== 'source');
		const entry = (layer: LiveLayer): Entry => ({
			layer,
			picture: undefined,
			writtenAtMs: -Infinity,
			isOnAir: false,
			beganAtMs: -Infinity,
			endedAtMs: -Infinity,
			pauseMs: MIN_OFF_AIR_MS,
		});
		this.#rungs = new Map(layers.map((layer, index) => [names[index]!, entry(layer)]));
		if (layers.length > 0) {
			this.#scope.every(clock, CHECK_INTERVAL_MS, () => this.#watchForSilence());
		}
	}

	/** Rungs from the lowest up, then the source. */
	get onAir(): readonly OnAirLayer[] {
		const rungs = [...this.#rungs].filter(([, { isOnAir }]) => isOnAir);
		return [
			...rungs.map(([name, { layer, picture }]) => describe(name, layer, picture)),
			describe('source', this.source, this.#sourcePicture),
		];
	}

	/** Live layers of the rungs that are on air, lowest first. */
	get rungsOnAir(): readonly LiveLayer[] {
		return [...this.#rungs.values()].filter(({ isOnAir }) => isOnAir).map(({ layer }) => layer);
	}

	/** The live layer with this spatial layer. */
	find(spatialLayer: number): LiveLayer | undefined {
		return [...this.#rungs.values()].map(({ layer }) => layer).find((layer) => layer.spatialLayer === spatialLayer);
	}

	/** Sends a picture of a rung. */
	writeRung(name: RungName, picture: OwnPicture): void {
		const entry = this.#rungs.get(name);
		if (entry === undefined) {
			return;
		}
		entry.writtenAtMs = this.#clock.monotonicMs();
		entry.layer.writePicture(picture);
		const isSteady = entry.writtenAtMs - entry.endedAtMs >= entry.pauseMs && this.#lagMs(entry) < SMALL_RUNG_LAG_MS;
		if (!entry.isOnAir && picture.isKeyFrame && isSteady) {
			entry.isOnAir = true;
			entry.beganAtMs = entry.writtenAtMs;
			this.emit('changed');
		}
	}

	/** What a layer shows from now on. */
	describe(name: ShownRung, picture: LayerPicture): void {
		const entry = name === 'source' ? undefined : this.#rungs.get(name);
		const known = name === 'source' ? this.#sourcePicture : entry?.picture;
		if (JSON.stringify(known) === JSON.stringify(picture)) {
			return;
		}
		if (entry === undefined) {
			this.#sourcePicture = picture;
		} else {
			entry.picture = picture;
		}
		this.emit('changed');
	}

	/** The rung is not made any more. */
	endRung(name: RungName): void {
		this.#takeOff([this.#rungs.get(name)]);
	}

	/** Another publisher feeds from now on. `kept`: layers that it does not feed, or that just continue. */
	beginRun(kept: readonly ShownRung[] = []): void {
		if (!kept.includes('source')) {
			this.source.beginRun();
		}
		for (const [name, { layer }] of this.#rungs) {
			if (!kept.includes(name)) {
				layer.beginRun();
			}
		}
	}

	/** Whether key frames of this stream are the publisher's, which may be asked for one. */
	isFromPublisher(ssrc: number): boolean {
		const rungs = [...this.#rungs.values()];
		return (
			ssrc === this.source.ssrc ||
			rungs.some(({ layer, picture }) => layer.ssrc === ssrc && picture?.isFromPublisher === true)
		);
	}

	/** Another encoder, or the same one started again, makes a rung from now on. */
	beginRungRun(name: RungName): void {
		this.#rungs.get(name)?.layer.beginRun();
	}

	close(): Promise<void> {
		return this.#scope.close('stage-closed');
	}

	#watchForSilence(): void {
		// Without a publisher all layers are silent, and viewers stay where they are.
		if (this.source.silenceMs < SILENT_RUNG_MS) {
			const nowMs = this.#clock.monotonicMs();
			const onAir = [...this.#rungs.values()].filter(({ isOnAir }) => isOnAir);
			const isSilent = ({ writtenAtMs }: Entry, forMs: number): boolean => nowMs - writtenAtMs > forMs;
			const late = onAir.filter((entry) => this.#lagMs(entry) > MAX_RUNG_LAG_MS);
			// One that has stopped is behind, too.
			for (const entry of late.filter((each) => !isSilent(each, CHECK_INTERVAL_MS))) {
				const hasKeptUp = nowMs - entry.beganAtMs >= KEPT_UP_MS;
				entry.pauseMs = hasKeptUp ? MIN_OFF_AIR_MS : Math.min(MAX_OFF_AIR_MS, entry.pauseMs * 2);
			}
			this.#takeOff([...late, ...onAir.filter((entry) => isSilent(entry, SILENT_RUNG_MS))]);
		}
	}

	/** How far its newest picture is behind the source's. */
	#lagMs({ layer }: Entry): number {
		const [newest, ofSource] = [layer.newest, this.source.newest];
		return newest === undefined || ofSource === undefined
			? 0
			: ticksToMs(ofSource.timestampTicks - newest.timestampTicks, VIDEO_CLOCK_RATE);
	}

	#takeOff(entries: readonly (Entry | undefined)[]): void {
		const ending = entries.filter((entry) => entry?.isOnAir === true) as Entry[];
		for (const entry of ending) {
			entry.isOnAir = false;
			entry.endedAtMs = this.#clock.monotonicMs();
		}
		if (ending.length > 0) {
			this.emit('changed');
		}
	}
}

function describe(name: ShownRung, layer: LiveLayer, picture: LayerPicture | undefined): OnAirLayer {
	return {
		name,
		spatialLayer: layer.spatialLayer,
		rateBps: layer.peakBps ?? picture?.maxBitrateBps ?? ASSUMED_SOURCE_BPS,
		meanBps: layer.meanBps,
		widthPixels: picture?.widthPixels ?? 0,
		heightPixels: picture?.heightPixels ?? 0,
		frameRate: picture?.frameRate ?? 0,
	};
}
