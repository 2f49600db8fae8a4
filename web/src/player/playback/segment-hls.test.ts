/** Retries, and what can be chosen. */
import { describe, expect, it } from 'vitest';
import { qualitiesOf, segmentHlsConfig } from './segment-hls.ts';

describe('segmentHlsConfig', () => {
	it('tries again for about a minute, but not when the server says that there is none', () => {
		const retry = segmentHlsConfig(1).fragLoadPolicy!.default.errorRetry!;
		const isRetried = (count: number, code: number): boolean =>
			retry.shouldRetry!(retry, count, false, { url: '', code }, false);
		expect([0, 408, 429, 500, 503].map((code) => isRetried(9, code))).toEqual([true, true, true, true, true]);
		expect([403, 404, 410].map((code) => isRetried(0, code))).toEqual([false, false, false]);
		expect(isRetried(10, 503)).toBe(false);
	});
});

describe('qualitiesOf', () => {
	it('has nothing to choose where there is no picture', () => {
		expect(qualitiesOf([{ width: 0, height: 0, frameRate: 0, bitrate: 128_000 }])).toEqual([]);
	});
});
