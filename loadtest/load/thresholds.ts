/** Conditions on a run's figures: `webrtc.latency.p95<500`. From the command line, judged after the run. */
import type { HistogramSummary } from './figures/histogram.ts';

const STATISTICS = ['count', 'min', 'mean', 'p50', 'p90', 'p95', 'p99', 'p999', 'max'] as const;

/** A condition on one figure. Times are milliseconds, ratios 0–1. */
export type Threshold = {
	text: string;
	/** `webrtc.latency` (with a statistic) or `webrtc.failed` (a counter or ratio). */
	metric: string;
	statistic?: (typeof STATISTICS)[number];
	operator: '<=' | '>=' | '<' | '>' | '=';
	bound: number;
};

/** `value` is absent when the figure was not measured, which is a failure. */
export type ThresholdResult = { text: string; value?: number; isKept: boolean };

/** Throws TypeError with what is wrong. */
export function parseThreshold(text: string): Threshold {
	const match = /^\s*([a-z][\w-]*(?:\.[a-z][\w-]*)+)\s*(<=|>=|<|>|=)\s*(-?\d+(?:\.\d+)?)\s*$/i.exec(text);
	if (match === null) {
		throw new TypeError(`"${text}" is no threshold. Write metric, comparison and number: webrtc.latency.p95<500`);
	}
	const [, name, operator, bound] = match;
	const last = name!.slice(name!.lastIndexOf('.') + 1);
	const statistic = STATISTICS.find((known) => known === last);
	if (statistic !== undefined && name!.split('.').length < 3) {
		throw new TypeError(`"${text}" names no metric before "${statistic}".`);
	}
	return {
		text: text.trim(),
		metric: statistic === undefined ? name! : name!.slice(0, -last.length - 1),
		...(statistic === undefined ? {} : { statistic }),
		operator: operator as Threshold['operator'],
		bound: Number(bound),
	};
}

export function judgeThresholds(
	thresholds: readonly Threshold[],
	spreads: Readonly<Record<string, HistogramSummary>>,
	numbers: Readonly<Record<string, number>>,
): ThresholdResult[] {
	return thresholds.map((threshold) => {
		const { text, metric, statistic } = threshold;
		const value = statistic === undefined ? numbers[metric] : spreads[metric]?.[statistic];
		return value === undefined ? { text, isKept: false } : { text, value, isKept: holds(threshold, value) };
	});
}

function holds({ operator, bound }: Threshold, value: number): boolean {
	switch (operator) {
		case '<':
			return value < bound;
		case '<=':
			return value <= bound;
		case '>':
			return value > bound;
		case '>=':
			return value >= bound;
		case '=':
			return value === bound;
	}
}
