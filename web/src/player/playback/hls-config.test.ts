/** What is retried, and what is not. */
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

	it.each([undefined, 0, 404, 408, 425, 429, 500, 502, 503])('asks for a playlist for ever after %s', (status) => {
		expect(isRetried(playlist, 100_000, status)).toBe(true);
	});

	it.each([400, 401, 403, 410])('does not ask again for a playlist after %i', (status) => {
		expect(isRetried(playlist, 0, status)).toBe(false);
	});

	it('asks six times for a part that the server could not give, and never for one that is gone', () => {
		expect([0, 5, 6].map((count) => isRetried(fragment, count, 503))).toEqual([true, true, false]);
		expect(isRetried(fragment, 0, 404)).toBe(false);
	});

	it('leaves catching up to our own controller', () => {
		expect(HLS_CONFIG).toMatchObject({ maxLiveSyncPlaybackRate: 1, liveSyncOnStallIncrease: 0, lowLatencyMode: true });
		expect(HLS_CONFIG).not.toHaveProperty('liveSyncDurationCount');
	});
});
