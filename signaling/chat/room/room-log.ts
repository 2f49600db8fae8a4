/**
 * One room's entries over all nodes. The bounded history on the bus is the truth and gives the order; a topic only rings
 * when there is something to read. So nothing is lost or told twice, whatever becomes of single messages of the topic.
 *
 * When the bus is lost the room goes on alone ("detached"): what is said here is told here at once, kept, and appended when
 * the bus is back; then everybody else gets it, and we get what they said.
 */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { CloseScope } from '../../../core/lifecycle/close-scope.ts';
import { errorMessage, SpillwayError } from '../../../core/errors/errors.ts';
import type { Logger } from '../../../core/logger.ts';
import {
	compareHistoryPositions,
	parseHistoryId,
	type BusValue,
	type MessageBus,
} from '../../platform/bus/message-bus.ts';
import { parseRoomEntry, type RoomEntry } from './room-entry.ts';

/** Entries that the bus keeps for each room: ten seconds of a very busy one. A node that is cut off longer has a gap. */
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
const REATTACH_INTERVAL_MS = 1000;
/** An attached room reads this often even if nobody rang, because a ring can be lost. */
const POLL_INTERVAL_MS = 5000;

/** What chat asks of the bus. */
export type RoomBus = Pick<MessageBus, 'publish' | 'subscribe' | 'onReconnect' | 'appendToHistory' | 'readHistory'>;

/** What the log needs. */
export type RoomLogOptions = {
	bus: RoomBus;
	clock: Clock;
	logger: Logger;
	/** Names the room. */
	key: string;
	/** Called once for each entry, in order. Must not throw. */
	onEntry: (entry: RoomEntry) => void;
};

/** Does nothing before open(). */
export class RoomLog {
	readonly #bus: RoomBus;
	readonly #clock: Clock;
	readonly #logger: Logger;
	readonly #historyKey: string;
	readonly #topic: string;
	readonly #onEntry: (entry: RoomEntry) => void;
	readonly #scope: CloseScope<'closed'>;
	readonly #nodeMark = crypto.randomUUID();
	/** Oldest first. */
	readonly #seen = new Set<string>();
	#state: 'opening' | 'attached' | 'detached' = 'opening';
	/** The newest entry that was read; undefined: read from the oldest on. */
	#cursor: string | undefined;
	#pending: RoomEntry[] = [];
	/** What we appended lately, oldest first. */
	readonly #own = new Map<string, { entry: RoomEntry; atMs: number }>();
	/** Those of them that were not read back yet. */
	readonly #unconfirmed = new Set<string>();
	#endSubscription: (() => void) | undefined;
	#reading: Promise<void> | undefined;
	#readAgain = false;
	#isReattaching = false;
	#isRinging = false;
	#ringAgain = false;
	#readAtMs = -Infinity;
	#detachedAtMs = -Infinity;
	/** The history did not continue what was read before; until our own entries are there again. */
	#hasLostMemory = false;
	#cancelReattach: (() => void) | undefined;

	constructor(options: RoomLogOptions) {
		this.#bus = options.bus;
		this.#clock = options.clock;
		this.#logger = options.logger;
		this.#historyKey = `chat:${options.key}`;
		this.#topic = `chat:${options.key}`;
		this.#onEntry = options.onEntry;
		this.#scope = new CloseScope(options.logger);
	}

	/** True while the bus is lost. */
	get isDetached(): boolean {
		return this.#state === 'detached';
	}

