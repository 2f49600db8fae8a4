/** Tests of the small readers of clocks and process statistics. */
import { describe, expect, it } from 'vitest';
import { clockOffsetMs } from '../../clients/chromium/page-clock.ts';
import { parseProcessTimes, treeCpuSeconds } from './process-cpu.ts';

describe('parseProcessTimes', () => {
	it('reads times behind any name', () => {
		const stat = '42 (a) b (c) S 7 42 42 0 -1 4194304 10 0 0 0 150 50 30 20 20 0 1 0 100 0 0';
		expect(parseProcessTimes(stat)).toEqual({ parentPid: 7, ticks: 200, endedChildrenTicks: 50 });
		expect(parseProcessTimes('')).toBeUndefined();
	});

	it('knows nothing of a process that is not there', () => {
		expect(treeCpuSeconds(2 ** 30)).toBeUndefined();
	});
});

describe('clockOffsetMs', () => {
	it('trusts the quickest exchange', () => {
		const exchanges = [
			{ askedAtMs: 1000, pageMs: 500, answeredAtMs: 1050 },
			{ askedAtMs: 2000, pageMs: 1480.5, answeredAtMs: 2001 },
			{ askedAtMs: 3000, pageMs: 2400, answeredAtMs: 3400 },
		];
		expect(clockOffsetMs(exchanges)).toEqual({ offsetMs: 520, errorMs: 0.5 });
		expect(() => clockOffsetMs([])).toThrow(TypeError);
	});
});
