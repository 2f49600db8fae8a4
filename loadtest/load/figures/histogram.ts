/** A histogram of bounded size and bounded relative error, for percentiles of any number of samples (the HDR idea). */

/** Half of the linear steps in each power of two: the error is at most 1 part in 256. */
const HALF_STEPS = 128;
/** Values below this many units are exact to a unit. */
const LINEAR_LIMIT = HALF_STEPS * 2;
/** Units per 1: a sixteenth of a millisecond, where samples are milliseconds. */
const UNITS = 16;
/** Larger values count as this one, so that there are fewer than 12 000 buckets, both signs together. */
const MAX_VALUE = 2 ** 45;

/** For another process: sparse buckets and the exact extremes. */
export type HistogramData = {
	/** Bucket index and count, alternating. */
	buckets: number[];
	count: number;
	sum: number;
	min: number;
	max: number;
};

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

/** Counts samples; negative ones as well, so that a wrong clock is visible. */
export class Histogram {
	readonly #buckets = new Map<number, number>();
	#count = 0;
	#sum = 0;
	#min = Infinity;
	#max = -Infinity;

	/** Throws TypeError for a value that is not finite, which makes every figure wrong. */
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

	/** Adds the samples of another process. */
	merge(data: HistogramData): void {
		for (let at = 0; at + 1 < data.buckets.length; at += 2) {
			const index = data.buckets[at]!;
			this.#buckets.set(index, (this.#buckets.get(index) ?? 0) + data.buckets[at + 1]!);
		}
		this.#count += data.count;
		this.#sum += data.sum;
		this.#min = Math.min(this.#min, data.min);
		this.#max = Math.max(this.#max, data.max);
	}

	/** Returns the samples for another process and deletes them; undefined when there are none. */
	take(): HistogramData | undefined {
		if (this.#count === 0) {
			return undefined;
		}
		const buckets = [...this.#buckets].flat();
		const data = { buckets, count: this.#count, sum: this.#sum, min: this.#min, max: this.#max };
		this.#buckets.clear();
		[this.#count, this.#sum, this.#min, this.#max] = [0, 0, Infinity, -Infinity];
		return data;
	}

	/** All figures; undefined for no samples: what was not measured is absent and not zero. */
	summary(): HistogramSummary | undefined {
		const [p50 = NaN, p90 = NaN, p95 = NaN, p99 = NaN, p999 = NaN] = this.percentiles([50, 90, 95, 99, 99.9]);
		const [count, min, max] = [this.#count, this.#min, this.#max];
		return count === 0 ? undefined : { count, min, mean: this.#sum / count, p50, p90, p95, p99, p999, max };
	}

	/** Percentiles (0–100): the middle of the bucket, never outside the extremes. NaN for no samples. */
	percentiles(wanted: readonly number[]): number[] {
		const sorted = [...this.#buckets].sort(([a], [b]) => a - b);
		return wanted.map((p) => {
			const rank = Math.max(1, Math.ceil((p / 100) * this.#count));
			let seen = 0;
			for (const [index, inBucket] of sorted) {
				seen += inBucket;
				if (seen >= rank) {
					return Math.min(this.#max, Math.max(this.#min, bucketValue(index)));
				}
			}
			return NaN;
		});
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
