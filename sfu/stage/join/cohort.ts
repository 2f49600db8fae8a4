/** Newcomers who begin together: they gather on a join layer, and the burst goes out once each can receive it. */
import type { TransitionTable } from '../../../core/lifecycle/state-machine.ts';
import type { JoinLayer } from './join-layer.ts';

/** A Consumer that does not run after this long misses the burst; the others wait no longer. */
const READY_DEADLINE_MS = 250;
/** Time for the burst to reach a Consumer and for its report; a viewer not reached waits for a live key frame. */
const BURST_REACHED_MS = 500;
/**
 * A viewer that has not reached the leading layer by then is asked again, later each time: the far end of a new pipe
 * lets nothing change layers for some 3 s. After the last try, 4.2 s from the first, it waits for a live key frame.
 */
const LEAD_RETRY_MS = 150;
const MAX_LEAD_TRIES = 7;

export type Newcomer = {
	/** Where the viewer's Consumer has to be before it runs. */
	spatialLayer: number;
	/** The Consumer runs on that layer. */
	ready: () => void;
	/** The Consumer has changed to this layer; undefined: to none. */
	onLayer: (spatialLayer: number | undefined) => void;
	/** The viewer has left. Idempotent. */
	finished: () => void;
};

/** Sets the layer that a viewer's Consumer prefers. Resolves when mediasoup has applied it; never rejects. */
export type MoveTo = (spatialLayer: number) => Promise<void>;

/** `gathering`: more may join. `waiting`: some cannot receive yet. `sending`: the burst. `sent`: the whole burst. */
type CohortState = 'gathering' | 'waiting' | 'sending' | 'sent';
/** `due`: all can receive, or the deadline is over. */
type CohortEvent = 'gathered' | 'due' | 'burst-sent';

const TRANSITIONS: TransitionTable<CohortState, CohortEvent> = {
	gathering: { gathered: 'waiting' },
	waiting: { due: 'sending' },
	sending: { 'burst-sent': 'sent' },
	sent: {},
};

/** `reached`: on the join layer. `moving`: it has been sent elsewhere. */
type MemberState = 'coming' | 'ready' | 'reached' | 'moving' | 'finished';
/** `holds`: the layers that have to continue for this member. */
type Member = { moveTo: MoveTo; state: MemberState; holds: Set<JoinLayer> };

type CohortDependencies = {
	layer: JoinLayer;
	liveSpatialLayer: number;
	/** Calls back later, unless the track closes before. */
	after: (delayMs: number, callback: () => void) => void;
	/** Called once, unless everyone has left before. */
	sendBurst: (onSent: () => void) => void;
	/** A join layer that follows the same live layer already, if there is one: where newcomers wait for its key frame. */
	leadingLayer: () => JoinLayer | undefined;
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

	/** Adds a newcomer, which is moved on when it has received the burst, or has missed it. */
	add(moveTo: MoveTo): Newcomer {
		const member: Member = { moveTo, state: 'coming', holds: new Set() };
		this.#members.add(member);
		hold(member, this.layer);
		return {
			spatialLayer: this.layer.spatialLayer,
			ready: () => this.#onReady(member),
			onLayer: (spatialLayer) => this.#onLayer(member, spatialLayer),
			finished: () => this.#finish(member),
		};
	}

	#onReady(member: Member): void {
		if (member.state === 'coming') {
			member.state = 'ready';
			if (this.#state === 'sending' || this.#state === 'sent') {
				this.#moveToLive(member);
			} else {
				this.#sendWhenReady();
			}
		}
	}

	#onLayer(member: Member, spatialLayer: number | undefined): void {
		const { layer, liveSpatialLayer } = this.#deps;
		if (spatialLayer === liveSpatialLayer) {
			this.#finish(member);
		} else if (spatialLayer === layer.spatialLayer) {
			if (member.state === 'coming' || member.state === 'ready') {
				member.state = 'reached';
				this.#moveOn(member);
			}
		} else if (member.state === 'moving' && [...member.holds].some((held) => held.spatialLayer === spatialLayer)) {
			release(member, layer);
			this.#moveToLive(member);
		}
	}

	#finish(member: Member): void {
		if (member.state !== 'finished') {
			member.state = 'finished';
			this.#members.delete(member);
			for (const layer of member.holds) {
				release(member, layer);
			}
			this.#sendWhenReady();
		}
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
		const expected = [...this.#members].filter(({ state }) => state === 'ready');
		this.#deps.after(BURST_REACHED_MS, () => {
			for (const member of expected.filter(({ state }) => state === 'ready')) {
				this.#moveToLive(member);
			}
		});
		this.#deps.sendBurst(() => {
			this.#handle('burst-sent');
			for (const member of this.#members) {
				this.#moveOn(member);
			}
		});
	}

	// Members on the layer change elsewhere only behind the whole burst: what comes after it is the same on both layers.
	#moveOn(member: Member): void {
		if (member.state !== 'reached' || this.#state !== 'sent') {
			return;
		}
		const leading = this.#deps.leadingLayer();
		if (leading === undefined || leading === this.layer) {
			this.#moveToLive(member);
		} else {
			member.state = 'moving';
			hold(member, leading);
			void this.#moveToLeading(member, leading, 1);
		}
	}

	async #moveToLeading(member: Member, leading: JoinLayer, tryCount: number): Promise<void> {
		await member.moveTo(leading.spatialLayer);
		leading.requestSwitchPoint();
		this.#deps.after(tryCount * LEAD_RETRY_MS, () => {
			if (!member.holds.has(this.layer)) {
				return;
			}
			if (tryCount === MAX_LEAD_TRIES) {
				release(member, leading);
				this.#moveToLive(member);
				return;
			}
			// mediasoup considers a preference only when it is a new one.
			void member.moveTo(this.layer.spatialLayer);
			void this.#moveToLeading(member, leading, tryCount + 1);
		});
	}

	#moveToLive(member: Member): void {
		member.state = 'moving';
		void member.moveTo(this.#deps.liveSpatialLayer);
	}

	#handle(event: CohortEvent): boolean {
		const next = TRANSITIONS[this.#state][event];
		this.#state = next ?? this.#state;
		return next !== undefined;
	}
}

function hold({ holds }: Member, layer: JoinLayer): void {
	holds.add(layer);
	layer.addNewcomer();
}

function release({ holds }: Member, layer: JoinLayer): void {
	if (holds.delete(layer)) {
		layer.removeNewcomer();
	}
}
