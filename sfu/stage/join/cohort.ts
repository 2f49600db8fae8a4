/**
 * Newcomers who begin together: they gather on a join layer, and the burst is sent once each of them can receive it.
 */
import type { TransitionTable } from '../../../core/lifecycle/state-machine.ts';
import type { JoinLayer } from './join-layer.ts';

/** A Consumer that does not run yet after this long misses the burst; the others wait no longer. */
const READY_DEADLINE_MS = 250;
/** Time for the burst to reach a Consumer and to be told of; who was not reached waits for a live key frame. */
const BURST_REACHED_MS = 500;

/** One viewer's begin. */
export type Newcomer = {
	/** Where the viewer's Consumer has to be before it runs. */
	spatialLayer: number;
	/** Says that the Consumer runs on that layer. */
	ready: () => void;
	/** Says that the viewer is on the live layer, or has left. Idempotent. */
	finished: () => void;
};

/** `gathering`: more may join. `waiting`: for those who cannot receive yet. `sent`: the burst is on its way. */
type CohortState = 'gathering' | 'waiting' | 'sent';

/** The life of a cohort. It is due when all can receive, or at the deadline. @internal for tests */
export const COHORT_TRANSITIONS = {
	gathering: { gathered: 'waiting' },
	waiting: { due: 'sent' },
	sent: {},
} as const satisfies TransitionTable<CohortState, 'gathered' | 'due'>;

type Member = { moveOn: () => void; state: 'coming' | 'ready' | 'finished' };

type CohortDependencies = {
	layer: JoinLayer;
	/** Calls back later, unless the track was closed meanwhile. */
	after: (delayMs: number, callback: () => void) => void;
	/** Called once, and not when everybody has left before. */
	sendBurst: () => void;
};

/** One burst's worth of newcomers. */
export class Cohort {
	readonly #deps: CohortDependencies;
	readonly #members = new Set<Member>();
	#state: CohortState = 'gathering';

	/** Gathers for `gatherMs` from now. */
	constructor(deps: CohortDependencies, gatherMs: number) {
		this.#deps = deps;
		deps.after(gatherMs, () => {
			this.#handle('gathered');
			this.#sendWhenReady();
		});
		deps.after(gatherMs + READY_DEADLINE_MS, () => this.#send());
	}

	get layer(): JoinLayer {
		return this.#deps.layer;
	}

	/** True while more newcomers may join. */
	get isOpen(): boolean {
		return this.#state === 'gathering';
	}

	/** Adds one. `moveOn` is called when it ought to have received the burst, or has missed it. */
	add(moveOn: () => void): Newcomer {
		const member: Member = { moveOn, state: 'coming' };
		this.#members.add(member);
		this.layer.addNewcomer();
		return {
			spatialLayer: this.layer.spatialLayer,
			ready: () => {
				if (member.state === 'coming') {
					member.state = 'ready';
					if (this.#state === 'sent') {
						moveOn();
					} else {
						this.#sendWhenReady();
					}
				}
			},
			finished: () => {
				if (member.state !== 'finished') {
					member.state = 'finished';
					this.#members.delete(member);
					this.layer.removeNewcomer();
					this.#sendWhenReady();
				}
			},
		};
	}

	#sendWhenReady(): void {
		if (this.#state === 'waiting' && [...this.#members].every(({ state }) => state === 'ready')) {
			this.#send();
		}
	}

	#send(): void {
		if (!this.#handle('due')) {
			return;
		}
		if (this.#members.size === 0) {
			this.layer.reset();
			return;
		}
		this.#deps.sendBurst();
		const reached = [...this.#members].filter(({ state }) => state === 'ready');
		this.#deps.after(BURST_REACHED_MS, () => {
			for (const { state, moveOn } of reached) {
				if (state === 'ready') {
					moveOn();
				}
			}
		});
	}

	#handle(event: 'gathered' | 'due'): boolean {
		const table: TransitionTable<CohortState, 'gathered' | 'due'> = COHORT_TRANSITIONS;
		const next = table[this.#state][event];
		this.#state = next ?? this.#state;
		return next !== undefined;
	}
}
