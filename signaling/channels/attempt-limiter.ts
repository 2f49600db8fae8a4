/** Slows down whoever guesses: after some failures an address waits longer and longer. Pure but for the clock. */
import { isIPv6 } from 'node:net';
import type { Clock } from '../../core/clock.ts';

/** Failures that cost nothing: people mistype, and an encoder with an old key retries some times before it is noticed. */
const FREE_FAILURES = 10;
/** The first wait; it doubles with each further failure. */
const FIRST_DELAY_MS = 1000;
/** The longest wait. A streamer who mends his key waits no longer than this; a guesser gets 1440 tries a day. */
const MAX_DELAY_MS = 60_000;
/** An address is forgotten this long after its last failure. */
const MEMORY_MS = 15 * 60_000;
/** Addresses that are remembered; beyond them the one that failed longest ago is forgotten. About 2 MB. */
const MAX_ADDRESSES = 10_000;

type Record = { failureCount: number; blockedUntilMs: number; lastFailureAtMs: number };

/** Counts failures by address. Attempts that are still being checked count as failures, so that a volley gains nothing. */
export class AttemptLimiter {
	readonly #clock: Clock;
	readonly #maxAddresses: number;
	// In order of the last failure, oldest first.
	readonly #records = new Map<string, Record>();

	constructor(clock: Clock, maxAddresses: number = MAX_ADDRESSES) {
		this.#clock = clock;
		this.#maxAddresses = maxAddresses;
	}

	/**
	 * Begins an attempt. Returns the milliseconds to wait when the address must not try now, else 0; the attempt counts as
	 * failed until {@link succeed} is called.
	 */
	begin(address: string): number {
		const key = addressKey(address);
		const nowMs = this.#clock.monotonicMs();
		const record = this.#recall(key, nowMs) ?? { failureCount: 0, blockedUntilMs: 0, lastFailureAtMs: 0 };
		if (record.blockedUntilMs > nowMs) {
			return record.blockedUntilMs - nowMs;
		}
		record.failureCount++;
		record.lastFailureAtMs = nowMs;
		const excess = record.failureCount - FREE_FAILURES;
		if (excess > 0) {
			record.blockedUntilMs = nowMs + Math.min(FIRST_DELAY_MS * 2 ** Math.min(excess - 1, 30), MAX_DELAY_MS);
		}
		this.#remember(key, record);
		return 0;
	}

	/**
	 * Takes back what begin() counted: the attempt was right, or could not be checked. Earlier failures stay, so that a
	 * guesser with one good key of his own cannot wipe his slate with it.
	 */
	succeed(address: string): void {
		const key = addressKey(address);
		const record = this.#records.get(key);
		if (record !== undefined) {
			record.failureCount--;
			record.blockedUntilMs = 0;
			if (record.failureCount <= 0) {
				this.#records.delete(key);
			}
		}
	}

	/** How many addresses are remembered. */
	get addressCount(): number {
		return this.#records.size;
	}

	#recall(key: string, nowMs: number): Record | undefined {
		const record = this.#records.get(key);
		return record !== undefined && nowMs - record.lastFailureAtMs < MEMORY_MS ? record : undefined;
	}

	#remember(key: string, record: Record): void {
		this.#records.delete(key);
		this.#records.set(key, record);
		if (this.#records.size > this.#maxAddresses) {
			const oldest = this.#records.keys().next();
			if (oldest.done !== true) {
				this.#records.delete(oldest.value);
			}
		}
	}
}

/**
 * What counts as one sender: an IPv4 address, also when it is written as IPv6; of an IPv6 address the first 64 bits, because
 * a household owns all addresses below them.
 */
export function addressKey(address: string): string {
	const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
	if (mapped !== null) {
		return mapped[1]!;
	}
	const [plain] = address.split('%');
	if (!isIPv6(plain!)) {
		return address.slice(0, 64);
	}
	const [head, tail] = plain!.split('::') as [string, string?];
	const groups = head.split(':').filter((group) => group !== '');
	if (tail !== undefined) {
		const tailGroups = tail.split(':').filter((group) => group !== '');
		while (groups.length + tailGroups.length < 8) {
			groups.push('0');
		}
		groups.push(...tailGroups);
	}
	return `${groups.slice(0, 4).map((group) => parseInt(group, 16).toString(16)).join(':')}::/64`; // prettier-ignore
}
