/** A histogram of bounded size and bounded relative error, for percentiles of any number of samples (the HDR idea). */

/** Half of the linear steps in each power of two: a value is off by at most 1 part in 256. */
const HALF_STEPS = 128;
/** Values below this many units are kept exactly to a unit. */
const LINEAR_LIMIT = HALF_STEPS * 2;
/** Units per 1: a sixteenth of a millisecond, where samples are milliseconds. */
const UNITS = 16;
/**
 * Larger values are counted as this one, so that the number of buckets is bounded (below 12 000, both signs together).
 */
const MAX_VALUE = 2 ** 45;

/** What travels between processes: sparse buckets and the exact extremes. */
export type HistogramData = {
	/** Bucket index and count, alternating. */
	buckets: number[];
	count: number;
	sum: number;
	min: number;
	max: number;
};

/** The figures that reports show. */
export type HistogramSummary = {
	count: number;
	min: number;
	mean: number;
	p50: number;
	p90: number;
	p95: number;
	p99: number;
	p999: number;
	max: number;
};

/** Counts samples; negative ones as well, since a clock that is off must be seen. */
export class Histogram {
	readonly #buckets = new Map<number, number>();
	#count = 0;
	#sum = 0;
	#min = Infinity;
	#max = -Infinity;

	/** Samples counted. */
	get count(): number {
		return this.#count;
	}

	/** Counts a sample. One that is no finite number is refused with a TypeError: it would poison every figure. */
	record(value: number): void {
		if (!Number.isFinite(value)) {
			throw new TypeError(`A sample must be a finite number, but is ${value}.`);
		}
		const index = bucketIndex(value);
		this.#buckets.set(index, (this.#buckets.get(index) ?? 0) + 1);
		this.#count++;
		this.#sum += value;
		this.#min = Math.min(this.#min, value);
		this.#max = Math.max(this.#max, value);
	}

	/** Adds what another process has counted. */
	merge(data: HistogramData): void {
		if (data.count === 0) {
			return;
		}
		for (let at = 0; at + 1 < data.buckets.length; at += 2) {
			const index = data.buckets[at]!;
			this.#buckets.set(index, (this.#buckets.get(index) ?? 0) + data.buckets[at + 1]!);
		}
		this.#count += data.count;
		this.#sum += data.sum;
		this.#min = Math.min(this.#min, data.min);
		this.#max = Math.max(this.#max, data.max);
	}

	/** For another process; undefined when nothing was counted. With `reset`, counting begins anew. */
	toData(options: { reset: boolean }): HistogramData | undefined {
		if (this.#count === 0) {
			return undefined;
		}
		const buckets = [...this.#buckets].flat();
		const data = { buckets, count: this.#count, sum: this.#sum, min: this.#min, max: this.#max };
		if (options.reset) {
			this.#buckets.clear();
			[this.#count, this.#sum, this.#min, this.#max] = [0, 0, Infinity, -Infinity];
		}
		return data;
	}

	/**
	 * The p-th percentile, 0–100: the middle of the bucket that holds it, never outside the extremes. NaN for no samples.
	 */
	percentile(p: number): number {
		if (this.#count === 0) {
			return NaN;
		}
		return percentileOf(this.#sorted(), this.#count, p, this.#min, this.#max);
	}

	/** All figures; undefined when nothing was counted, since what was not measured is absent and not zero. */
	summary(): HistogramSummary | undefined {
		if (this.#count === 0) {
			return undefined;
		}
		const sorted = this.#sorted();
		const at = (p: number): number => percentileOf(sorted, this.#count, p, this.#min, this.#max);
		return {
			count: this.#count,
			min: this.#min,
			mean: this.#sum / this.#count,
			p50: at(50),
			p90: at(90),
			p95: at(95),
			p99: at(99),
			p999: at(99.9),
			max: this.#max,
		};
	}

	/** Percentile (0–100) and value pairs for a chart of the whole distribution. */
	curve(percentiles: readonly number[]): { p: number; value: number }[] {
		const sorted = this.#sorted();
		return this.#count === 0
			? []
			: percentiles.map((p) => ({ p, value: percentileOf(sorted, this.#count, p, this.#min, this.#max) }));
	}

	#sorted(): [number, number][] {
		return [...this.#buckets].sort(([a], [b]) => a - b);
	}
}

/** Bucket of a value; grows with the value. @internal for tests */
export function bucketIndex(value: number): number {
	const magnitude = Math.round(Math.min(MAX_VALUE, Math.abs(value)) * UNITS);
	const index = magnitude < LINEAR_LIMIT ? magnitude : logIndex(magnitude);
	return value < 0 ? -index : index;
}

/** Middle of a bucket. @internal for tests */
export function bucketValue(index: number): number {
	const magnitude = Math.abs(index);
	if (magnitude < LINEAR_LIMIT) {
		return index / UNITS;
	}
	const exponent = Math.floor((magnitude - LINEAR_LIMIT) / HALF_STEPS) + 1;
	const step = ((magnitude - LINEAR_LIMIT) % HALF_STEPS) + HALF_STEPS;
	return (Math.sign(index) * (step + 0.5) * 2 ** exponent) / UNITS;
}

function logIndex(magnitude: number): number {
	const exponent = Math.floor(Math.log2(magnitude)) - Math.log2(HALF_STEPS);
	const step = Math.floor(magnitude / 2 ** exponent) - HALF_STEPS;
	return LINEAR_LIMIT + (exponent - 1) * HALF_STEPS + step;
}

function percentileOf(sorted: readonly [number, number][], count: number, p: number, min: number, max: number): number {
	const rank = Math.max(1, Math.ceil((p / 100) * count));
	let seen = 0;
	for (const [index, inBucket] of sorted) {
		seen += inBucket;
		if (seen >= rank) {
			return Math.min(max, Math.max(min, bucketValue(index)));
		}
	}
	return max;
}
