/** Tests of conversions and of the unwrapping of counters. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
	AAC_FRAME_SAMPLES,
	bytesToBps,
	epochMsToNtp,
	msToTicks,
	ntpToEpochMs,
	OPUS_CLOCK_RATE,
	ticksToMs,
	ticksToSeconds,
	unwrap,
	VIDEO_CLOCK_RATE,
} from './units.ts';

describe('ticks', () => {
	it.each([
		[1000, VIDEO_CLOCK_RATE, 90_000],
		[20, OPUS_CLOCK_RATE, 960],
		[1000 / 60, VIDEO_CLOCK_RATE, 1500],
		[0.0055, VIDEO_CLOCK_RATE, 0],
		[-1, VIDEO_CLOCK_RATE, -90],
	])('turns %d ms at %d into %d ticks', (ms, clockRate, ticks) => {
		expect(msToTicks(ms, clockRate)).toBe(ticks);
	});

	it('converts to milliseconds and back without loss', () => {
		fc.assert(
			fc.property(
				fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
				fc.constantFrom(90_000, 48_000, 44_100),
				(ticks, clockRate) => {
					return msToTicks(ticksToMs(ticks, clockRate), clockRate) === ticks;
				},
			),
		);
	});

	it('converts ticks to seconds', () => {
		expect(ticksToSeconds(45_000, VIDEO_CLOCK_RATE)).toBe(0.5);
		expect(ticksToMs(AAC_FRAME_SAMPLES, 48_000)).toBeCloseTo(21.333, 3);
	});
});

describe('bytesToBps', () => {
	it.each([
		[1000, 1_000_000],
		[0, 0],
		[-5, 0],
	])('turns 125 000 bytes over %d ms into %d bits a second', (overMs, bps) => {
		expect(bytesToBps(125_000, overMs)).toBe(bps);
	});
});

describe('NTP times', () => {
	it('converts the Unix epoch and half a second', () => {
		expect(epochMsToNtp(0)).toEqual({ seconds: 2_208_988_800, fraction: 0 });
		expect(epochMsToNtp(1500)).toEqual({ seconds: 2_208_988_801, fraction: 2 ** 31 });
		expect(ntpToEpochMs(2_208_988_801, 2 ** 31)).toBe(1500);
	});

	it('converts back to the same microsecond, and stays within 32 bits', () => {
		fc.assert(
			fc.property(fc.double({ min: 0, max: Date.UTC(2036, 0, 1), noNaN: true }), (epochMs) => {
				const { seconds, fraction } = epochMsToNtp(epochMs);
				const isWithin = [seconds, fraction].every((part) => Number.isInteger(part) && part >= 0 && part < 2 ** 32);
				return isWithin && Math.abs(ntpToEpochMs(seconds, fraction) - epochMs) < 0.001;
			}),
		);
	});
});

describe('unwrap', () => {
	const bits = fc.constantFrom(16 as const, 32 as const);

	it.each([
		[5, 3, 16, 5],
		[2, 65_530, 16, 65_538],
		[65_530, 65_538, 16, 65_530],
		[65_535, 0, 16, -1],
		[0, 2 ** 32 - 1, 32, 2 ** 32],
		[10, 3 * 2 ** 32 - 5, 32, 3 * 2 ** 32 + 10],
		[65_535, -1, 16, -1],
	] as const)('continues %d after %d (%d bits) as %d', (wrapped, reference, width, expected) => {
		expect(unwrap(wrapped, reference, width)).toBe(expected);
	});

	it('finds the true value when it is less than half a range away', () => {
		fc.assert(
			fc.property(
				bits,
				fc.integer({ min: -(2 ** 45), max: 2 ** 45 }),
				fc.double({ min: -0.49, max: 0.49, noNaN: true }),
				(width, reference, part) => {
					const range = 2 ** width;
					const value = reference + Math.trunc(part * range);
					const wrapped = ((value % range) + range) % range;
					return unwrap(wrapped, reference, width) === value;
				},
			),
		);
	});

	it('equals the wrapped value modulo the range, and is at most half a range away', () => {
		fc.assert(
			fc.property(
				bits,
				fc.integer({ min: 0, max: 65_535 }),
				fc.integer({ min: -(2 ** 45), max: 2 ** 45 }),
				(width, wrapped, reference) => {
					const value = unwrap(wrapped, reference, width);
					return (value - wrapped) % 2 ** width === 0 && Math.abs(value - reference) <= 2 ** width / 2;
				},
			),
		);
	});

	it('follows a counter through many wraps', () => {
		let reference = 65_000;
		for (let value = 65_000; value < 65_000 + 5 * 65_536; value += 7) {
			reference = unwrap(value % 65_536, reference, 16);
			expect(reference).toBe(value);
		}
	});
});