	/** Reads what is kept, then follows. Never rejects: without the bus the room begins detached. */
	async open(): Promise<void> {
		this.#scope.onClose(() => {
			this.#cancelReattach?.();
			this.#endSubscription?.();
		});
		this.#scope.onClose(this.#bus.onReconnect(() => this.#onBusBack()));
		this.#scope.onClose(this.#clock.setInterval(() => this.#poll(), POLL_INTERVAL_MS));
		try {
			await this.#subscribe();
			this.#state = 'attached';
			await this.#read();
		} catch (error) {
			this.#detach(error);
		}
	}

	/** Resolves when the entry is kept on the bus or, while that is lost, told here. Throws SERVER_STOPPING after close(). */
	async append(entry: RoomEntry): Promise<void> {
		if (this.#scope.closed) {
			throw new SpillwayError('SERVER_STOPPING');
		}
		if (this.#state !== 'attached') {
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
		this.#ring();
		void this.#read();
	}

	/** Stops following. What could not be appended is gone with the node. */
	close(): Promise<void> {
		return this.#scope.close('closed');
	}

	async #subscribe(): Promise<void> {
		if (this.#endSubscription !== undefined) {
			return;
		}
		const end = await this.#bus.subscribe(this.#topic, (mark) => {
			if (mark !== this.#nodeMark) {
				void this.#read();
			}
		});
		if (this.#scope.closed) {
			end();
		} else {
			this.#endSubscription = end;
		}
	}

	async #appendToBus(entry: RoomEntry): Promise<void> {
		const position = await this.#bus.appendToHistory(
			this.#historyKey,
			entry as BusValue,
			MAX_HISTORY_LENGTH,
			HISTORY_TTL_MS,
		);
		this.#own.set(entry.id, { entry, atMs: this.#clock.monotonicMs() });
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

	// One message of the topic at a time; many appends share one.
	#ring(): void {
		if (this.#isRinging) {
			this.#ringAgain = true;
			return;
		}
		this.#isRinging = true;
		this.#ringAgain = false;
		this.#bus
			.publish(this.#topic, this.#nodeMark)
			// The others find out when they poll.
			.catch(() => undefined)
			.finally(() => {
				this.#isRinging = false;
				if (this.#ringAgain && !this.#scope.closed) {
					this.#ring();
				}
			});
	}

	// One read at a time: whoever asks meanwhile is served by one more round.
	#read(): Promise<void> {
		this.#readAgain = true;
		this.#reading ??= this.#readRounds()
			.catch((error: unknown) => this.#detach(error))
			.finally(() => {
				this.#reading = undefined;
			});
		return this.#reading;
	}

	async #readRounds(): Promise<void> {
		while (this.#readAgain && this.#state === 'attached' && !this.#scope.closed) {
			this.#readAgain = false;
			const expected = [...this.#unconfirmed];
			const isComplete = await this.#readToEnd();
			if (!isComplete || expected.some((id) => this.#unconfirmed.has(id))) {
				// The bus lost its memory, or we were away too long: make sure that what is ours is there.
				this.#detach('the history is no longer complete');
			}
		}
	}

	/** Tells everything that is new. False when the history does not continue what was read before. */
	async #readToEnd(): Promise<boolean> {
		let isComplete = true;
		for (let length = PAGE_LENGTH; length === PAGE_LENGTH && !this.#scope.closed;) {
			const page = await this.#bus.readHistory(this.#historyKey, this.#cursor, PAGE_LENGTH);
			this.#readAtMs = this.#clock.monotonicMs();
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
					this.#tell(entry);
				}
			}
		}
		return isComplete;
	}

	#tell(entry: RoomEntry): void {
		if (this.#seen.has(entry.id) || this.#scope.closed) {
			return;
		}
		this.#seen.add(entry.id);
		if (this.#seen.size > MAX_SEEN) {
			this.#seen.delete(this.#seen.values().next().value!);
		}
		this.#onEntry(entry);
	}

	#keepForLater(entry: RoomEntry): void {
		this.#pending.push({ ...entry, isLate: true });
		if (this.#pending.length > MAX_PENDING) {
			this.#pending.shift();
		}
		this.#tell(entry);
	}

	#forgetPending(id: string): void {
		if (this.#pending.length > 0) {
			this.#pending = this.#pending.filter((entry) => entry.id !== id);
		}
	}

	#detach(cause: unknown): void {
		if (this.#state === 'detached' || this.#scope.closed) {
			return;
		}
		this.#state = 'detached';
		this.#detachedAtMs = this.#clock.monotonicMs();
		this.#logger.warn({ err: errorMessage(cause) }, 'the chat room goes on without the bus');
		// Ours that were appended but not read back: here they must not wait.
		[...this.#own.values()].forEach(({ entry }) => this.#tell(entry));
		this.#cancelReattach?.();
		this.#cancelReattach = this.#clock.setTimeout(() => void this.#reattach(), 0);
	}

	#onBusBack(): void {
		if (this.#state === 'attached') {
			void this.#read();
		} else {
			void this.#reattach();
		}
	}

	#poll(): void {
		if (this.#state === 'attached' && this.#clock.monotonicMs() - this.#readAtMs >= POLL_INTERVAL_MS) {
			void this.#read();
		}
	}

	async #reattach(): Promise<void> {
		if (this.#isReattaching || this.#state !== 'detached' || this.#scope.closed) {
			return;
		}
		this.#isReattaching = true;
		try {
			await this.#subscribe();
			await this.#readToEnd();
			this.#pendOwn();
			while (this.#pending.length > 0 && !this.#scope.closed) {
				const [entry] = this.#pending;
				await this.#appendToBus(entry!);
				this.#forgetPending(entry!.id);
			}
			this.#state = 'attached';
			this.#logger.info({}, 'the chat room is joined to the others again');
			this.#ring();
			void this.#read();
		} catch {
			// Still lost; detach() has said so.
			if (!this.#scope.closed) {
				this.#cancelReattach = this.#clock.setTimeout(() => void this.#reattach(), REATTACH_INTERVAL_MS);
			}
		} finally {
			this.#isReattaching = false;
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
