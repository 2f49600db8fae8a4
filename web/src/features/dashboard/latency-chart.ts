/** The latency chart's lines and scale. Pure: numbers in, SVG paths out. */

/** Latency of each tier at one moment; null where no viewer reported one. */
export type LatencySample = { atMs: number; webrtc: LatencyPoint | null; 'll-hls': LatencyPoint | null };
/** Milliseconds, server to screen. */
type LatencyPoint = { p50: number; p95: number };

/** The time span of the chart. @internal for tests */
export const CHART_SPAN_MS = 600_000;
/** A longer gap between samples breaks the line. */
const MAX_STEP_MS = 12_000;
const TOP_STEPS_MS = [500, 1000, 2000, 3000, 5000, 10_000, 20_000, 60_000];

/** Adds a sample, and drops those older than the chart. */
export function addSample(samples: readonly LatencySample[], sample: LatencySample): LatencySample[] {
	return [...samples.filter(({ atMs }) => atMs > sample.atMs - CHART_SPAN_MS && atMs < sample.atMs), sample];
}

/** The chart's upper edge: a round number above all values. */
export function chartTopMs(samples: readonly LatencySample[]): number {
	const highest = Math.max(0, ...samples.flatMap((sample) => [sample.webrtc?.p95 ?? 0, sample['ll-hls']?.p95 ?? 0]));
	return TOP_STEPS_MS.find((step) => step >= highest) ?? Math.ceil(highest / 60_000) * 60_000;
}

type ChartBox = { width: number; height: number; nowMs: number; topMs: number };

const toX = (atMs: number, { width, nowMs }: ChartBox): number => width * (1 - (nowMs - atMs) / CHART_SPAN_MS);
const toY = (ms: number, { height, topMs }: ChartBox): number => height * (1 - Math.min(1, Math.max(0, ms / topMs)));
const round = (value: number): string => String(Math.round(value * 10) / 10);

/** Runs of samples without a gap between them. */
function runs(samples: readonly LatencySample[], tier: 'webrtc' | 'll-hls'): { atMs: number; point: LatencyPoint }[][] {
	const found: { atMs: number; point: LatencyPoint }[][] = [];
	let lastAtMs = -Infinity;
	for (const sample of samples) {
		const point = sample[tier];
		if (point === null) {
			continue;
		}
		if (sample.atMs - lastAtMs > MAX_STEP_MS) {
			found.push([]);
		}
		found.at(-1)!.push({ atMs: sample.atMs, point });
		lastAtMs = sample.atMs;
	}
	return found;
}

export function medianPath(samples: readonly LatencySample[], tier: 'webrtc' | 'll-hls', box: ChartBox): string {
	return runs(samples, tier)
		.map((run) => {
			const points = run.map(({ atMs, point }) => `${round(toX(atMs, box))} ${round(toY(point.p50, box))}`);
			// A single reading is a dot: a line of zero length with round ends.
			return `M${points.join('L')}${points.length === 1 ? 'h0' : ''}`;
		})
		.join('');
}

/** The area between the median and the 95th percentile. */
export function bandPath(samples: readonly LatencySample[], tier: 'webrtc' | 'll-hls', box: ChartBox): string {
	return runs(samples, tier)
		.filter((run) => run.length > 1)
		.map((run) => {
			const upper = run.map(({ atMs, point }) => `${round(toX(atMs, box))} ${round(toY(point.p95, box))}`);
			const lower = run.map(({ atMs, point }) => `${round(toX(atMs, box))} ${round(toY(point.p50, box))}`);
			return `M${upper.join('L')}L${lower.reverse().join('L')}Z`;
		})
		.join('');
}
