/** Tests of the reports. */
import { beforeEach, describe, expect, it } from 'vitest';
import { type LoadOptions, parseLoadOptions } from '../load/options.ts';
import { Figures } from '../load/figures/figures.ts';
import { RunRecorder } from '../load/figures/recorder.ts';
import { renderHtmlReport } from './html-report.ts';
import { buildReport, derivedNumbers, exitCodeOf, type RunReport } from '../load/run-report.ts';
import { escapeHtml, niceTicks, renderChart } from './svg-chart.ts';
import { pointLine, progressBar, summaryText } from './terminal-view.ts';

let recorder: RunRecorder;

function feed(lagMs: number): void {
	const figures = new Figures();
	for (let second = -2; second < 10; second++) {
		recorder.phase = second < 0 ? 'baseline' : second < 2 ? 'ramp' : 'steady';
		figures.count('webrtc.packets', 300);
		figures.count('webrtc.missed', 3);
		figures.set('webrtc.playing', 2);
		figures.set('webrtc.rung.360p', 1);
		figures.set('webrtc.rung.720p', second < 8 ? 1 : 0);
		figures.set('hls.rung.1080p', 3);
		[90, 100, 110].forEach((latency) => figures.sample('webrtc.latency', latency));
		figures.sample('self.webrtc-1.lag', lagMs);
		recorder.add('webrtc-1', figures.take());
		recorder.sample('server.cores', second < 0 ? 0.1 : 0.3);
		recorder.sample('server.rssBytes', second < 0 ? 100_000_000 : 102_000_000);
		recorder.tick(second * 1000);
	}
}

function report(line: string, extra: Partial<Parameters<typeof buildReport>[0]> = {}): RunReport {
	return buildReport({
		options: parseLoadOptions(line.split(' ')) as LoadOptions,
		recorder,
		startedAtMs: 1_900_000_000_000,
		machine: { eventLoopDelayP99Ms: 1, voidReasons: [] },
		offset: undefined,
		processNames: ['webrtc-1'],
		deaths: [],
		notes: [],
		...extra,
	});
}

beforeEach(() => {
	recorder = new RunRecorder();
});

describe('buildReport', () => {
	it('keeps thresholds, and shows the costs of a viewer for the server', () => {
		feed(1);
		const result = report('--webrtc 2 --threshold webrtc.latency.p95<500 --threshold webrtc.failed=0');
		expect([result.verdict, exitCodeOf(result)]).toEqual(['kept', 0]);
		expect(result.thresholds.map(({ isKept }) => isKept)).toEqual([true, true]);
		expect(result.costs).toEqual([
			{ kind: 'webrtc', viewerCount: 2, cores: expect.closeTo(0.1, 6), rssBytes: 1_000_000 },
		]);
		expect(result.numbers['webrtc.packetLossRatio']).toBeCloseTo(0.01, 6);
	});

	it('counts the viewers with each size of the picture', () => {
		feed(1);
		const result = report('--webrtc 2 --hls 3');
		expect(result.rungs).toEqual([
			{ tier: 'webrtc', rung: '720p', viewerCount: 1 },
			{ tier: 'webrtc', rung: '360p', viewerCount: 1 },
			{ tier: 'hls', rung: '1080p', viewerCount: 3 },
		]);
		expect(summaryText(result)).toContain('webrtc 720p: 1 viewers · webrtc 360p: 1 viewers · hls 1080p: 3 viewers');
		expect(renderHtmlReport(result)).toContain('Viewers by the size of their picture');
		expect(pointLine(result.timeline[5]!)).toContain('WebRTC 2 (360p 1, 720p 1)');
	});

	it('fails with 1 when a threshold is not kept', () => {
		feed(1);
		expect(exitCodeOf(report('--webrtc 2 --threshold webrtc.latency.p95<50'))).toBe(1);
		expect(exitCodeOf(report('--webrtc 2 --threshold hls.latency.p95<5000'))).toBe(1);
	});

	it('is invalid, with the reason, when the tester was starved or a process of it died', () => {
		feed(50);
		const starved = report('--webrtc 2 --threshold webrtc.latency.p95<500');
		expect([starved.verdict, exitCodeOf(starved)]).toEqual(['invalid', 3]);
		expect(starved.invalidReasons[0]).toContain('webrtc-1: event-loop lag');
		expect(report('--webrtc 2', { deaths: ['webrtc-1 ended with SIGKILL'] }).invalidReasons).toContain(
			'webrtc-1 ended with SIGKILL',
		);
	});

	it('shows no costs when several kinds of viewer played', () => {
		feed(1);
		expect(report('--webrtc 2 --hls 2').costs).toEqual([]);
	});
});

describe('derivedNumbers', () => {
	it('has zeroes only for kinds of viewer that played', () => {
		const numbers = derivedNumbers({ 'webrtc.started': 2 });
		expect(numbers['webrtc.failed']).toBe(0);
		expect('hls.failed' in numbers || 'webrtc.packetLossRatio' in numbers).toBe(false);
	});
});

describe('the HTML report', () => {
	it('shows verdict, charts and figures, and escapes every text', () => {
		feed(1);
		const html = renderHtmlReport(report('--webrtc 2', { notes: ['</pre><script>alert(1)</script>'] }));
		expect(html).not.toContain('<script>');
		expect(html).toContain('&lt;script&gt;');
		expect(html.match(/<svg/g)!.length).toBeGreaterThanOrEqual(5);
		expect(html).toContain('WebRTC latency');
		expect(html).not.toMatch(/NaN|undefined|Infinity/);
		expect(html).not.toMatch(/(src|href)=/);
	});
});

describe('charts', () => {
	it('have round numbers on their axis', () => {
		expect(niceTicks(0, 634)).toEqual([0, 200, 400, 600, 800]);
		expect(niceTicks(0, 0).length).toBeGreaterThanOrEqual(2);
		expect(niceTicks(-30, 70)).toEqual([-40, -20, 0, 20, 40, 60, 80]);
	});

	it('are empty without points', () => {
		expect(
			renderChart({ title: 'x', unit: '', xLabel: '', xTicks: [], lines: [{ label: 'a', color: 1, points: [] }] }),
		).toBe('');
		expect(escapeHtml(`<a b="c">'&`)).toBe('&lt;a b=&quot;c&quot;&gt;&#39;&amp;');
	});
});

describe('the terminal', () => {
	it('shows a line per point and a table at the end', () => {
		feed(1);
		expect(pointLine(recorder.timeline.at(-1)!)).toBe(
			'   9 s steady   | WebRTC 2 100/110 ms | server 0.30 cores, 97 MiB | tester lag 1.0 ms',
		);
		expect(progressBar(0.5)).toBe('[████████████············]');
		const text = summaryText(report('--webrtc 2 --threshold webrtc.latency.p50<1'));
		expect(text).toContain('NOT KEPT webrtc.latency.p50<1 (100');
		expect(text.endsWith('THRESHOLDS NOT KEPT')).toBe(true);
	});
});
