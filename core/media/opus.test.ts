/** Tests of reading an Opus packet's duration from its first bytes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { opusDurationTicks } from './opus.ts';

/** A stereo packet with this configuration number and frame-count code (RFC 6716 §3.1). */
const packet = (config: number, code: number, ...rest: number[]): Uint8Array =>
	Uint8Array.of((config << 3) | 4 | code, ...rest);

describe('opusDurationTicks', () => {
	it.each([
		['SILK narrowband, 10 ms', 0, 480],
		['SILK narrowband, 20 ms', 1, 960],
		['SILK narrowband, 40 ms', 2, 1920],
		['SILK narrowband, 60 ms', 3, 2880],
		['SILK mediumband, 10 ms', 4, 480],
		['SILK wideband, 60 ms', 11, 2880],
		['hybrid superwideband, 10 ms', 12, 480],
		['hybrid superwideband, 20 ms', 13, 960],
		['hybrid fullband, 10 ms', 14, 480],
		['hybrid fullband, 20 ms', 15, 960],
		['CELT narrowband, 2.5 ms', 16, 120],
		['CELT narrowband, 5 ms', 17, 240],
		['CELT fullband, 10 ms', 30, 480],
		['CELT fullband, 20 ms', 31, 960],
	])('reads one or two frames of %s', (_name, config, ticks) => {
		expect(opusDurationTicks(packet(config, 0))).toBe(ticks);
		expect(opusDurationTicks(packet(config, 1))).toBe(2 * ticks);
		expect(opusDurationTicks(packet(config, 2))).toBe(2 * ticks);
	});

	it('reads an explicit frame count without its flags', () => {
		expect(opusDurationTicks(packet(31, 3, 0b1100_0011))).toBe(3 * 960);
		expect(opusDurationTicks(packet(16, 3, 48))).toBe(48 * 120);
	});

	it('reads nothing from an empty packet, a missing or zero frame count, or more than 120 ms', () => {
		expect(opusDurationTicks(new Uint8Array())).toBeUndefined();
		expect(opusDurationTicks(packet(31, 3))).toBeUndefined();
		expect(opusDurationTicks(packet(31, 3, 0))).toBeUndefined();
		expect(opusDurationTicks(packet(31, 3, 6))).toBe(5760);
		expect(opusDurationTicks(packet(31, 3, 7))).toBeUndefined();
		expect(opusDurationTicks(packet(3, 3, 3))).toBeUndefined();
	});

	it('is a multiple of 2.5 ms up to 120 ms, or undefined, for any bytes', () => {
		fc.assert(
			fc.property(fc.uint8Array({ maxLength: 4 }), (bytes) => {
				const ticks = opusDurationTicks(bytes);
				return ticks === undefined || (ticks % 120 === 0 && ticks > 0 && ticks <= 5760);
			}),
		);
	});
});
