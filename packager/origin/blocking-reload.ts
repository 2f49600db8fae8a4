/** Holds requests until what they ask for exists. Knows neither playlists nor HTTP. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { Timer } from '../../core/lifecycle/timer.ts';

interface ReloadSource {
	on(name: 'advanced', listener: () => void): () => void;
}

/** How a wait ended. */
export type WaitResult = 'ready' | 'timed-out' | 'aborted';

/**
 * Waiters released at once before others get a turn. Each one makes a response of some 40 µs, and media timers must not
 * wait for thousands of them. Twice as many gain nothing, half as many add turns.
 */
const RELEASE_BATCH_SIZE = 256;
/** A crowd gets some milliseconds of answers, then a rest of so many times that: at most a third of the process. */
const CROWD_BATCH_SIZE = 32;
const CROWD_REST = 2;
const MAX_CROWD_REST_MS = 200;

type Waiter = {
	group: Group;
	/** Its time is over, and it waits for its turn. */
	isLate: boolean;
	signals: readonly AbortSignal[];
	cancelTimer: () => void;
	resolve: (result: WaitResult) => void;
};
/** Waits for the same thing. `crowd`: those of clients that hold many requests, released after all others. */
type Group = { key: unknown; isReady: () => boolean; waiters: Set<Waiter>; crowd: Set<Waiter> };
/** The waiters that one signal aborts. */
type Watch = { waiters: Set<Waiter>; onAbort: () => void };

/**
 * The waiters on one source. To add, release or abort one costs the same however many there are. They are in sets, one
 * per key and one per signal. A signal that thousands share has one listener. With a listener for each waiter Node
 * walks through all of them whenever one is added or removed.
 */
export class BlockingReload {
	readonly #deps: { source: ReloadSource; clock: Clock };
	readonly #groups = new Map<unknown, Group>();
	readonly #watches = new Map<AbortSignal, Watch>();
	readonly #removeListener: () => void;
	readonly #releasing = new Set<Group>();
	/** Waiters for nothing but their turn. */
	readonly #turns: Group = { key: undefined, isReady: () => true, waiters: new Set(), crowd: new Set() };
	#waiterCount = 0;
	readonly #batchTimer: Timer;
	/** Armed for the turn of the event loop in which the crowd's answers go out. */
	readonly #costTimer: Timer;
	#crowdAtMs = 0;

	constructor(deps: { source: ReloadSource; clock: Clock }) {
		this.#deps = deps;
		this.#batchTimer = new Timer(deps.clock, () => this.#releaseBatch());
		this.#costTimer = new Timer(deps.clock, () => this.#restAfterCrowd());
		this.#removeListener = deps.source.on('advanced', () => this.#release());
	}

	/** Requests held now. */
	get waiterCount(): number {
		return this.#waiterCount;
	}

	/**
	 * Resolves once `isReady()` is true, which is checked now and after each change; after `timeoutMs`; or when a signal
	 * aborts. Never rejects and leaves nothing behind. After a change one check answers all waits of the same `key`, so
	 * that a change costs no more than the number of keys. `isOfCrowd`: it is released last, so that a client with
	 * thousands delays only itself.
	 */
	wait(
		isReady: () => boolean,
		timeoutMs: number,
		signals: readonly AbortSignal[] = [],
		key: unknown = isReady,
		isOfCrowd = false,
	): Promise<WaitResult> {
		if (isReady()) {
			return Promise.resolve('ready');
		}
		if (signals.some((signal) => signal.aborted)) {
			return Promise.resolve('aborted');
		}
		let group = this.#groups.get(key);
		if (group === undefined) {
			group = { key, isReady, waiters: new Set(), crowd: new Set() };
			this.#groups.set(key, group);
		}
		return this.#join(group, isOfCrowd, timeoutMs, signals);
	}

