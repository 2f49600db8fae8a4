/**
 * One room's entries over all nodes. The bounded history on the bus is the truth and gives the order; a topic only
 * rings when there is something to read. So nothing is lost or told twice, whatever becomes of single messages of the
 * topic.
 *
 * When the bus is lost the room goes on alone ("detached"): what is said here is told here at once, kept, and appended
 * when the bus is back; then everybody else gets it, and we get what they said.
 */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { CloseScope } from '../../../core/lifecycle/close-scope.ts';
import { SingleFlight } from '../../../core/lifecycle/single-flight.ts';
import { StateMachine, type TransitionTable } from '../../../core/lifecycle/state-machine.ts';
import { Timer } from '../../../core/lifecycle/timer.ts';
import { errorMessage, SpillwayError } from '../../../core/errors/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import {
	compareHistoryPositions,
	parseHistoryId,
	type BusValue,
	type MessageBus,
} from '../../platform/bus/message-bus.ts';
import { parseRoomEntry, type RoomEntry } from './room-entry.ts';
import { Rounds } from './rounds.ts';

/**
 * Entries that the bus keeps for each room: ten seconds of a very busy one. A node that is cut off longer has a gap.
 * @internal for tests
 */
export const MAX_HISTORY_LENGTH = 2000;
/** How long they stay after the last one: who comes back the next day still sees what was said. */
const HISTORY_TTL_MS = 24 * 3_600_000;
/** Entries read at once, so that a long history does not hold up the other rooms. */
const PAGE_LENGTH = 500;
/** Ids remembered, so that nothing is told twice; more than the history and the two lists below hold. */
const MAX_SEEN = 4096;
/** What is kept for the bus while it is lost; the oldest beyond that stay local. */
const MAX_PENDING = 1000;
/** Our newest entries, which we append once more when the bus comes back empty. */
const MAX_OWN = 200;
/** Older ones had their time to be read by all. */
const OWN_MAX_AGE_MS = 60_000;
/** How often a detached room asks whether the bus is back. */
const REJOIN_INTERVAL_MS = 1000;
/** An attached room reads this often even if nobody rang, because a ring can be lost. */
const POLL_INTERVAL_MS = 5000;

/** What chat asks of the bus. */
export type RoomBus = Pick<MessageBus, 'publish' | 'subscribe' | 'onReconnect' | 'appendToHistory' | 'readHistory'>;

type RoomLogDependencies = {
	bus: RoomBus;
	clock: Clock;
	logger: Logger;
	/** Called once for each entry, in order. Must not throw. */
	onEntry: (entry: RoomEntry) => void;
};

/**
 * attached: follows the history on the bus. detached: the bus is lost, and the room goes on alone. @internal for tests
 */
export type RoomLogState = 'opening' | 'attached' | 'detached' | 'closed';

/** joined: the topic is followed, and what is ours is on the bus. @internal for tests */
export type RoomLogEvent = 'joined' | 'bus-lost' | 'closed';

/** @internal for tests */
export const ROOM_LOG_TRANSITIONS = {
	opening: { joined: 'attached', 'bus-lost': 'detached', closed: 'closed' },
	attached: { 'bus-lost': 'detached', closed: 'closed' },
	detached: { joined: 'attached', closed: 'closed' },
	closed: {},
} as const satisfies TransitionTable<RoomLogState, RoomLogEvent>;

/** Does nothing before open(). */
export class RoomLog {
	readonly #deps: RoomLogDependencies;
	/** Of the history and of the topic. */
	readonly #key: string;
	readonly #scope: CloseScope<'closed'>;
	readonly #machine: StateMachine<RoomLogState, RoomLogEvent>;
	readonly #nodeMark = crypto.randomUUID();
	/** Oldest first. */
	readonly #seen = new Set<string>();
	/** The newest entry that was read; undefined: read from the oldest on. */
	#cursor: string | undefined;
	#pending: RoomEntry[] = [];
	/** What we appended lately, oldest first. */
	readonly #own = new Map<string, { entry: RoomEntry; atMs: number }>();
	/** Those of them that were not read back yet. */
	readonly #unconfirmed = new Set<string>();
	#endSubscription: (() => void) | undefined;
	readonly #reads = new Rounds(() => this.#readNew());
	/** One message of the topic at a time; many appends share one. */
	readonly #rings = new Rounds(() => this.#ring());
	readonly #rejoining = new SingleFlight<void>();
	readonly #rejoinTimer: Timer;
	#readAtMs = -Infinity;
	#detachedAtMs = -Infinity;
	/** The history did not continue what was read before; until our own entries are there again. */
	#hasLostMemory = false;

