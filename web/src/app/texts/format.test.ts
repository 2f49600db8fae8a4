/** Numbers as the pages write them. */
import { describe, expect, it } from 'vitest';
import {
	formatBitrate,
	formatBytes,
	formatCodec,
	formatDate,
	formatDuration,
	formatFrameRate,
	formatSeconds,
} from './format.ts';

describe('format', () => {
	it('formats latency in seconds', () => {
		expect([36, 780, 1234.5, 9999, 61_000].map(formatSeconds)).toEqual(['0.04 s', '0.78 s', '1.23 s', '10 s', '61 s']);
	});

	it('formats bitrates in the fitting unit, also at its limit', () => {
		expect([640_400, 999_499, 999_500, 6_000_000].map(formatBitrate)).toEqual([
			'640 kbit/s',
			'999 kbit/s',
			'1.0 Mbit/s',
			'6.0 Mbit/s',
		]);
	});

	it('formats frame rates without insignificant digits', () => {
		expect([30.02, 29.4, 59.94].map(formatFrameRate)).toEqual(['30', '29.4', '59.9']);
	});

	it('formats durations', () => {
		expect([59_999, 60_000, 3_599_999, 3_900_000].map(formatDuration)).toEqual([
			'less than a minute',
			'1 min',
			'59 min',
			'1 h 05 min',
		]);
	});

	it('formats sizes of files, also at the limits of the units', () => {
		const sizes = [0, 12, 640_000, 999_499, 999_500, 35_400_000, 999_600_000, 1_230_000_000, 20e9, 250e9, 3.4e12];
		expect(sizes.map(formatBytes)).toEqual([
			'0 MB',
			'1 KB',
			'640 KB',
			'999 KB',
			'1 MB',
			'35 MB',
			'1 GB',
			'1.2 GB',
			'20 GB',
			'250 GB',
			'3.4 TB',
		]);
	});

	it('formats dates with the name of the month', () => {
		expect(formatDate('2026-11-12T12:00:00.000Z')).toBe('12 Nov 2026');
	});

	it('names codecs from all spellings', () => {
		expect(['avc1.42e01f', 'H264', 'h264', 'mp4a.40.2', 'opus', 'av01.0'].map(formatCodec)).toEqual([
			'H.264',
			'H.264',
			'H.264',
			'AAC',
			'Opus',
			'av01.0',
		]);
	});
});
