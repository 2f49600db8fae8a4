/**
 * When the bytes of requests came, as the browser's network process saw them (W3C Resource Timing). The page itself may
 * be busy meanwhile, and then a small part seems to come slowly.
 */
import type { Clock } from '../../../../core/lifecycle/clock.ts';
import type { Transfer } from './throughput-meter.ts';

/** The used part of an entry. */
type ResourceEntry = {
	name: string;
	startTime: number;
	responseStart: number;
	responseEnd: number;
	transferSize: number;
};

type Waiting = { url: string; requestedAtMs: number; done: (entry: ResourceEntry | undefined) => void };

/** Entries come shortly after the request has ended. */
const PATIENCE_MS = 150;
const KEPT_ENTRIES = 64;

export class ResourceTimings {
	readonly #clock: Clock;
	readonly #observer: PerformanceObserver | undefined;
	#entries: ResourceEntry[] = [];
	readonly #waiting = new Set<Waiting>();

	constructor(clock: Clock) {
		this.#clock = clock;
		if (typeof PerformanceObserver !== 'undefined' && PerformanceObserver.supportedEntryTypes?.includes('resource')) {
			this.#observer = new PerformanceObserver((list) =>
				this.add(list.getEntries() as unknown as readonly ResourceEntry[]),
			);
			this.#observer.observe({ type: 'resource' });
		}
	}

	/** Resolves with the better times, or with `measured` where there are none; undefined: from a cache. */
	async transferOf(url: string, requestedAtMs: number, measured: Transfer): Promise<Transfer | undefined> {
		const entry = this.#observer === undefined ? undefined : await this.#entryOf(url, requestedAtMs);
		// Zero for other origins that do not allow it, and for aborted requests.
		if (entry === undefined || entry.responseStart === 0 || entry.responseEnd < entry.responseStart) {
			return measured;
		}
		const { responseStart, responseEnd, transferSize } = entry;
		return transferSize === 0 ? undefined : { startMs: responseStart, endMs: responseEnd, bytes: transferSize };
	}

	/** As the observer does. @internal for tests */
	add(entries: readonly ResourceEntry[]): void {
		this.#entries = [...this.#entries, ...entries].slice(-KEPT_ENTRIES);
		for (const waiting of this.#waiting) {
			const entry = this.#take(waiting.url, waiting.requestedAtMs);
			if (entry !== undefined) {
				waiting.done(entry);
			}
		}
	}

	close(): void {
		this.#observer?.disconnect();
		for (const { done } of this.#waiting) {
			done(undefined);
		}
	}

	#entryOf(url: string, requestedAtMs: number): Promise<ResourceEntry | undefined> {
		const known = this.#take(url, requestedAtMs);
		if (known !== undefined) {
			return Promise.resolve(known);
		}
		return new Promise((resolve) => {
			const cancel = this.#clock.setTimeout(() => waiting.done(undefined), PATIENCE_MS);
			const waiting: Waiting = {
				url,
				requestedAtMs,
				done: (entry) => {
					cancel();
					this.#waiting.delete(waiting);
					resolve(entry);
				},
			};
			this.#waiting.add(waiting);
		});
	}

	/** The same address may be requested again after an aborted request. */
	#take(url: string, requestedAtMs: number): ResourceEntry | undefined {
		return this.#entries.findLast(({ name, startTime }) => name === url && startTime >= requestedAtMs - 1);
	}
}