	#join(group: Group, isOfCrowd: boolean, timeoutMs: number, signals: readonly AbortSignal[]): Promise<WaitResult> {
		return new Promise((resolve) => {
			const waiter: Waiter = {
				group,
				isLate: false,
				signals,
				cancelTimer: this.#deps.clock.setTimeout(() => this.#onTimeout(waiter), timeoutMs),
				resolve,
			};
			(isOfCrowd ? group.crowd : group.waiters).add(waiter);
			for (const signal of signals) {
				this.#watch(signal).waiters.add(waiter);
			}
			this.#waiterCount++;
		});
	}

	/** Like wait(), for the turn of a client that asks very often: after all waits for a change, at a crowd's pace. */
	turn(timeoutMs: number, signals: readonly AbortSignal[] = []): Promise<WaitResult> {
		if (signals.some((signal) => signal.aborted)) {
			return Promise.resolve('aborted');
		}
		const result = this.#join(this.#turns, true, timeoutMs, signals);
		this.#giveTurns();
		return result;
	}

	/** Ends all waits as aborted and stops listening. */
	close(): void {
		this.#removeListener();
		this.#disarmBatch();
		for (const { waiters, crowd } of [...this.#releasing, ...this.#groups.values()]) {
			this.#settleAll(waiters, 'aborted');
			this.#settleAll(crowd, 'aborted');
		}
		this.#releasing.clear();
	}

	// A crowd that came together is late together, and its answers cost the same.
	#onTimeout(waiter: Waiter): void {
		const { group } = waiter;
		if (!group.crowd.delete(waiter)) {
			this.#settle(waiter, 'timed-out');
			return;
		}
		this.#dropIfEmpty(group);
		waiter.group = this.#turns;
		waiter.isLate = true;
		this.#turns.crowd.add(waiter);
		this.#giveTurns();
	}

	#giveTurns(): void {
		this.#releasing.add(this.#turns);
		if (!this.#batchTimer.isArmed && !this.#costTimer.isArmed) {
			this.#beginRest();
		}
	}

	// A group that is being released may have a successor under its key.
	#dropIfEmpty(group: Group): void {
		if (group.waiters.size === 0 && group.crowd.size === 0 && this.#groups.get(group.key) === group) {
			this.#groups.delete(group.key);
		}
	}

	#watch(signal: AbortSignal): Watch {
		let watch = this.#watches.get(signal);
		if (watch === undefined) {
			const waiters = new Set<Waiter>();
			watch = { waiters, onAbort: () => this.#settleAll(waiters, 'aborted') };
			this.#watches.set(signal, watch);
			signal.addEventListener('abort', watch.onAbort, { once: true });
		}
		return watch;
	}

	#settleAll(waiters: Set<Waiter>, result: WaitResult): void {
		for (const waiter of waiters) {
			this.#settle(waiter, result);
		}
	}

	#settle(waiter: Waiter, result: WaitResult): void {
		const { group, signals } = waiter;
		if (!group.waiters.delete(waiter) && !group.crowd.delete(waiter)) {
			return;
		}
		this.#waiterCount--;
		this.#dropIfEmpty(group);
		waiter.cancelTimer();
		for (const signal of signals) {
			const watch = this.#watches.get(signal)!;
			watch.waiters.delete(waiter);
			if (watch.waiters.size === 0) {
				this.#watches.delete(signal);
				signal.removeEventListener('abort', watch.onAbort);
			}
		}
		waiter.resolve(result);
	}

	// One pass decides what is released (L-29); all of it then shares one rendered body.
	#release(): void {
		for (const group of this.#groups.values()) {
			if (group.isReady()) {
				this.#groups.delete(group.key);
				this.#releasing.add(group);
			}
		}
		this.#disarmBatch();
		this.#releaseBatch();
	}

	#releaseBatch(): void {
		if (!this.#releaseSome('waiters', RELEASE_BATCH_SIZE)) {
			this.#batchTimer.arm(0);
		} else if (!this.#releaseSome('crowd', CROWD_BATCH_SIZE)) {
			this.#beginRest();
		} else {
			this.#releasing.clear();
		}
	}

	/** True when none is left. */
	#releaseSome(which: 'waiters' | 'crowd', count: number): boolean {
		let left = count;
		for (const group of this.#releasing) {
			for (const waiter of group[which]) {
				if (left-- === 0) {
					return false;
				}
				this.#settle(waiter, waiter.isLate ? 'timed-out' : 'ready');
			}
		}
		return true;
	}

	// The cost of the answers shows in the next turn of the event loop.
	#beginRest(): void {
		this.#crowdAtMs = this.#deps.clock.monotonicMs();
		this.#costTimer.arm(0);
	}

	#restAfterCrowd(): void {
		const tookMs = this.#deps.clock.monotonicMs() - this.#crowdAtMs;
		this.#batchTimer.arm(Math.min(MAX_CROWD_REST_MS, tookMs * CROWD_REST));
	}

	#disarmBatch(): void {
		this.#batchTimer.disarm();
		this.#costTimer.disarm();
	}
}
