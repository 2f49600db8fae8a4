/** Holds requests until what they ask for exists. Knows neither playlists nor HTTP. */
import type { Clock } from '../../core/clock.ts';

/** What is waited on: something that says when it has changed. */
export interface ReloadSource {
	on(name: 'advanced', listener: () => void): () => void;
}

/** How a wait ended. */
export type WaitResult = 'ready' | 'timed-out' | 'aborted';

/**
 * Waiters released in one go before others get a turn. Each one makes a response of some 40 µs, and media timers must
 * not wait for thousands of them. Twice as many gain nothing, half as many add turns.
 */
const RELEASE_BATCH_SIZE = 256;

type Waiter = { isReady: () => boolean; settle: (result: WaitResult) => void; isReleasing: boolean };

/** The waiters on one source. */
export class BlockingReload {
	readonly #clock: Clock;
	readonly #waiters = new Set<Waiter>();
	readonly #removeListener: () => void;
	#releasing: Waiter[] = [];
	#cancelBatch: (() => void) | undefined;

	constructor(source: ReloadSource, clock: Clock) {
		this.#clock = clock;
		this.#removeListener = source.on('advanced', () => this.#release());
	}

	/** Requests held now. */
	get waiterCount(): number {
		return this.#waiters.size;
	}

	/**
	 * Resolves once `isReady()` is true, which is asked now and after each change; after `timeoutMs`; or when a signal
	 * aborts. Never rejects and leaves nothing behind.
	 */
	wait(isReady: () => boolean, timeoutMs: number, signals: readonly AbortSignal[] = []): Promise<WaitResult> {
		if (isReady()) {
			return Promise.resolve('ready');
		}
		if (signals.some((signal) => signal.aborted)) {
			return Promise.resolve('aborted');
		}
		return new Promise((resolve) => {
			const settle = (result: WaitResult): void => {
				if (!this.#waiters.delete(waiter)) {
					return;
				}
				cancelTimer();
				for (const signal of signals) {
					signal.removeEventListener('abort', onAbort);
				}
				resolve(result);
			};
			const waiter: Waiter = { isReady, settle, isReleasing: false };
			const onAbort = (): void => settle('aborted');
			const cancelTimer = this.#clock.setTimeout(() => settle('timed-out'), timeoutMs);
			for (const signal of signals) {
				signal.addEventListener('abort', onAbort, { once: true });
			}
			this.#waiters.add(waiter);
		});
	}

	/** Ends all waits as aborted and listens no longer. */
	close(): void {
		this.#removeListener();
		this.#cancelBatch?.();
		this.#releasing = [];
		for (const waiter of [...this.#waiters]) {
			waiter.settle('aborted');
		}
	}

	// One pass decides who is released (L-29); all of them then share one rendered body.
	#release(): void {
		for (const waiter of this.#waiters) {
			if (!waiter.isReleasing && waiter.isReady()) {
				waiter.isReleasing = true;
				this.#releasing.push(waiter);
			}
		}
		this.#cancelBatch?.();
		this.#releaseBatch();
	}

	#releaseBatch(): void {
		this.#cancelBatch = undefined;
		for (const waiter of this.#releasing.splice(0, RELEASE_BATCH_SIZE)) {
			waiter.settle('ready');
		}
		if (this.#releasing.length > 0) {
			this.#cancelBatch = this.#clock.setTimeout(() => this.#releaseBatch(), 0);
		}
	}
}
