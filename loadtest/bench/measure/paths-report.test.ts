/** Tests of the paths' report. */
import { describe, expect, it } from 'vitest';
import type { PathRun } from '../paths.ts';
import { formatRows, pathRows, type ReferenceRun } from './paths-report.ts';

function reference(p50: number, isVoid = false): ReferenceRun {
	return {
		summary: {
			glassToGlassMs: { p50, p95: p50 + 20, count: 900 },
			shownCount: 900,
			unreadCount: 0,
			skippedCount: 0,
			repeatedCount: 0,
			outOfOrderCount: 0,
			sentCount: 900,
			shownRatio: 1,
			longestFreezeMs: 50,
		},
		selfWatch: { eventLoopDelayP99Ms: 1, voidReasons: isVoid ? ['starved'] : [] },
	};
}

function run(p50: number, firstFrameMs: number, isVoid = false): PathRun {
	const { summary, selfWatch } = reference(p50, isVoid);
	return {
		publisher: 'rtmp',
		tier: 'webrtc',
		description: 'a publisher',
		summary: { ...summary, audioVideoSkewMs: { p50: -4, p95: 12, count: 30 } },
		firstFrameMs,
		unreadableCount: 0,
		selfWatch,
		playerFacts: null,
	};
}

describe('pathRows', () => {
	it('gives medians over valid runs and the difference from the direct connection', () => {
		const rows = pathRows(
			[reference(36), reference(40), reference(38)],
			[run(70, 400), run(500, 9000, true), run(74, 500), run(72, 300)],
		);
		expect(rows[0]).toMatchObject({ name: 'direct, without a server', p50Ms: 38, runCount: 3, voidCount: 0 });
		expect(rows[1]).toMatchObject({
			name: 'rtmp → WebRTC',
			p50Ms: 72,
			p95Ms: 92,
			overDirectMs: 34,
			firstFrameMs: 400,
			runCount: 4,
			voidCount: 1,
		});
	});

	it('prints a dash for a figure that was not measured', () => {
		expect(formatRows(pathRows([reference(36, true)], [run(70, 400)]))).toBe(
			`| path | p50 ms | p95 ms | over direct | first frame ms | shown | skipped | longest freeze ms | A/V skew p50 / p95 ms | server cores | runs (void) |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
| direct, without a server | – | – | – | – | – | – | – | – / – | – | 1 (1) |
| rtmp → WebRTC | 70 | 90 | – | 400 | 100.0 % | 0 | 50 | −4 / 12 | – | 1 (0) |
`,
		);
	});
});
