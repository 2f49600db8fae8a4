/** Tests of how a line's steps are followed, and of their picture. */
import { describe, expect, it } from 'vitest';
import type { ShownFrame } from '../../clients/chromium/bench-page.ts';
import { stepFigures } from './step-figures.ts';
import { PLOT_COLORS, plotSteps } from './step-plot.ts';

const TIMES = { fromMs: 0, narrowAtMs: 20_000, wideAtMs: 50_000, toMs: 90_000 };

/** Every 40 ms; `until` excluded. */
function stretch(fromMs: number, untilMs: number, heightPixels: number, latencyMs = 100): ShownFrame[] {
	return Array.from({ length: Math.ceil((untilMs - fromMs) / 40) }, (_, index) => {
		const shownAtMs = fromMs + index * 40;
		return {
			frameNumber: Math.round(shownAtMs),
			captureTimeMs: shownAtMs - latencyMs,
			shownAtMs,
			presentedCount: 0,
			elementIndex: 0,
			widthPixels: (heightPixels * 16) / 9,
			heightPixels,
		};
	});
}

describe('stepFigures', () => {
	it('measures how a ladder is followed down and up', () => {
		const pictures = [
			...stretch(40, 20_600, 720),
			...stretch(21_000, 55_000, 360, 600),
			...stretch(55_000, 58_000, 720, 300),
			...stretch(58_000, 60_000, 480),
			...stretch(60_000, 90_000, 720),
		];
		expect(stepFigures(pictures, [], TIMES)).toMatchObject({
			topHeightPixels: 720,
			lowestHeightPixels: 360,
			smallerAfterMs: 1000,
			topAgainAfterMs: 10_000,
			stallCount: 1,
			stalledMs: 400,
			longestStallMs: 400,
			latencyBeforeMs: 100,
			highestLatencyMs: 600,
			latencyBackAfterMs: 8000,
		});
	});

	it('has no times for what never happens', () => {
		expect(stepFigures(stretch(40, 90_000, 720), [], TIMES)).toMatchObject({
			smallerAfterMs: undefined,
			topAgainAfterMs: undefined,
			stallCount: 0,
			latencyBackAfterMs: 0,
		});
		const frozen = stepFigures(stretch(40, 20_000, 720), [], TIMES);
		expect(frozen).toMatchObject({ stallCount: 1, latencyBackAfterMs: undefined, highestLatencyMs: undefined });
		expect(frozen.stalledMs).toBeGreaterThan(69_000);
	});
});

describe('plotSteps', () => {
	it('draws panels over one axis, escapes texts and breaks a line where there is no value', () => {
		const points = [
			{ atSeconds: 0, value: 1 },
			{ atSeconds: 10, value: undefined },
			{ atSeconds: 20, value: 2 },
			{ atSeconds: 30, value: 2 },
		];
		const lines = [
			{ label: 'a<b', color: PLOT_COLORS.blue, points },
			{ label: 'steps', color: PLOT_COLORS.grey, isStepped: true, points: points.filter(({ value }) => value) },
		];
		const bands = [{ fromSeconds: 10, toSeconds: 20, color: PLOT_COLORS.blue }];
		const svg = plotSteps([{ title: 'Rate & more', lines, bands }], 'Title', 'Caption');
		expect(svg).toContain('Rate &amp; more');
		expect(svg).toContain('a&lt;b');
		expect(svg).toContain('d="M72 159M648 84L936 84"');
		expect(svg).toContain('d="M72 159H648V84H936V84"');
		expect(svg).toContain('<rect x="360" y="84" width="288"');
		expect(svg.match(/>\d+ s</g)).toHaveLength(4);
	});
});
