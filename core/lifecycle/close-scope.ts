/** One teardown path for each object: a named reason, cleanups in reverse order, an abort signal for pending waits. */
import type { Logger } from '../logger.ts';
import type { CancelTimer, Clock } from './clock.ts';

/** Owned by everything that can be closed. Closing starts synchronously and finishes asynchronously. */
export class CloseScope<Reason extends string> {
	readonly #abortController = new AbortController();
	readonly #logger: Logger | undefined;
	/** In the order of registration. A set, because each of thousands of viewers unregisters. */
	readonly #cleanups = new Set<{ run: (reason: Reason) => void | Promise<void> }>();
	#closePromise: Promise<void> | undefined;
	#reason: Reason | undefined;

	/** A cleanup that throws is logged here and does not stop the others. */
	constructor(logger?: Logger) {
		this.#logger = logger;
	}

	/** True as soon as close() is called. */
	get closed(): boolean {
		return this.#closePromise !== undefined;
	}

	/** Why it was closed; undefined while open. */
	get reason(): Reason | undefined {
		return this.#reason;
	}

	/** Aborts with the reason as soon as closing starts. Pass it to everything that waits. */
	get signal(): AbortSignal {
		return this.#abortController.signal;
	}

	/**
	 * Registers a cleanup. Cleanups run last registered first; in a closed scope the cleanup runs at once. Returns a
	 * function that unregisters it.
	 */
	onClose(cleanup: (reason: Reason) => void | Promise<void>): () => void {
		if (this.#closePromise !== undefined) {
			void this.#runOne(cleanup, this.#reason!);
			return () => undefined;
		}
		// Wrapped, because the same function may be registered twice.
		const entry = { run: cleanup };
		this.#cleanups.add(entry);
		return () => void this.#cleanups.delete(entry);
	}

	/** Calls back once after the delay, unless closing has begun by then. Returns a function that cancels it. */
	after(clock: Clock, delayMs: number, callback: () => void): CancelTimer {
		return this.#holdTimer((run) => clock.setTimeout(run, delayMs), callback, true);
	}

	/** Calls back repeatedly until closing begins. Returns a function that cancels it. */
	every(clock: Clock, intervalMs: number, callback: () => void): CancelTimer {
		return this.#holdTimer((run) => clock.setInterval(run, intervalMs), callback, false);
	}

	/** Idempotent: later calls return the promise of the first. Never rejects. */
	close(reason: Reason): Promise<void> {
		if (this.#closePromise === undefined) {
			this.#reason = reason;
			let finish!: () => void;
			// Assigned before abort(), because an abort listener may call close() again.
			this.#closePromise = new Promise((resolve) => (finish = resolve));
			this.#abortController.abort(new DOMException(reason, 'AbortError'));
			void this.#runCleanups(reason).then(finish);
		}
		return this.#closePromise;
	}

	#holdTimer(start: (run: () => void) => CancelTimer, callback: () => void, isOnce: boolean): CancelTimer {
		if (this.closed) {
			return () => undefined;
		}
		const cancelTimer = start(() => {
			if (isOnce) {
				unregister();
			}
			// While a slow cleanup that was registered later runs, this timer's own cleanup has not run yet.
			if (!this.closed) {
				callback();
			}
		});
		const unregister = this.onClose(cancelTimer);
		return () => {
			unregister();
			cancelTimer();
		};
	}

	async #runCleanups(reason: Reason): Promise<void> {
		for (const entry of [...this.#cleanups].reverse()) {
			// One cleanup may have unregistered another.
			if (this.#cleanups.delete(entry)) {
				await this.#runOne(entry.run, reason);
			}
		}
	}

	async #runOne(cleanup: (reason: Reason) => void | Promise<void>, reason: Reason): Promise<void> {
		try {
			await cleanup(reason);
		} catch (error) {
			this.#logger?.error({ err: error, reason }, 'a cleanup failed while closing');
		}
	}
}
