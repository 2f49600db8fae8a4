/** The hls.js configuration for LL-HLS with parts of 0.2 s. */
import type { HlsConfig, LoadPolicy, RetryConfig } from 'hls.js';

/** Statuses that may pass soon: no answer, too early, too busy, or any 5xx. */
function isTransient(httpStatus: number | undefined): boolean {
	return httpStatus === undefined || httpStatus === 0 || httpStatus >= 500 || [404, 408, 425, 429].includes(httpStatus);
}

/**
 * Never gives up. By default hls.js 1.7.4 retries neither a 4xx nor a refused connection (status 0) and ends the
 * playback after two 503. A lost publisher or a restarted server causes exactly those. 404 is among them because a
 * playlist may be requested just before the channel exists; TierPlayback rebuilds when it stays.
 */
const RETRY_FOREVER: RetryConfig = {
	maxNumRetry: Number.MAX_SAFE_INTEGER,
	retryDelayMs: 250,
	maxRetryDelayMs: 2000,
	backoff: 'exponential',
	shouldRetry: (_config, _retryCount, isTimeout, response) => isTimeout || isTransient(response?.code),
};

/** About three seconds of retries; after them TierPlayback makes a new connection. */
const FRAGMENT_RETRIES = 6;

/** A part or segment that is not found has left the window: a retry does not bring it back. */
const RETRY_BRIEFLY: RetryConfig = {
	...RETRY_FOREVER,
	maxNumRetry: FRAGMENT_RETRIES,
	maxRetryDelayMs: 800,
	shouldRetry: (_config, retryCount, isTimeout, response) =>
		retryCount < FRAGMENT_RETRIES && (isTimeout || (response?.code !== 404 && isTransient(response?.code))),
};

// A blocking playlist request is held by the server for up to three target durations, 9 s, before its first byte.
const PLAYLIST_POLICY: LoadPolicy = {
	default: {
		maxTimeToFirstByteMs: 12_000,
		maxLoadTimeMs: 20_000,
		timeoutRetry: RETRY_FOREVER,
		errorRetry: RETRY_FOREVER,
	},
};
// A part is announced before it exists, and the server holds the request until then. A segment of 2 s loads slowly over
// a poor line, and must not be aborted half loaded; HlsLoading watches for progress.
const FRAGMENT_POLICY: LoadPolicy = {
	default: {
		maxTimeToFirstByteMs: 6000,
		maxLoadTimeMs: 40_000,
		timeoutRetry: RETRY_BRIEFLY,
		errorRetry: RETRY_BRIEFLY,
	},
};
// The first playlist: its failure shows the channel's state, so TierPlayback handles it, and retries.
const MANIFEST_POLICY: LoadPolicy = {
	default: { maxTimeToFirstByteMs: 12_000, maxLoadTimeMs: 20_000, timeoutRetry: null, errorRetry: null },
};

/** Seconds loaded ahead. Behind the edge, enough to detect that the line has improved. */
export const BUFFER_LENGTHS = {
	atEdge: { maxBufferLength: 8, maxMaxBufferLength: 8 },
	behind: { maxBufferLength: 12, maxMaxBufferLength: 12 },
} as const;

/** For live channels and videos: neither advertisements nor metadata are in our media. */
export const COMMON_HLS_CONFIG: Partial<HlsConfig> = {
	enableWorker: true,
	testBandwidth: false,
	abrEwmaDefaultEstimate: 5_000_000,
	enableInterstitialPlayback: false,
	enableDateRangeMetadataCues: false,
	enableEmsgMetadataCues: false,
	enableID3MetadataCues: false,
};

export const HLS_CONFIG: Partial<HlsConfig> = {
	...COMMON_HLS_CONFIG,
	lowLatencyMode: true,
	// Our own controller steers (rate-controller.ts). That of hls.js never catches up with less than 1 s of buffer, and
	// each stall moves its target back for good (video-dev/hls.js#6350). liveSyncDurationCount stays unset: it adds
	// seconds in low-latency mode (#4212).
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
	manifestLoadPolicy: MANIFEST_POLICY,
	playlistLoadPolicy: PLAYLIST_POLICY,
	fragLoadPolicy: FRAGMENT_POLICY,
};
