/** What the servers share besides the database: messages, short-lived keys, sorted sets, bounded history. */
import { SpillwayError } from '../../../core/errors/errors.ts';

/** What can be sent and kept: it crosses the wire as JSON, also inside one process, so that nobody shares an object. */
export type BusValue = null | boolean | number | string | readonly BusValue[] | { readonly [key: string]: BusValue };

/** One entry of a bounded history. */
type HistoryEntry = {
	/** Sortable within one history; pass it back to read on from there. */
	id: string;
	value: BusValue;
};

/** What {@link MessageBus.readHistory} returns. */
export type HistoryPage = {
	/** Oldest first. */
	entries: HistoryEntry[];
	/** False when entries after the asked id are no longer kept, so that the reader must start anew. */
	isComplete: boolean;
};

/**
 * Shared state of all servers of an installation. Every method throws BUS_UNAVAILABLE within a second or so when the
 * bus does not answer, and SERVER_STOPPING after close(). Nothing on the media path may wait for it.
 *
 * Times to live are milliseconds, at least 1. Names may hold any characters.
 */
export interface MessageBus {
	/**
	 * Sends to everybody who is subscribed now, the sender included; at most once: a subscriber that is cut off just then
	 * misses it. Messages of one sender on one topic arrive in order, later than this call.
	 */
	publish(topic: string, message: BusValue): Promise<void>;
	/** Resolves when messages published from now on will arrive. Returns the function that ends it, at once. */
	subscribe(topic: string, listener: (message: BusValue) => void): Promise<() => void>;
	/** Tells when the bus is back after a loss: messages may have been missed, so fill the gap from a history. */
	onReconnect(listener: () => void): () => void;

	/** Sets a key that vanishes by itself. */
	set(key: string, value: BusValue, ttlMs: number): Promise<void>;
	/** The value; undefined when there is none. */
	get(key: string): Promise<BusValue | undefined>;
	delete(key: string): Promise<void>;

	/** Adds a member, or changes its score. The whole set vanishes `ttlMs` after the last call. */
	addToSortedSet(key: string, member: string, score: number, ttlMs: number): Promise<void>;
	removeFromSortedSet(key: string, member: string): Promise<void>;
	/** Members by score, lowest first, equal scores by name; at most `limit`. */
	membersOfSortedSet(key: string, limit: number): Promise<string[]>;
	/** Removes those below a score, such as those who were not heard of for long. */
	trimSortedSet(key: string, belowScore: number): Promise<void>;

	/** Appends and returns the entry's id. The oldest beyond `maxLength` go; all go `ttlMs` after the last append. */
	appendToHistory(key: string, value: BusValue, maxLength: number, ttlMs: number): Promise<string>;
	/**
	 * Entries after `afterId` (undefined: the oldest kept), at most `limit`. Throws REQUEST_INVALID for a malformed id.
	 */
	readHistory(key: string, afterId: string | undefined, limit: number): Promise<HistoryPage>;

	/** Resolves when the bus answers; else throws BUS_UNAVAILABLE. For readiness. */
	checkHealth(): Promise<void>;
	/** Ends subscriptions and connections. Idempotent. */
	close(): Promise<void>;
	[Symbol.asyncDispose](): Promise<void>;
}

/** When trying again makes sense. */
const RETRY_AFTER_SECONDS = 2;

/** The one error for "the bus does not answer". */
export function busUnavailable(cause?: unknown): SpillwayError {
	return new SpillwayError('BUS_UNAVAILABLE', [], { cause, retryAfterSeconds: RETRY_AFTER_SECONDS });
}

/** A place in a history: milliseconds and a number within them, as Redis streams count. */
export type HistoryPosition = { ms: number; sequence: number };

/** Reads an entry's id. Ids come back from viewers, so they are checked. Throws REQUEST_INVALID. */
export function parseHistoryId(id: string): HistoryPosition {
	const match = /^(\d{1,15})-(\d{1,9})$/.exec(id);
	if (match === null) {
		throw new SpillwayError('REQUEST_INVALID', ['the history id is malformed']);
	}
	return { ms: Number(match[1]), sequence: Number(match[2]) };
}

/** Writes an entry's id. */
export function formatHistoryId(position: HistoryPosition): string {
	return `${position.ms}-${position.sequence}`;
}

/** Negative when `one` is earlier. */
export function compareHistoryPositions(one: HistoryPosition, other: HistoryPosition): number {
	return one.ms - other.ms || one.sequence - other.sequence;
}

/** Throws TypeError for a time to live that would make a key live for ever or not at all. */
export function assertTtl(ttlMs: number): void {
	if (!Number.isFinite(ttlMs) || ttlMs < 1) {
		throw new TypeError(`A time to live must be at least 1 ms, but is ${ttlMs}.`);
	}
}

/** The text that is sent or kept. Throws TypeError for what JSON cannot hold. */
export function encodeBusValue(value: BusValue): string {
	const text = JSON.stringify(value) as string | undefined;
	if (text === undefined) {
		throw new TypeError('A message or value must be JSON.');
	}
	return text;
}

/** The reverse of {@link encodeBusValue}. */
export function decodeBusValue(text: string): BusValue {
	return JSON.parse(text) as BusValue;
}
