/** Newcomers who begin together: they gather on a join layer, and the burst goes out once each can receive it. */
import type { TransitionTable } from '../../../core/lifecycle/state-machine.ts';
import type { JoinLayer } from './join-layer.ts';

/** A Consumer that does not run after this long misses the burst; the others wait no longer. */
const READY_DEADLINE_MS = 250;
/** Time for the burst to reach a Consumer and for its report; a viewer not reached waits for a live key frame. */
const BURST_REACHED_MS = 500;

export type Newcomer = {
	/** Where the viewer's Consumer has to be before it runs. */
	spatialLayer: number;
	/** The Consumer runs on that layer. */
	ready: () => void;
	/** The viewer is on the live layer, or has left. Idempotent. */
	finished: () => void;
};

/** `gathering`: more may join. `waiting`: some cannot receive yet. `sent`: the burst is on its way. */
type CohortState = 'gathering' | 'waiting' | 'sent';
/** `due`: all can receive, or the deadline is over. */
type CohortEvent = 'gathered' | 'due';

const TRANSITIONS: TransitionTable<CohortState, CohortEvent> = {
	gathering: { gathered: 'waiting' },
	waiting: { due: 'sent' },
	sent: {},
};

type Member = { moveOn: () => void; state: 'coming' | 'ready' | 'finished' };

type CohortDependencies = {
	layer: JoinLayer;
	/** Calls back later, unless the track closes before. */
	after: (delayMs: number, callback: () => void) => void;
	/** Called once, unless everyone has left before. */
	sendBurst: () => void;
};

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

	/** Adds a newcomer. `moveOn` is called when it should have received the burst, or has missed it. */
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

	#handle(event: CohortEvent): boolean {
		const next = TRANSITIONS[this.#state][event];
		this.#state = next ?? this.#state;
		return next !== undefined;
	}
}