	/** `room`: its name on the bus. */
	constructor(deps: RoomLogDependencies, room: string) {
		const { clock, logger } = deps;
		this.#deps = deps;
		this.#key = `chat:${room}`;
		this.#scope = new CloseScope(logger);
		this.#machine = new StateMachine({ table: ROOM_LOG_TRANSITIONS, initial: 'opening', logger });
		this.#rejoinTimer = new Timer(clock, () => void this.#rejoin());
	}

	/** True while the bus is lost. */
	get isDetached(): boolean {
		return this.#machine.state === 'detached';
	}

	/** Reads what is kept, then follows. Never rejects: without the bus the room begins detached. */
	async open(): Promise<void> {
		const { bus, clock } = this.#deps;
		this.#scope.onClose(() => this.#endSubscription?.());
		this.#scope.onClose(this.#rejoinTimer.disarm);
		this.#scope.onClose(bus.onReconnect(() => this.#onBusBack()));
		this.#scope.every(clock, POLL_INTERVAL_MS, () => this.#poll());
		try {
			await this.#subscribe();
			this.#join();
			await this.#reads.ask();
		} catch (error) {
			this.#detach(error);
		}
	}

	/**
	 * Resolves when the entry is kept on the bus or, while that is lost, told here. Throws SERVER_STOPPING after close().
	 */
	async append(entry: RoomEntry): Promise<void> {
		if (this.#isClosed) {
			throw new SpillwayError('SERVER_STOPPING');
		}
		if (this.#machine.state !== 'attached') {
			this.#keepForLater(entry);
			return;
		}
		try {
			await this.#appendToBus(entry);
		} catch (error) {
			this.#detach(error);
			this.#keepForLater(entry);
			return;
		}
		void this.#rings.ask();
		void this.#reads.ask();
	}

	/** Stops following. What could not be appended is gone with the node. */
	close(): Promise<void> {
		if (!this.#isClosed) {
			this.#machine.handle('closed');
		}
		return this.#scope.close('closed');
	}

