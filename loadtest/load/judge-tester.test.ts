/** Tests of when the tester voids a run. */
import { describe, expect, it } from 'vitest';
import { Histogram, type HistogramSummary } from './figures/histogram.ts';
import { judgeTester, LAG_BOUNDS_MS } from './judge-tester.ts';

function spread(...samples: number[]): HistogramSummary {
	const histogram = new Histogram();
	samples.forEach((sample) => histogram.record(sample));
	return histogram.summary()!;
}

const calm = { 'self.webrtc-1.lag': spread(0.2, 1), 'self.webrtc-1.cpu': spread(0.3) };

describe('judgeTester', () => {
	it('gives no reason for a tester within its bounds', () => {
		expect(judgeTester(['webrtc-1'], calm, [])).toEqual([]);
	});

	it.each([
		['event-loop lag', { ...calm, 'self.webrtc-1.lag': spread(LAG_BOUNDS_MS.webrtc * 2) }],
		['cores', { ...calm, 'self.webrtc-1.cpu': spread(0.97) }],
		['late', { ...calm, 'self.webrtc-1.startLate': spread(0, 1500) }],
		['no figures', {}],
	])('voids a run for %s', (word, spreads) => {
		const reasons = judgeTester(['webrtc-1'], spreads, []);
		expect(reasons).toHaveLength(1);
		expect(reasons[0]).toContain(word);
		expect(reasons[0]).toContain('webrtc-1');
	});

	it('includes the reasons of the machine', () => {
		expect(judgeTester([], {}, ['stealRatio 0.100, bound 0.02'])).toEqual(['stealRatio 0.100, bound 0.02']);
	});
});
