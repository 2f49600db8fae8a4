/** The chart's paths and their gaps. */
import { expect, it } from 'vitest';
import { addSample, bandPath, CHART_SPAN_MS, chartTopMs, medianPath, type LatencySample } from './latency-chart.ts';

const at = (atMs: number, p50: number | null, p95 = p50): LatencySample => ({
	atMs,
	webrtc: p50 === null ? null : { p50, p95: p95! },
	'll-hls': null,
});
const BOX = { width: 600, height: 100, nowMs: CHART_SPAN_MS, topMs: 1000 };

it('keeps ten minutes, and one sample per moment', () => {
	const samples = addSample(addSample([at(0, 1), at(1, 1)], at(CHART_SPAN_MS + 1, 1)), at(CHART_SPAN_MS + 1, 2));
	expect(samples.map(({ atMs }) => atMs)).toEqual([CHART_SPAN_MS + 1]);
});

it('draws the present at the right edge, and the highest value at the top', () => {
	expect(medianPath([at(CHART_SPAN_MS - 6000, 1000), at(CHART_SPAN_MS, 500)], 'webrtc', BOX)).toBe('M594 0L600 50');
	expect(bandPath([at(CHART_SPAN_MS - 6000, 500, 1000), at(CHART_SPAN_MS, 500, 750)], 'webrtc', BOX)).toBe(
		'M594 0L600 25L600 50L594 50Z',
	);
});

it('breaks the line where nothing was reported, and draws a single reading as a dot', () => {
	const path = medianPath([at(0, 500), at(60_000, 500), at(62_000, 500)], 'webrtc', BOX);
	expect(path).toBe('M0 50h0M60 50L62 50');
	expect(medianPath([at(0, null)], 'webrtc', BOX)).toBe('');
});

it('chooses a round number above all values as the top', () => {
	expect(chartTopMs([])).toBe(500);
	expect(chartTopMs([at(0, 200, 620)])).toBe(1000);
	expect(chartTopMs([at(0, 70_000)])).toBe(120_000);
});
