/** Counters, gauges and samples of one process, handed to the parent once a second. */
import { Histogram } from './histogram.ts';
import type { FiguresData } from './messages.ts';

/** Names are few and fixed; more mean that one contains data. */
const MAX_NAMES = 500;

export class Figures {
	#counters: Record<string, number> = {};
	readonly #gauges: Record<string, number> = {};
	readonly #samples = new Map<string, Histogram>();

	count(name: string, by = 1): void {
		this.#counters[name] = (this.#counters[name] ?? 0) + by;
	}

	/** Adds to a gauge; `by` may be negative. */
	adjust(name: string, by: number): void {
		this.#gauges[name] = (this.#gauges[name] ?? 0) + by;
	}

	set(name: string, value: number): void {
		this.#gauges[name] = value;
	}

	/** The gauge now; 0 before it was set. */
	gauge(name: string): number {
		return this.#gauges[name] ?? 0;
	}

	/** Records a sample; its unit is the metric's (milliseconds, or bits per second). */
	sample(name: string, value: number): void {
		let histogram = this.#samples.get(name);
		if (histogram === undefined) {
			if (this.#samples.size >= MAX_NAMES) {
				throw new TypeError(`There are ${MAX_NAMES} metrics already; "${name}" looks made up.`);
			}
			histogram = new Histogram();
			this.#samples.set(name, histogram);
		}
		histogram.record(value);
	}

	/** Counts since the last call, and the gauges now. */
	take(): FiguresData {
		const counters = this.#counters;
		this.#counters = {};
		const samples: FiguresData['samples'] = {};
		for (const [name, histogram] of this.#samples) {
			const data = histogram.take();
			if (data !== undefined) {
				samples[name] = data;
			}
		}
		return { counters, gauges: { ...this.#gauges }, samples };
	}
}
