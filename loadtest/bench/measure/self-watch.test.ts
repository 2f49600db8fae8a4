/** Tests of when a run is void. */
import { describe, expect, it } from 'vitest';
import { judgeRun, parseCpuTicks, STARVATION_BOUNDS } from './self-watch.ts';

const STAT = 'cpu  1000 0 500 8000 100 0 0 400 50 0\ncpu0 1 2 3 4 5 6 7 8 9 10\n';

describe('self-watch', () => {
	it('reads idle, steal and total ticks', () => {
		expect(parseCpuTicks(STAT)).toEqual({ idle: 8100, steal: 400, total: 10_000 });
		expect(parseCpuTicks('')).toBeUndefined();
		expect(parseCpuTicks('cpu 1 2 three 4 5 6 7 8')).toBeUndefined();
	});

	it('accepts a run within all bounds', () => {
		const before = { idle: 0, steal: 0, total: 0 };
		const result = judgeRun(2, before, { idle: 500, steal: 1, total: 1000 }, STARVATION_BOUNDS);
		expect(result).toEqual({ eventLoopDelayP99Ms: 2, stealRatio: 0.001, busyRatio: 0.5, voidReasons: [] });
	});

	it('names every bound that was passed', () => {
		const before = { idle: 0, steal: 0, total: 0 };
		const result = judgeRun(40, before, { idle: 10, steal: 300, total: 1000 }, STARVATION_BOUNDS);
		expect(result.voidReasons).toEqual([
			'event-loop delay p99 40.0 ms, bound 16 ms',
			'stealRatio 0.300, bound 0.02',
			'busyRatio 0.990, bound 0.97',
		]);
	});

	it('leaves out what was not measured', () => {
		expect(judgeRun(2, undefined, undefined, STARVATION_BOUNDS)).toEqual({ eventLoopDelayP99Ms: 2, voidReasons: [] });
	});
});
