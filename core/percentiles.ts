/** Percentiles of a set of samples, for reports. */

/** The p-th percentile (0–100) by linear interpolation between order statistics; NaN for an empty set. */
export function percentile(samples: readonly number[], p: number): number {
	if (samples.length === 0) {
		return NaN;
	}
	const sorted = new Float64Array(samples).sort();
	const position = ((sorted.length - 1) * p) / 100;
	const low = Math.floor(position);
	const high = Math.ceil(position);
	return sorted[low]! + (sorted[high]! - sorted[low]!) * (position - low);
}

/** NaN for an empty set. */
export function median(samples: readonly number[]): number {
	return percentile(samples, 50);
}
