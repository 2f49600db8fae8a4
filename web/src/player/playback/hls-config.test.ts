/** Which failed requests hls.js retries. */
import type { RetryConfig } from 'hls.js';
import { describe, expect, it } from 'vitest';
import { HLS_CONFIG } from './hls-config.ts';

function isRetried(retry: RetryConfig | null | undefined, retryCount: number, httpStatus: number | undefined): boolean {
	const response = httpStatus === undefined ? undefined : { url: '', code: httpStatus };
	return retry?.shouldRetry?.(retry, retryCount, httpStatus === undefined, response, false) ?? false;
}

describe('HLS_CONFIG', () => {
	const playlist = HLS_CONFIG.playlistLoadPolicy?.default.errorRetry;
	const fragment = HLS_CONFIG.fragLoadPolicy?.default.errorRetry;

	it.each([undefined, 0, 404, 408, 425, 429, 500, 502, 503])('retries a playlist without end after %s', (status) => {
		expect(isRetried(playlist, 100_000, status)).toBe(true);
	});

	it.each([400, 401, 403, 410])('does not retry a playlist after %i', (status) => {
		expect(isRetried(playlist, 0, status)).toBe(false);
	});

	it('retries a part six times after a server error, and never after a 404', () => {
		expect([0, 5, 6].map((count) => isRetried(fragment, count, 503))).toEqual([true, true, false]);
		expect(isRetried(fragment, 0, 404)).toBe(false);
	});

	it('leaves catching up to our own controller', () => {
		expect(HLS_CONFIG).toMatchObject({ maxLiveSyncPlaybackRate: 1, liveSyncOnStallIncrease: 0, lowLatencyMode: true });
		expect(HLS_CONFIG).not.toHaveProperty('liveSyncDurationCount');
	});
});
