/** What all object stores share: checks of arguments, the end of waits, and the two errors with their reasons. */
import { withDeadline, type Clock } from '../../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../../core/errors/errors.ts';
import { isObjectName, type ByteRange } from '../../../packager/store/object-store.ts';

/** Throws a TypeError: names come from our own code, never from a request. */
export function assertObjectName(name: string): void {
	if (!isObjectName(name)) {
		throw new TypeError(`${JSON.stringify(name)} is not an object's name.`);
	}
}

/** A prefix is a name and a slash. */
export function assertPrefix(prefix: string): void {
	if (!prefix.endsWith('/') || !isObjectName(prefix.slice(0, -1))) {
		throw new TypeError(`${JSON.stringify(prefix)} is not a prefix: it must be an object's name and a slash.`);
	}
}

export function assertByteRange(range: ByteRange | undefined): void {
	if (range === undefined) {
		return;
	}
	const { startByte, endByte } = range;
	if (!Number.isSafeInteger(startByte) || !Number.isSafeInteger(endByte) || startByte < 0 || endByte < startByte) {
		throw new TypeError(`Bytes ${startByte} up to ${endByte} are no range.`);
	}
}

/** `reason` names the place and the cause, without a capital and without a final stop. */
export function storeUnavailable(reason: string, cause?: unknown): SpillwayError {
	return new SpillwayError('OBJECT_STORE_UNAVAILABLE', [reason], { cause });
}

/** Counts what runs, so that closing waits for it, and rejects what outlasts its deadline. */
export class RunningWork {
	readonly #clock: Clock;
	readonly #running = new Set<Promise<unknown>>();

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** Settles as `work` does, or rejects with OBJECT_STORE_UNAVAILABLE; the work itself may then still run. */
	run<T>(work: () => Promise<T>, timeoutMs: number, reason: () => string): Promise<T> {
		const promise = Promise.resolve().then(work);
		const ended = promise.catch(() => undefined).finally(() => this.#running.delete(ended));
		this.#running.add(ended);
		return withDeadline(this.#clock, promise, timeoutMs, () => storeUnavailable(reason()));
	}

	/** Resolves when nothing runs, or when the time is up. */
	async settle(timeoutMs: number): Promise<void> {
		const all = Promise.all(this.#running);
		await withDeadline(this.#clock, all, timeoutMs, () => new Error('the work continues')).catch(() => undefined);
	}
}
