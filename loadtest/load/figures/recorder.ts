/** Combines the figures of all processes: totals, percentiles of the steady state, and a bounded timeline. Pure. */
import { Histogram, type HistogramSummary } from './histogram.ts';
import type { FiguresData } from './messages.ts';

/** Parts of a run. Percentiles come from `steady`. */
type RunPhase = 'baseline' | 'ramp' | 'steady' | 'leaving' | 'after';

/** One point of the timeline, a second at first; see {@link MAX_POINTS}. */
export type TimelinePoint = {
	/** Milliseconds from the start of the ramp; the baseline is negative. */
	atMs: number;
	phase: RunPhase;
	/** Sums over all processes. */
	gauges: Record<string, number>;
	/** Percentiles of the samples since the last point. */
	spreads: Record<string, { p50: number; p95: number }>;
	/** Counts since the last point. */
	counters: Record<string, number>;
};

/** With more points, every second one is deleted and new ones come half as often. */
const MAX_POINTS = 1200;
/** Figures of the whole run: joins happen in the ramp, and peaks anywhere. */
const WHOLE_RUN = /(\.join|\.picture|\.answer|\.switch|\.startLate|Held)$/;
const CURVE_PERCENTILES = [0, 5, 10, 20, 30, 40, 50, 60, 70, 75, 80, 85, 90, 92.5, 95, 97.5, 98, 99, 99.5, 99.9, 100];

export class RunRecorder {
	readonly #counters: Record<string, number> = {};
	readonly #gauges = new Map<string, Record<string, number>>();
	readonly #spreads = new Map<string, Histogram>();
	readonly #baseline = new Map<string, Histogram>();
	#sinceSamples = new Map<string, Histogram>();
	#sinceCounters: Record<string, number> = {};
	#timeline: TimelinePoint[] = [];
	#stride = 1;
	#skipped = 0;
	phase: RunPhase = 'baseline';

	add(processName: string, { counters, gauges, samples }: FiguresData): void {
		for (const [name, by] of Object.entries(counters)) {
			this.#counters[name] = (this.#counters[name] ?? 0) + by;
			this.#sinceCounters[name] = (this.#sinceCounters[name] ?? 0) + by;
		}
		this.#gauges.set(processName, gauges);
		for (const [name, data] of Object.entries(samples)) {
			histogramOf(this.#sinceSamples, name).merge(data);
			if (this.phase === 'steady' || WHOLE_RUN.test(name)) {
				histogramOf(this.#spreads, name).merge(data);
			} else if (this.phase === 'baseline') {
				histogramOf(this.#baseline, name).merge(data);
			}
		}
	}

	/** A figure of the parent's own, such as the server's CPU. */
	sample(name: string, value: number): void {
		const one = new Histogram();
		one.record(value);
		this.add('parent', { counters: {}, gauges: {}, samples: { [name]: one.take()! } });
	}

	/** Ends a second. */
	tick(atMs: number): void {
		if (++this.#skipped < this.#stride) {
			return;
		}
		this.#skipped = 0;
		const spreads: TimelinePoint['spreads'] = {};
		for (const [name, histogram] of this.#sinceSamples) {
			const [p50 = NaN, p95 = NaN] = histogram.percentiles([50, 95]);
			spreads[name] = { p50, p95 };
		}
		this.#timeline.push({ atMs, phase: this.phase, gauges: this.gauges(), spreads, counters: this.#sinceCounters });
		[this.#sinceSamples, this.#sinceCounters] = [new Map(), {}];
		if (this.#timeline.length > MAX_POINTS) {
			this.#timeline = this.#timeline.filter((_, index) => index % 2 === 0);
			this.#stride *= 2;
		}
	}

	/** The newest gauges, added up over all processes. */
	gauges(): Record<string, number> {
		const sums: Record<string, number> = {};
		for (const gauges of this.#gauges.values()) {
			for (const [name, value] of Object.entries(gauges)) {
				sums[name] = (sums[name] ?? 0) + value;
			}
		}
		return sums;
	}

	get timeline(): readonly TimelinePoint[] {
		return this.#timeline;
	}

	/** Totals of the whole run. */
	get counters(): Readonly<Record<string, number>> {
		return this.#counters;
	}

	/** Percentiles of the steady state; those of joins and peaks of the whole run. */
	spreads(): Record<string, HistogramSummary> {
		return summaries(this.#spreads);
	}

	/** Percentiles of the time before the first viewer. */
	baseline(): Record<string, HistogramSummary> {
		return summaries(this.#baseline);
	}

	/** Percentiles (0–100) of the whole distribution, for a chart; empty when the metric was not measured. */
	curve(name: string): { p: number; value: number }[] {
		const values = this.#spreads.get(name)?.percentiles(CURVE_PERCENTILES) ?? [];
		return values.map((value, index) => ({ p: CURVE_PERCENTILES[index]!, value }));
	}
}

function histogramOf(map: Map<string, Histogram>, name: string): Histogram {
	const histogram = map.get(name) ?? new Histogram();
	map.set(name, histogram);
	return histogram;
}

function summaries(map: ReadonlyMap<string, Histogram>): Record<string, HistogramSummary> {
	const entries = [...map]
		.sort(([a], [b]) => a.localeCompare(b))
		.map(([name, histogram]) => [name, histogram.summary()]);
	return Object.fromEntries(entries.filter(([, summary]) => summary !== undefined)) as Record<string, HistogramSummary>;
}
