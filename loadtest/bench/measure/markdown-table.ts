/** Tables and figures of the bench's Markdown reports. */
import { percentile } from '../../../core/percentiles.ts';

/** A table that ends with a line break. */
export function markdownTable(head: readonly string[], rows: ReadonlyArray<ReadonlyArray<string | number>>): string {
	return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |\n`).join('');
}

/** The figure with that many decimals, or a dash for one that was not measured. */
export function figure(value: number | undefined, decimals = 0): string {
	return value === undefined ? '–' : value.toFixed(decimals);
}

/** p50, p95 and maximum as cells; dashes for no samples. */
export function percentileCells(samples: readonly number[]): string[] {
	return samples.length === 0
		? ['–', '–', '–']
		: [percentile(samples, 50), percentile(samples, 95), Math.max(...samples)].map((value) => figure(value));
}
