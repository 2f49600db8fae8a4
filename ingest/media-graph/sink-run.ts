/** Holds the units of one run until the configuration of each of its tracks is known, then opens the run at a sink. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { StateMachine, type TransitionTable } from '../../core/lifecycle/state-machine.ts';
import { Timer } from '../../core/lifecycle/timer.ts';
import { debugOnly, type Logger } from '../../core/logger.ts';
import type { AccessUnit, Track, TrackId } from '../../core/media/access-unit.ts';
import type { TrackConfig } from '../../core/media/codecs.ts';
import type { TrackSink } from '../../core/media/track-sink.ts';

/** An encoder reports its configuration with its first output, within a second; without it the run lacks the track. */
const MAX_WAIT_MS = 3000;
/** Units held meanwhile: more than three seconds of 60 pictures and 100 audio frames a second. */
const MAX_HELD_UNITS = 600;

/**
 * unconfigured: no track is configured. partly-configured: some are. overdue: the wait is over, and the first
 * configuration opens the run. open: units go to the sink. closed: another run follows, or none.
 */
type SinkRunState = 'unconfigured' | 'partly-configured' | 'overdue' | 'open' | 'closed';

type SinkRunEvent = 'some-configured' | 'all-configured' | 'wait-ended' | 'closed';

/** @internal for tests */
export const SINK_RUN_TRANSITIONS = {
	unconfigured: {
		'some-configured': 'partly-configured',
		'all-configured': 'open',
		'wait-ended': 'overdue',
		closed: 'closed',
	},
	'partly-configured': {
		'some-configured': 'partly-configured',
		'all-configured': 'open',
		'wait-ended': 'open',
		closed: 'closed',
	},
	overdue: { 'some-configured': 'open', 'all-configured': 'open', 'wait-ended': 'overdue', closed: 'closed' },
	open: { closed: 'closed' },
	closed: {},
} as const satisfies TransitionTable<SinkRunState, SinkRunEvent>;

export class SinkRun {
	readonly #deps: { clock: Clock; logger: Logger; sink: TrackSink };
	readonly #run: number;
	readonly #tracks: readonly Track[];
	readonly #expected: ReadonlySet<TrackId>;
	readonly #configs = new Map<TrackId, TrackConfig>();
	readonly #machine: StateMachine<SinkRunState, SinkRunEvent>;
	readonly #wait: Timer;
	#held: AccessUnit[] = [];

	constructor(
		deps: { clock: Clock; logger: Logger; sink: TrackSink },
		options: { run: number; tracks: readonly Track[]; onOpen: () => void },
	) {
		this.#deps = deps;
		this.#run = options.run;
		this.#tracks = options.tracks;
		this.#expected = new Set(options.tracks.map(({ id }) => id));
		this.#machine = new StateMachine({
			table: SINK_RUN_TRANSITIONS,
			initial: 'unconfigured',
			logger: debugOnly(deps.logger),
			onChange: (state) => {
				if (state === 'open') {
					this.#open();
					options.onOpen();
				}
			},
		});
		this.#wait = new Timer(deps.clock, () => this.#machine.handle('wait-ended'));
		this.#wait.arm(MAX_WAIT_MS);
	}

	/** True once its units go to the sink. */
	get isOpen(): boolean {
		return this.#machine.state === 'open';
	}

	/** Whether the run was announced with this track. */
	expects(trackId: TrackId): boolean {
		return this.#expected.has(trackId);
	}

	/**
	 * Sets a track's configuration; a second configuration for the same track is ignored, because it needs a new run.
	 * Returns false when it is too late: the run has begun without the track.
	 */
	configure(trackId: TrackId, config: TrackConfig): boolean {
		const { state } = this.#machine;
		if (state === 'closed') {
			return true;
		}
		if (state === 'open') {
			return this.#configs.has(trackId);
		}
		if (!this.#expected.has(trackId)) {
			return true;
		}
		this.#configs.set(trackId, config);
		this.#machine.handle(this.#configs.size === this.#expected.size ? 'all-configured' : 'some-configured');
		return true;
	}

	/** Writes a unit, stamped with this run. */
	write(unit: AccessUnit): void {
		const { state } = this.#machine;
		if (state === 'closed') {
			return;
		}
		const stamped = unit.run === this.#run ? unit : { ...unit, run: this.#run };
		if (state === 'open') {
			this.#writeToSink(stamped);
			return;
		}
		this.#held.push(stamped);
		if (this.#held.length > MAX_HELD_UNITS) {
			this.#wait.disarm();
			this.#machine.handle('wait-ended');
		}
		if (this.#held.length > MAX_HELD_UNITS) {
			this.#held.shift();
		}
	}

	/** Another run follows, or none. */
	close(): void {
		this.#machine.handle('closed');
		this.#held = [];
		this.#wait.disarm();
	}

	#open(): void {
		this.#wait.disarm();
		const rungs = new Map(
			this.#tracks.flatMap(({ id, rung }) =>
				rung === undefined || !this.#configs.has(id) ? [] : [[id, rung] as const],
			),
		);
		this.#deps.sink.beginRun(this.#run, this.#configs, rungs);
		this.#held.splice(0).forEach((unit) => this.#writeToSink(unit));
	}

	#writeToSink(unit: AccessUnit): void {
		if (this.#configs.has(unit.trackId)) {
			this.#deps.sink.write(unit);
		}
	}
}