	get #isClosed(): boolean {
		return this.#machine.state === 'closed';
	}

	#join(): void {
		if (!this.#isClosed) {
			this.#machine.handle('joined');
		}
	}

	async #subscribe(): Promise<void> {
		if (this.#endSubscription !== undefined) {
			return;
		}
		const end = await this.#deps.bus.subscribe(this.#key, (mark) => {
			if (mark !== this.#nodeMark) {
				void this.#reads.ask();
			}
		});
		if (this.#isClosed) {
			end();
		} else {
			this.#endSubscription = end;
		}
	}

	async #appendToBus(entry: RoomEntry): Promise<void> {
		const { bus, clock } = this.#deps;
		const value = entry as BusValue;
		const position = await bus.appendToHistory(this.#key, value, MAX_HISTORY_LENGTH, HISTORY_TTL_MS);
		this.#own.set(entry.id, { entry, atMs: clock.monotonicMs() });
		this.#unconfirmed.add(entry.id);
		if (this.#own.size > MAX_OWN) {
			const [oldest] = this.#own.keys();
			this.#own.delete(oldest!);
			this.#unconfirmed.delete(oldest!);
		}
		if (this.#cursor !== undefined && comparePositions(position, this.#cursor) <= 0) {
			// The history began anew under a clock that is behind: what is new would lie before where we read.
			this.#cursor = undefined;
		}
	}

	async #ring(): Promise<void> {
		if (!this.#isClosed) {
			// The others find out when they poll.
			await this.#deps.bus.publish(this.#key, this.#nodeMark).catch(() => undefined);
		}
	}

	async #readNew(): Promise<void> {
		if (this.#machine.state !== 'attached') {
			return;
		}
		const expected = [...this.#unconfirmed];
		try {
			const isComplete = await this.#readToEnd();
			if (!isComplete || expected.some((id) => this.#unconfirmed.has(id))) {
				// The bus lost its memory, or we were away too long: make sure that what is ours is there.
				this.#detach('the history is no longer complete');
			}
		} catch (error) {
			this.#detach(error);
		}
	}

	/** Delivers everything that is new. False when the history does not continue what was read before. */
	async #readToEnd(): Promise<boolean> {
		const { bus, clock } = this.#deps;
		let isComplete = true;
		for (let length = PAGE_LENGTH; length === PAGE_LENGTH && !this.#isClosed;) {
			const page = await bus.readHistory(this.#key, this.#cursor, PAGE_LENGTH);
			this.#readAtMs = clock.monotonicMs();
			if (!page.isComplete) {
				isComplete = false;
				this.#hasLostMemory = true;
				this.#cursor = undefined;
				length = PAGE_LENGTH;
				continue;
			}
			length = page.entries.length;
			for (const { id, value } of page.entries) {
				this.#cursor = id;
				const entry = parseRoomEntry(value);
				if (entry !== undefined) {
					this.#forgetPending(entry.id);
					this.#unconfirmed.delete(entry.id);
					this.#deliver(entry);
				}
			}
		}
		return isComplete;
	}

	#deliver(entry: RoomEntry): void {
		if (this.#seen.has(entry.id) || this.#isClosed) {
			return;
		}
		this.#seen.add(entry.id);
		if (this.#seen.size > MAX_SEEN) {
			this.#seen.delete(this.#seen.values().next().value!);
		}
		this.#deps.onEntry(entry);
	}

	#keepForLater(entry: RoomEntry): void {
		this.#pending.push({ ...entry, isLate: true });
		if (this.#pending.length > MAX_PENDING) {
			this.#pending.shift();
		}
		this.#deliver(entry);
	}

	#forgetPending(id: string): void {
		if (this.#pending.length > 0) {
			this.#pending = this.#pending.filter((entry) => entry.id !== id);
		}
	}

	#detach(cause: unknown): void {
		if (this.isDetached || this.#isClosed) {
			return;
		}
		this.#machine.handle('bus-lost');
		const { clock, logger } = this.#deps;
		this.#detachedAtMs = clock.monotonicMs();
		logger.warn({ err: errorMessage(cause) }, 'the chat room goes on without the bus');
		// Ours that were appended but not read back: here they must not wait.
		[...this.#own.values()].forEach(({ entry }) => this.#deliver(entry));
		this.#rejoinTimer.arm(0);
	}

	#onBusBack(): void {
		void this.#reads.ask();
		void this.#rejoin();
	}

	#poll(): void {
		if (this.#deps.clock.monotonicMs() - this.#readAtMs >= POLL_INTERVAL_MS) {
			void this.#reads.ask();
		}
	}

	async #rejoin(): Promise<void> {
		if (this.isDetached) {
			await this.#rejoining.run(() => this.#tryToRejoin());
		}
	}

	async #tryToRejoin(): Promise<void> {
		try {
			await this.#subscribe();
			await this.#readToEnd();
			this.#pendOwn();
			while (this.#pending.length > 0 && !this.#isClosed) {
				const [entry] = this.#pending;
				await this.#appendToBus(entry!);
				this.#forgetPending(entry!.id);
			}
			this.#join();
			void this.#rings.ask();
			void this.#reads.ask();
		} catch {
			// Still lost; detach() has said so.
			if (!this.#isClosed) {
				this.#rejoinTimer.arm(REJOIN_INTERVAL_MS);
			}
		}
	}

	// What the bus forgot is appended once more, because others may not have read it. Who has, knows it by its id.
	#pendOwn(): void {
		const sinceMs = this.#detachedAtMs - OWN_MAX_AGE_MS;
		const pendingIds = new Set(this.#pending.map((entry) => entry.id));
		const lost = [...this.#own.values()].filter(
			({ entry, atMs }) =>
				(this.#hasLostMemory || this.#unconfirmed.has(entry.id)) && atMs >= sinceMs && !pendingIds.has(entry.id),
		);
		lost.forEach(({ entry }) => this.#own.delete(entry.id));
		this.#unconfirmed.clear();
		this.#hasLostMemory = false;
		this.#pending.unshift(...lost.map(({ entry }) => ({ ...entry, isLate: true })));
	}
}

function comparePositions(one: string, other: string): number {
	return compareHistoryPositions(parseHistoryId(one), parseHistoryId(other));
}
