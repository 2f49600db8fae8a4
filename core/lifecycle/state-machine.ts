/** A state as a word, its transitions as data, and one setter that checks and logs. */
import type { Logger } from '../logger.ts';

/**
 * State → event → next state. An event missing from a state's row is ignored there, and that is logged as a warning.
 */
export type TransitionTable<State extends string, Event extends string> = Record<State, Partial<Record<Event, State>>>;

/** Holds the state of one object. */
export class StateMachine<State extends string, Event extends string> {
	readonly #table: TransitionTable<State, Event>;
	readonly #logger: Logger;
	readonly #onChange: ((next: State, previous: State, event: Event) => void) | undefined;
	#state: State;

	constructor(options: {
		table: TransitionTable<State, Event>;
		initial: State;
		logger: Logger;
		onChange?: (next: State, previous: State, event: Event) => void;
	}) {
		this.#table = options.table;
		this.#state = options.initial;
		this.#logger = options.logger;
		this.#onChange = options.onChange;
	}

	/** The current state. */
	get state(): State {
		return this.#state;
	}

	/** Takes the event. Returns false, and changes nothing, when the table has no such transition. */
	handle(event: Event): boolean {
		const previous = this.#state;
		const next = this.#table[previous][event];
		if (next === undefined) {
			this.#logger.warn({ state: previous, event }, 'event ignored in this state');
			return false;
		}
		this.#state = next;
		if (next !== previous) {
			this.#logger.info({ event }, `${previous} -> ${next} (${event})`);
			this.#onChange?.(next, previous, event);
		}
		return true;
	}
}

/**
 * States that can be reached from `from`, itself included; tests use it to prove that `closed` is always reachable.
 * @internal for tests
 */
export function reachableStates<State extends string, Event extends string>(
	table: TransitionTable<State, Event>,
	from: State,
): Set<State> {
	const seen = new Set<State>([from]);
	const queue: State[] = [from];
	for (let state = queue.pop(); state !== undefined; state = queue.pop()) {
		for (const next of Object.values<State | undefined>(table[state])) {
			if (next !== undefined && !seen.has(next)) {
				seen.add(next);
				queue.push(next);
			}
		}
	}
	return seen;
}
