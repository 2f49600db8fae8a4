/** Tests of thresholds. */
import { describe, expect, it } from 'vitest';
import { Histogram } from './figures/histogram.ts';
import { judgeThresholds, parseThreshold } from './thresholds.ts';

describe('parseThreshold', () => {
	it('reads a percentile and a counter', () => {
		expect(parseThreshold('webrtc.latency.p95<500')).toEqual({
			text: 'webrtc.latency.p95<500',
			metric: 'webrtc.latency',
			statistic: 'p95',
			operator: '<',
			bound: 500,
		});
		expect(parseThreshold(' webrtc.failed = 0 ')).toEqual({
			text: 'webrtc.failed = 0',
			metric: 'webrtc.failed',
			operator: '=',
			bound: 0,
		});
	});

	it.each([
		'',
		'latency',
		'webrtc.latency.p95',
		'webrtc.latency.p95<',
		'webrtc.latency.p95<fast',
		'p95<5',
		'webrtc.p95<5',
	])('refuses "%s"', (text) => {
		expect(() => parseThreshold(text)).toThrow(TypeError);
	});
});

describe('judgeThresholds', () => {
	const latency = new Histogram();
	[100, 200, 300].forEach((value) => latency.record(value));
	it.each([
		['webrtc.latency.max<301', true],
		['webrtc.latency.max<300', false],
		['webrtc.latency.max<=300', true],
		['webrtc.latency.min>=100', true],
		['webrtc.latency.count=3', true],
		['webrtc.failed=0', false],
		['webrtc.failed>1', true],
		['webrtc.failed>2', false],
	])('judges %s as %s', (text, isKept) => {
		const spreads = { 'webrtc.latency': latency.summary()! };
		expect(judgeThresholds([parseThreshold(text)], spreads, { 'webrtc.failed': 2 })).toMatchObject([{ isKept }]);
	});

	it('fails a figure that was not measured', () => {
		expect(judgeThresholds([parseThreshold('hls.latency.p95<9000')], {}, {})).toEqual([
			{ text: 'hls.latency.p95<9000', isKept: false },
		]);
	});
});
