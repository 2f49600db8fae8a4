/** Tests of the small readers of clocks and process statistics. */
import { describe, expect, it } from 'vitest';
import { clockOffsetMs } from '../../clients/chromium/bench-page.ts';
import { parseProcessStat, treeCpuSeconds } from './process-cpu.ts';

describe('parseProcessStat', () => {
	it('reads times after any name', () => {
		const stat = '42 (a) b (c) S 7 42 42 0 -1 4194304 10 0 0 0 150 50 30 20 20 0 1 0 100 0 0';
		const times = { parentPid: 7, ticks: 200, endedChildrenTicks: 50 };
		expect(parseProcessStat(stat)).toEqual({ name: 'a) b (c', state: 'S', ...times });
		expect(parseProcessStat('')).toBeUndefined();
	});

	it('gives no times for a process that does not exist', () => {
		expect(treeCpuSeconds(2 ** 30)).toBeUndefined();
	});
});

describe('clockOffsetMs', () => {
	it('uses the exchange with the shortest round trip', () => {
		const exchanges = [
			{ askedAtMs: 1000, pageMs: 500, answeredAtMs: 1050 },
			{ askedAtMs: 2000, pageMs: 1480.5, answeredAtMs: 2001 },
			{ askedAtMs: 3000, pageMs: 2400, answeredAtMs: 3400 },
		];
		expect(clockOffsetMs(exchanges)).toBe(520);
	});
});
