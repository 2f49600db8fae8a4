/** The state of one object as a word, its transitions as data, and one setter that checks and logs. */
import type { Logger } from '../logger.ts';

/** State → event → next state. An event that a state's row does not have is ignored there and logged as a warning. */
export type TransitionTable<State extends string, Event extends string> = Record<State, Partial<Record<Event, State>>>;

type StateMachineDeps<State extends string, Event extends string> = {
	table: TransitionTable<State, Event>;
	initial: State;
	logger: Logger;
	onChange?: (next: State, previous: State, event: Event) => void;
};

export class StateMachine<State extends string, Event extends string> {
	readonly #deps: StateMachineDeps<State, Event>;
	#state: State;

	constructor(deps: StateMachineDeps<State, Event>) {
		this.#deps = deps;
		this.#state = deps.initial;
	}

	get state(): State {
		return this.#state;
	}

	/** Returns false, and changes nothing, when the table has no such transition. */
	handle(event: Event): boolean {
		const { table, logger, onChange } = this.#deps;
		const previous = this.#state;
		const next = table[previous][event];
		if (next === undefined) {
			logger.warn({ state: previous, event }, 'event ignored in this state');
			return false;
		}
		this.#state = next;
		if (next !== previous) {
			logger.info({ event }, `${previous} -> ${next} (${event})`);
			onChange?.(next, previous, event);
		}
		return true;
	}
}

/** States that can be reached from `from`, itself included: `closed` must always be among them. @internal for tests */
export function reachableStates<State extends string, Event extends string>(
	table: TransitionTable<State, Event>,
	from: State,
): Set<State> {
	const seen = new Set<State>([from]);
	// The loop also visits the states that it adds.
	for (const state of seen) {
		Object.values<State>(table[state] as Record<string, State>).forEach((next) => seen.add(next));
	}
	return seen;
}
