/** How hls.js is set for LL-HLS with parts of 0.2 s. Data and one pure function. */
import type { HlsConfig, LoadPolicy, RetryConfig } from 'hls.js';

/** Statuses after which the same address may well be there in a moment: no answer, too early, too busy, or any 5xx. */
function isPassing(httpStatus: number | undefined): boolean {
	return httpStatus === undefined || httpStatus === 0 || httpStatus >= 500 || [404, 408, 425, 429].includes(httpStatus);
}

/**
 * Never gives up. hls.js 1.7.4 by itself does not retry any 4xx nor a refused connection (status 0) and ends the
 * playback after two 503; a publisher's loss or a restarted server makes exactly those. 404 is among them because a
 * playlist may be asked for a moment before the channel is there; TierPlayback rebuilds when it stays.
 */
const RETRY_FOR_EVER: RetryConfig = {
	maxNumRetry: Number.MAX_SAFE_INTEGER,
	retryDelayMs: 250,
	maxRetryDelayMs: 2000,
	backoff: 'exponential',
	shouldRetry: (_config, _retryCount, isTimeout, response) => isTimeout || isPassing(response?.code),
};

/** Some three seconds of trying; after it TierPlayback makes a new connection. */
const FRAGMENT_RETRIES = 6;

/** A part or segment that is not there has left the window, and trying again does not bring it back. */
const RETRY_BRIEFLY: RetryConfig = {
	...RETRY_FOR_EVER,
	maxNumRetry: FRAGMENT_RETRIES,
	maxRetryDelayMs: 800,
	shouldRetry: (_config, retryCount, isTimeout, response) =>
		retryCount < FRAGMENT_RETRIES && (isTimeout || (response?.code !== 404 && isPassing(response?.code))),
};

// A blocking playlist request is held by the server for up to three target durations, 9 s, before its first byte.
const PLAYLIST_POLICY: LoadPolicy = {
	default: {
		maxTimeToFirstByteMs: 12_000,
		maxLoadTimeMs: 20_000,
		timeoutRetry: RETRY_FOR_EVER,
		errorRetry: RETRY_FOR_EVER,
	},
};
// A part is announced before it exists, and held until then. A segment of 2 s takes its time over a poor line, and what
// has come of it must not be thrown away; whether something comes is watched elsewhere (hls-playback.ts).
const FRAGMENT_POLICY: LoadPolicy = {
	default: {
		maxTimeToFirstByteMs: 6000,
		maxLoadTimeMs: 40_000,
		timeoutRetry: RETRY_BRIEFLY,
		errorRetry: RETRY_BRIEFLY,
	},
};
// The first playlist: its failure says what the channel is doing, so it goes to TierPlayback, which also retries.
const MANIFEST_POLICY: LoadPolicy = {
	default: { maxTimeToFirstByteMs: 12_000, maxLoadTimeMs: 20_000, timeoutRetry: null, errorRetry: null },
};

/** Seconds that are loaded ahead. Behind the edge, enough to see that the line has become better. */
export const BUFFER_LENGTHS = {
	atEdge: { maxBufferLength: 8, maxMaxBufferLength: 8 },
	behind: { maxBufferLength: 12, maxMaxBufferLength: 12 },
} as const;

/** Settings for `new Hls(…)`. */
export const HLS_CONFIG: Partial<HlsConfig> = {
	lowLatencyMode: true,
	enableWorker: true,
	// Our own controller steers (rate-controller.ts): hls.js never catches up with less than 1 s of buffer, and each
	// stall would push its target back for ever (video-dev/hls.js#6350). liveSyncDurationCount stays unset: it would
	// add seconds in low-latency mode (#4212).
	maxLiveSyncPlaybackRate: 1,
	liveSyncOnStallIncrease: 0,
	...BUFFER_LENGTHS.atEdge,
	backBufferLength: 12,
	// Nudging starts after these; the defaults of 1.25 s and 2 s are longer than the whole latency.
	detectStallWithCurrentTimeMs: 400,
	highBufferWatchdogPeriod: 0.6,
	nudgeOffset: 0.05,
	nudgeMaxRetry: 8,
	startFragPrefetch: true,
	testBandwidth: false,
	abrEwmaDefaultEstimate: 5_000_000,
	enableInterstitialPlayback: false,
	enableDateRangeMetadataCues: false,
	enableEmsgMetadataCues: false,
	enableID3MetadataCues: false,
	manifestLoadPolicy: MANIFEST_POLICY,
	playlistLoadPolicy: PLAYLIST_POLICY,
	fragLoadPolicy: FRAGMENT_POLICY,
};
