/** Newcomers who begin together: they gather on a join layer, and the burst is sent once each of them can receive it. */
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

type Member = { moveOn: () => void; state: 'coming' | 'ready' | 'finished' };

/** Calls back later, unless the track was closed meanwhile. */
export type After = (delayMs: number, callback: () => void) => void;

/** One burst's worth of newcomers. */
export class Cohort {
	readonly layer: JoinLayer;
	readonly #after: After;
	readonly #sendBurst: () => void;
	readonly #members = new Set<Member>();
	#isGathered = false;
	#isSent = false;

	/** Gathers for `gatherMs` from now; `sendBurst` is called once, and not when everybody has left before. */
	constructor(layer: JoinLayer, timing: { after: After; gatherMs: number }, sendBurst: () => void) {
		this.layer = layer;
		this.#after = timing.after;
		this.#sendBurst = sendBurst;
		timing.after(timing.gatherMs, () => {
			this.#isGathered = true;
			this.#sendWhenReady();
		});
		timing.after(timing.gatherMs + READY_DEADLINE_MS, () => this.#send());
	}

	/** True while more newcomers may join. */
	get isOpen(): boolean {
		return !this.#isGathered;
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
					if (this.#isSent) {
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
		if (this.#isGathered && [...this.#members].every(({ state }) => state === 'ready')) {
			this.#send();
		}
	}

	#send(): void {
		if (this.#isSent) {
			return;
		}
		this.#isSent = true;
		if (this.#members.size === 0) {
			this.layer.reset();
			return;
		}
		this.#sendBurst();
		const reached = [...this.#members].filter(({ state }) => state === 'ready');
		this.#after(BURST_REACHED_MS, () => {
			for (const { state, moveOn } of reached) {
				if (state === 'ready') {
					moveOn();
				}
			}
		});
	}
}
