/** The runs of one contribution at a sink. The run on air continues until the next one begins at a key frame. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { AccessUnit, Track, TrackId } from '../../core/media/access-unit.ts';
import type { TrackConfig } from '../../core/media/codecs.ts';
import type { TrackSink } from '../../core/media/track-sink.ts';
import { SinkRun } from './sink-run.ts';

/** With key frames further apart a picture is re-encoded; a covered camera may send none for longer. */
const MAX_WAIT_MS = 30_000;
/**
 * Units kept for the coming run, because sound and rungs of its first picture may arrive earlier: 2 s of all tracks.
 */
const MAX_KEPT_UNITS = 600;

type RunSwitchDependencies = {
	clock: Clock;
	logger: Logger;
	sink: TrackSink;
	/** The next run number of the broadcast. */
	nextRun: () => number;
	/** A run has begun; its tracks may not be configured yet. */
	onBegin: (run: number) => void;
	/** A run is open at the sink. */
	onOpen: () => void;
};

type ComingRun = {
	tracks: readonly Track[];
	configs: Map<TrackId, TrackConfig>;
	/** Tracks of the run on air that have ended, or have another configuration. */
	ended: ReadonlySet<TrackId>;
	/** Of all tracks but the source's picture. */
	early: AccessUnit[];
	/** From this monotonic time on, it may begin with a sound. */
	overdueAtMs: number;
};

export class RunSwitch {
	readonly #deps: RunSwitchDependencies;
	#onAir: SinkRun | undefined;
	/** Of the tracks of the run on air, including those that came too late for it. */
	readonly #configs = new Map<TrackId, { track: Track; config: TrackConfig }>();
	#coming: ComingRun | undefined;

	constructor(deps: RunSwitchDependencies) {
		this.#deps = deps;
	}

	/** True while a run is open or waits for its configurations. */
	get hasRun(): boolean {
		return this.#onAir !== undefined;
	}

	/** Whether the run on air, or the coming one, was begun with this track. */
	has(trackId: TrackId): boolean {
		return this.#coming?.tracks.some(({ id }) => id === trackId) ?? this.#onAir?.expects(trackId) === true;
	}

	/** Begins a run at once; the one on air ends. */
	begin(tracks: readonly Track[]): void {
		this.end();
		this.#onAir = this.#createRun(tracks);
	}

	/**
	 * Begins a run at the next key frame after all its tracks are configured; at once, when it has no picture. `ended`:
	 * tracks that the run on air no longer gets.
	 */
	beginAtKeyFrame(tracks: readonly Track[], ended: Iterable<TrackId> = []): void {
		this.#coming = {
			tracks,
			configs: new Map(),
			ended: new Set([...(this.#coming?.ended ?? []), ...ended]),
			early: [],
			overdueAtMs: this.#deps.clock.monotonicMs() + MAX_WAIT_MS,
		};
	}

	/** Passes a track's configuration to the run that waits for it. */
	configure(track: Track, config: TrackConfig): void {
		if (this.#coming !== undefined) {
			if (this.#coming.tracks.some(({ id }) => id === track.id)) {
				this.#coming.configs.set(track.id, config);
			}
			return;
		}
		this.#configs.set(track.id, { track, config });
		if (this.#onAir?.configure(track.id, config) === false) {
			// Its encoder started too late. The run continues without the track until the next key frame.
			const known = [...this.#configs.values()];
			this.beginAtKeyFrame(known.map((entry) => entry.track));
			for (const entry of known) {
				this.configure(entry.track, entry.config);
			}
		}
	}

	/** A rung has no media for now. */
	pause(track: Track): void {
		if (this.#onAir?.isOpen === true) {
			this.#deps.sink.pauseTrack(track.id);
		}
	}

	/** Writes a unit to its run. */
	write(unit: AccessUnit): void {
		const coming = this.#coming;
		if (coming === undefined) {
			this.#onAir?.write(unit);
			return;
		}
		const leader = coming.tracks.find(({ kind, rung }) => kind === 'video' && rung === undefined);
		const isLeading = unit.trackId === leader?.id;
		const waitsForPicture = (): boolean => leader !== undefined && this.#deps.clock.monotonicMs() < coming.overdueAtMs;
		const isStart = unit.isKeyFrame && (isLeading || (unit.kind === 'audio' && !waitsForPicture()));
		if (isStart && coming.tracks.every(({ id }) => coming.configs.has(id))) {
			this.#open(coming, unit);
			return;
		}
		if (!coming.ended.has(unit.trackId)) {
			this.#onAir?.write(unit);
		}
		if (!isLeading) {
			coming.early.push(unit);
			coming.early.splice(0, coming.early.length - MAX_KEPT_UNITS);
		}
	}

	/** Ends the run on air and the coming one. */
	end(): void {
		this.#coming = undefined;
		this.#onAir?.close();
		this.#onAir = undefined;
		this.#configs.clear();
	}

	#open(coming: ComingRun, first: AccessUnit): void {
		this.end();
		const run = this.#createRun(coming.tracks);
		this.#onAir = run;
		for (const track of coming.tracks) {
			this.configure(track, coming.configs.get(track.id)!);
		}
		run.write(first);
		const startSeconds = first.presentationTimeTicks / first.clockRate;
		for (const unit of coming.early) {
			if (unit.presentationTimeTicks / unit.clockRate >= startSeconds) {
				run.write(unit);
			}
		}
	}

	#createRun(tracks: readonly Track[]): SinkRun {
		const { nextRun, onBegin, onOpen } = this.#deps;
		const run = nextRun();
		onBegin(run);
		return new SinkRun(this.#deps, { run, tracks, onOpen });
	}
}
