/** Holds the units of one run until the configuration of each of its tracks is known, then opens the run at a sink. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import type { AccessUnit, TrackId } from '../../core/media/access-unit.ts';
import type { TrackConfig } from '../../core/media/codecs.ts';
import type { TrackSink } from '../../core/media/track-sink.ts';

/** An encoder tells its configuration with its first output, within a second; without it the run begins without the track. */
const MAX_WAIT_MS = 3000;
/** Units held meanwhile: three seconds of 60 pictures and 100 audio frames a second, and some. */
const MAX_HELD_UNITS = 600;

/** One run on its way to a sink. */
export class SinkRun {
	readonly run: number;
	readonly #sink: TrackSink;
	readonly #expected: ReadonlySet<TrackId>;
	readonly #configs = new Map<TrackId, TrackConfig>();
	readonly #onOpen: () => void;
	readonly #cancelTimer: () => void;
	#held: AccessUnit[] = [];
	/** The wait is over; the first configuration that comes opens the run. */
	#isOverdue = false;
	#isOpen = false;
	#isClosed = false;

	constructor(options: {
		sink: TrackSink;
		run: number;
		expected: Iterable<TrackId>;
		clock: Clock;
		onOpen: () => void;
	}) {
		this.#sink = options.sink;
		this.run = options.run;
		this.#expected = new Set(options.expected);
		this.#onOpen = options.onOpen;
		this.#cancelTimer = options.clock.setTimeout(() => this.#open(), MAX_WAIT_MS);
	}

	/**
	 * A track's configuration; further ones of the same track are ignored, since they would be a new run. False when it comes too
	 * late: the run has begun without the track.
	 */
	configure(trackId: TrackId, config: TrackConfig): boolean {
		if (this.#isClosed || !this.#expected.has(trackId)) {
			return true;
		}
		if (this.#isOpen) {
			return this.#configs.has(trackId);
		}
		this.#configs.set(trackId, config);
		if (this.#configs.size === this.#expected.size || this.#isOverdue) {
			this.#open();
		}
		return true;
	}

	/** Writes a unit, stamped with this run. */
	write(unit: AccessUnit): void {
		if (this.#isClosed) {
			return;
		}
		const stamped = unit.run === this.run ? unit : { ...unit, run: this.run };
		if (!this.#isOpen) {
			this.#held.push(stamped);
			if (this.#held.length > MAX_HELD_UNITS) {
				this.#open();
			}
			if (this.#held.length > MAX_HELD_UNITS) {
				this.#held.shift();
			}
		} else if (this.#configs.has(unit.trackId)) {
			this.#sink.write(stamped);
		}
	}

	/** Another run follows, or none. */
	close(): void {
		this.#isClosed = true;
		this.#held = [];
		this.#cancelTimer();
	}

	#open(): void {
		this.#cancelTimer();
		this.#isOverdue = true;
		if (this.#isOpen || this.#isClosed || this.#configs.size === 0) {
			return;
		}
		this.#isOpen = true;
		this.#sink.beginRun(this.run, this.#configs);
		const held = this.#held;
		this.#held = [];
		for (const unit of held) {
			this.write(unit);
		}
		this.#onOpen();
	}
}
