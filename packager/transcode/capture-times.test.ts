/** Unit tests of capture-times.ts. */
import { describe, expect, it } from 'vitest';
import { CAPTURE_TIME_ENTRIES, CaptureTimes } from './capture-times.ts';

describe('CaptureTimes', () => {
	it('has no time before the first unit', () => {
		expect(new CaptureTimes().at(0, 90_000)).toBeUndefined();
	});

	it('gives each picture its own time back, also when B-frames go in out of order', () => {
		const times = new CaptureTimes();
		for (const [ticks, captureMs] of [
			[0, 100],
			[9000, 205],
			[3000, 131],
			[6000, 170],
		] as const) {
			times.add(ticks, 90_000, captureMs);
		}
		expect([0, 3000, 6000, 9000].map((ticks) => times.at(ticks, 90_000))).toEqual([
			expect.closeTo(100, 6),
			expect.closeTo(131, 6),
			expect.closeTo(170, 6),
			expect.closeTo(205, 6),
		]);
	});

	it('extrapolates from the last unit, and back from the first, across clock rates', () => {
		const times = new CaptureTimes();
		times.add(44_100, 44_100, 5000);
		times.add(45_124, 44_100, 5030);
		expect(times.at(48_000 - 480, 48_000)).toBeCloseTo(4990, 6);
		expect(times.at(48_000 + 480, 48_000)).toBeCloseTo(5010, 6);
		expect(times.at(2 * 48_000, 48_000)).toBeCloseTo(5030 + 1000 - (1024 / 44_100) * 1000, 6);
	});

	it('evicts the oldest entry', () => {
		const times = new CaptureTimes();
		for (let index = 0; index <= CAPTURE_TIME_ENTRIES; index++) {
			times.add(index * 90, 90_000, index === 0 ? 0 : 1000 + index);
		}
		// Entry 0 had another capture time; now it is counted back from entry 1.
		expect(times.at(0, 90_000)).toBeCloseTo(1000, 6);
	});
});
