/** Tests of the combining of figures. */
import { beforeEach, describe, expect, it } from 'vitest';
import { Figures } from './figures.ts';
import { RunRecorder } from './recorder.ts';

let recorder: RunRecorder;
let figures: Figures;

beforeEach(() => {
	recorder = new RunRecorder();
	figures = new Figures();
});

describe('RunRecorder', () => {
	it('gives percentiles of the steady state, joins of the whole run', () => {
		recorder.phase = 'ramp';
		figures.sample('webrtc.latency', 900);
		figures.sample('webrtc.join', 300);
		recorder.add('webrtc-1', figures.take());
		recorder.phase = 'steady';
		figures.sample('webrtc.latency', 100);
		recorder.add('webrtc-1', figures.take());
		expect(recorder.spreads()['webrtc.latency']).toMatchObject({ count: 1, max: 100 });
		expect(recorder.spreads()['webrtc.join']).toMatchObject({ count: 1, max: 300 });
	});

	it('adds up counters, and the newest gauge of each process', () => {
		figures.count('webrtc.packets', 3);
		figures.adjust('webrtc.playing', 2);
		recorder.add('webrtc-1', figures.take());
		figures.count('webrtc.packets', 4);
		figures.adjust('webrtc.playing', -1);
		recorder.add('webrtc-1', figures.take());
		recorder.add('webrtc-2', { counters: { 'webrtc.packets': 1 }, gauges: { 'webrtc.playing': 5 }, samples: {} });
		expect(recorder.counters).toEqual({ 'webrtc.packets': 8 });
		expect(recorder.gauges()).toEqual({ 'webrtc.playing': 6 });
	});

	it('separates what the server used before the first viewer', () => {
		recorder.sample('server.cores', 0.1);
		recorder.phase = 'steady';
		recorder.sample('server.cores', 0.5);
		expect([recorder.baseline()['server.cores']!.max, recorder.spreads()['server.cores']!.max]).toEqual([0.1, 0.5]);
	});

	it('has a timeline of bounded length that covers the whole run', () => {
		for (let second = 0; second < 10_000; second++) {
			recorder.add('x', { counters: { 'webrtc.packets': 1 }, gauges: {}, samples: {} });
			recorder.tick(second * 1000);
		}
		const { timeline } = recorder;
		expect(timeline.length).toBeLessThanOrEqual(1200);
		expect(timeline.length).toBeGreaterThan(500);
		expect(timeline[0]!.atMs).toBeLessThan(20_000);
		expect(timeline.at(-1)!.atMs).toBeGreaterThan(9_900_000);
	});

	it('has no figures for what was not measured', () => {
		expect([recorder.spreads(), recorder.curve('webrtc.latency')]).toEqual([{}, []]);
	});
});
