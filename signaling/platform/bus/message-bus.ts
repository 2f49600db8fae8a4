/** The state that servers share besides the database: messages, expiring keys, sorted sets, bounded histories. */
import { SpillwayError } from '../../../core/errors/errors.ts';

/** A value that can be sent and stored. It is serialised even inside one process, so that no object is shared. */
export type BusValue = null | boolean | number | string | readonly BusValue[] | { readonly [key: string]: BusValue };

type HistoryEntry = {
	/** Sortable within one history; pass it back to read the entries after it. */
	id: string;
	value: BusValue;
};

export type HistoryPage = {
	/** Oldest first. */
	entries: HistoryEntry[];
	/** False when entries after the requested id are lost, so that the reader must start over. */
	isComplete: boolean;
};

/**
 * Every method throws BUS_UNAVAILABLE within about a second when the bus does not answer, and SERVER_STOPPING after
 * close(). Nothing on the media path may wait for it. Times to live are at least 1 ms. Names may hold any characters.
 */
export interface MessageBus {
	/**
	 * Sends to all current subscribers, the sender included, at most once: a subscriber without a connection misses it.
	 * Messages of one sender on one topic arrive in order, after this call.
	 */
	publish(topic: string, message: BusValue): Promise<void>;
	/** Resolves when new messages arrive; returns the function that ends the subscription at once. */
	subscribe(topic: string, listener: (message: BusValue) => void): Promise<() => void>;
	/** Calls the listener when the bus is back after a loss. Messages may be missing; read them from a history. */
	onReconnect(listener: () => void): () => void;

	set(key: string, value: BusValue, ttlMs: number): Promise<void>;
	get(key: string): Promise<BusValue | undefined>;
	delete(key: string): Promise<void>;

	/** Adds a member, or changes its score. The whole set expires `ttlMs` after the last call. */
	addToSortedSet(key: string, member: string, score: number, ttlMs: number): Promise<void>;
	removeFromSortedSet(key: string, member: string): Promise<void>;
	/** Members by score, lowest first, equal scores by name; at most `limit`. */
	membersOfSortedSet(key: string, limit: number): Promise<string[]>;
	trimSortedSet(key: string, belowScore: number): Promise<void>;

	/** Appends and returns the entry's id. Keeps the newest `maxLength`; all expire `ttlMs` after the last append. */
	appendToHistory(key: string, value: BusValue, maxLength: number, ttlMs: number): Promise<string>;
	/** At most `limit` entries after `afterId` (undefined: from the oldest). REQUEST_INVALID for a malformed id. */
	readHistory(key: string, afterId: string | undefined, limit: number): Promise<HistoryPage>;

	/** Resolves when the bus answers; else throws BUS_UNAVAILABLE. For readiness. */
	checkHealth(): Promise<void>;
	/** Ends subscriptions and connections. Idempotent. */
	close(): Promise<void>;
	[Symbol.asyncDispose](): Promise<void>;
}

const RETRY_AFTER_SECONDS = 2;

export function busUnavailable(cause?: unknown): SpillwayError {
	return new SpillwayError('BUS_UNAVAILABLE', [], { cause, retryAfterSeconds: RETRY_AFTER_SECONDS });
}

/** A position in a history: milliseconds and a sequence number within them, as in Redis streams. */
export type HistoryPosition = { ms: number; sequence: number };

/** Parses an entry's id, which clients send back. Throws REQUEST_INVALID. */
export function parseHistoryId(id: string): HistoryPosition {
	const match = /^(\d{1,15})-(\d{1,9})$/.exec(id);
	if (match === null) {
		throw new SpillwayError('REQUEST_INVALID', ['the history id is malformed']);
	}
	return { ms: Number(match[1]), sequence: Number(match[2]) };
}

export function formatHistoryId(position: HistoryPosition): string {
	return `${position.ms}-${position.sequence}`;
}

/** Negative when `one` is earlier. */
export function compareHistoryPositions(one: HistoryPosition, other: HistoryPosition): number {
	return one.ms - other.ms || one.sequence - other.sequence;
}

/** Throws TypeError for a time to live with which a key never expires or is never stored. */
export function assertTtl(ttlMs: number): void {
	if (!Number.isFinite(ttlMs) || ttlMs < 1) {
		throw new TypeError(`A time to live must be at least 1 ms, but is ${ttlMs}.`);
	}
}

/** The text that is sent or stored. Throws TypeError for values that JSON cannot hold. */
export function encodeBusValue(value: BusValue): string {
	const text = JSON.stringify(value) as string | undefined;
	if (text === undefined) {
		throw new TypeError('A message or value must be JSON.');
	}
	return text;
}

export function decodeBusValue(text: string): BusValue {
	return JSON.parse(text) as BusValue;
}
