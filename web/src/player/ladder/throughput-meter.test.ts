/** Transfers in, bits a second out. */
import { describe, expect, it } from 'vitest';
import { ThroughputMeter } from './throughput-meter.ts';

const LINE_BPS = 8_000_000;

/** A part each 0.2 s over a line of that rate; the wait for its first byte does not count. */
function partsOf(meter: ThroughputMeter, bytes: number, untilMs: number, bps = LINE_BPS, fromMs = 0): void {
	for (let atMs = fromMs; atMs < untilMs; atMs += 200) {
		// The first packet is what the answer begins with.
		meter.transferred({ startMs: atMs, endMs: atMs + ((bytes - 1448) * 8000) / bps, bytes });
	}
}

describe('ThroughputMeter', () => {
	it.each([150_000, 37_500, 20_000])('measures the line with parts of %i bytes, whatever the time between', (bytes) => {
		const meter = new ThroughputMeter();
		partsOf(meter, bytes, 6000);
		expect(meter.recent(6000)?.bps).toBeCloseTo(LINE_BPS, -5);
		expect(meter.sustained(6000, 4000)).toMatchObject({ isStrong: true });
		expect(meter.sustained(6000, 4000)!.bps).toBeCloseTo(LINE_BPS, -5);
	});

	it('counts what comes at the same time together', () => {
		const meter = new ThroughputMeter();
		for (let atMs = 0; atMs < 3000; atMs += 200) {
			meter.transferred({ startMs: atMs, endMs: atMs + 100, bytes: 50_000 + 1448 });
			meter.transferred({ startMs: atMs + 50, endMs: atMs + 100, bytes: 25_000 + 1448 });
			// Too small to be measured alone, and part of what the line carried.
			meter.transferred({ startMs: atMs + 60, endMs: atMs + 90, bytes: 1250 });
		}
		expect(Math.round(meter.recent(3000)!.bps / 1e5)).toBe(61);
	});

	it('knows nothing from answers that are too small', () => {
		const meter = new ThroughputMeter();
		partsOf(meter, 1200, 10_000);
		expect(meter.recent(10_000)).toBeUndefined();
		expect(meter.sustained(10_000, 0)).toBeUndefined();
	});

	it('calls an estimate from small parts weak', () => {
		const meter = new ThroughputMeter();
		partsOf(meter, 6000, 4000);
		expect(meter.recent(4000)).toMatchObject({ isStrong: false });
	});

	it('sustains only what was carried for long enough', () => {
		const meter = new ThroughputMeter();
		partsOf(meter, 37_500, 8000, 1_500_000);
		partsOf(meter, 37_500, 10_000, LINE_BPS, 8000);
		expect(meter.recent(10_000)!.bps).toBeGreaterThan(6_000_000);
		expect(meter.sustained(10_000)!.bps).toBeLessThan(2_000_000);
		partsOf(meter, 37_500, 18_000, LINE_BPS, 10_000);
		expect(meter.sustained(18_000)!.bps).toBeGreaterThan(7_000_000);
	});

	it('forgets', () => {
		const meter = new ThroughputMeter();
		partsOf(meter, 37_500, 8000);
		meter.forget();
		expect(meter.recent(8000)).toBeUndefined();
		partsOf(meter, 37_500, 10_000, LINE_BPS, 8000);
		expect(meter.sustained(10_000)).toBeUndefined();
		expect(meter.sustained(40_000, 0)).toBeUndefined();
	});

	it('takes the measurement of another one', () => {
		const meter = new ThroughputMeter();
		meter.measured(1000, 3_000_000);
		expect(meter.recent(1500)).toEqual({ bps: 3_000_000, isStrong: true });
	});

	it.each([
		['ends before it begins', { startMs: 10, endMs: 5, bytes: 100_000 }],
		['has no bytes', { startMs: 0, endMs: 5, bytes: 0 }],
		['has no times', { startMs: NaN, endMs: NaN, bytes: 100_000 }],
	])('ignores a transfer that %s', (_name, transfer) => {
		const meter = new ThroughputMeter();
		for (let count = 0; count < 100; count++) {
			meter.transferred(transfer);
		}
		expect(meter.recent(100)).toBeUndefined();
	});
});
