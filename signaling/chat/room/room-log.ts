/**
 * One room's entries over all nodes. The bounded history on the bus decides contents and order; a topic only rings when
 * there are new entries. So a lost message of the topic neither loses nor repeats an entry.
 *
 * While the bus is lost the room is detached: local entries are delivered here at once, kept, and appended when the bus
 * is back. Then the other nodes get them, and this node gets theirs.
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
import type { NodeIdentity } from '../../platform/cluster/node-identity.ts';
import { parseRoomEntry, type RoomEntry } from './room-entry.ts';
import { Rounds } from './rounds.ts';

/** Entries per room on the bus: ten seconds of a very busy one. A node cut off longer has a gap. @internal for tests */
export const MAX_HISTORY_LENGTH = 2000;
/** The history stays this long after its last entry, so that members who return the next day see it. */
const HISTORY_TTL_MS = 24 * 3_600_000;
/** Entries per read, so that a long history does not delay the other rooms. */
const PAGE_LENGTH = 500;
/** Ids of delivered entries, so that none is delivered twice; more than the history and the two lists below hold. */
const MAX_SEEN = 4096;
/** Entries kept for a lost bus; beyond it the oldest stay local. */
const MAX_PENDING = 1000;
/** Our newest entries, which are appended again when the bus comes back empty. */
const MAX_OWN = 200;
/** Older entries have been read by all nodes. */
const OWN_MAX_AGE_MS = 60_000;
const REJOIN_INTERVAL_MS = 1000;
/** An attached room reads this often even without a ring, because a ring can be lost. */
const POLL_INTERVAL_MS = 5000;

export type RoomBus = Pick<MessageBus, 'publish' | 'subscribe' | 'onReconnect' | 'appendToHistory' | 'readHistory'>;

type RoomLogDependencies = NodeIdentity & {
	bus: RoomBus;
	clock: Clock;
	logger: Logger;
	/** Called once for each entry, in order. Must not throw. */
	onEntry: (entry: RoomEntry) => void;
};

/** attached: follows the history on the bus. detached: the bus is lost. @internal for tests */
export type RoomLogState = 'opening' | 'attached' | 'detached' | 'closed';

/** joined: the topic is followed, and our entries are on the bus. @internal for tests */
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
	/** Name of the history and of the topic. */
	readonly #key: string;
	readonly #scope: CloseScope<'closed'>;
	readonly #machine: StateMachine<RoomLogState, RoomLogEvent>;
	/** Oldest first. */
	readonly #seen = new Set<string>();
	/** The newest entry that was read; undefined: read from the oldest. */
	#cursor: string | undefined;
	#pending: RoomEntry[] = [];
	/** Our recent entries, oldest first. */
	readonly #own = new Map<string, { entry: RoomEntry; atMs: number }>();
	/** The ids of those that were not read back yet. */
	readonly #unconfirmed = new Set<string>();
	#endSubscription: (() => void) | undefined;
	readonly #reads = new Rounds(() => this.#readNew());
	/** One ring at a time; many appends share one. */
	readonly #rings = new Rounds(() => this.#ring());
	readonly #rejoining = new SingleFlight<void>();
	readonly #rejoinTimer: Timer;
	#readAtMs = -Infinity;
	#detachedAtMs = -Infinity;
	/** The history does not continue what was read before. Reset when our entries are appended again. */
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

	get isDetached(): boolean {
		return this.#machine.state === 'detached';
	}

	/** Reads the history, then follows it. Never rejects: without the bus the room starts detached. */
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

	/** Resolves when the entry is on the bus or, while that is lost, delivered here. Throws SERVER_STOPPING. */
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

	/** Stops following. Entries that were not appended are lost. */
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
		const end = await this.#deps.bus.subscribe(this.#key, (ringingNodeId) => {
			if (ringingNodeId !== this.#deps.nodeId) {
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
		if (
			this.#cursor !== undefined &&
			compareHistoryPositions(parseHistoryId(position), parseHistoryId(this.#cursor)) <= 0
		) {
			// The history started again under a clock that is behind, so new entries come before the cursor.
			this.#cursor = undefined;
		}
	}

	async #ring(): Promise<void> {
		if (!this.#isClosed) {
			// Without a ring the other nodes find the entry when they poll.
			await this.#deps.bus.publish(this.#key, this.#deps.nodeId).catch(() => undefined);
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
				// The bus lost its memory, or this node was cut off too long: rejoining appends our missing entries.
				this.#detach('the history is no longer complete');
			}
		} catch (error) {
			this.#detach(error);
		}
	}

	/** Delivers all new entries. False when the history does not continue what was read before. */
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
					this.#removePending(entry.id);
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

	#removePending(id: string): void {
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
		logger.warn({ err: errorMessage(cause) }, 'the chat room continues without the bus');
		// Our entries that were appended but not read back must not wait for the bus here.
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
				this.#removePending(entry!.id);
			}
			this.#join();
			void this.#rings.ask();
			void this.#reads.ask();
		} catch {
			// The bus is still lost, which #detach() has logged.
			if (!this.#isClosed) {
				this.#rejoinTimer.arm(REJOIN_INTERVAL_MS);
			}
		}
	}

	// Entries that the bus lost are appended again: other nodes may not have read them, and those that did skip the id.
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
