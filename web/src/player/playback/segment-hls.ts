/** hls.js for whole segments, of a video or of a broadcast that is rewound: settings and qualities. Pure. */
import type { HlsConfig, Level, LoadPolicy, RetryConfig } from 'hls.js';
import { shortSide } from '../../../../core/media/rung.ts';
import { COMMON_HLS_CONFIG } from './hls-config.ts';
import type { Quality } from './quality.ts';

/** About a minute of tries; a viewer can try again after it. */
const MAX_RETRIES = 10;

const RETRY: RetryConfig = {
	maxNumRetry: MAX_RETRIES,
	retryDelayMs: 500,
	maxRetryDelayMs: 8000,
	backoff: 'exponential',
	// By default hls.js gives up at once without an answer (status 0).
	shouldRetry: (_config, retryCount, isTimeout, response) =>
		retryCount < MAX_RETRIES && (isTimeout || isTransient(response?.code ?? 0)),
};

const POLICY: LoadPolicy = {
	default: { maxTimeToFirstByteMs: 10_000, maxLoadTimeMs: 60_000, timeoutRetry: RETRY, errorRetry: RETRY },
};

function isTransient(httpStatus: number): boolean {
	return httpStatus === 0 || httpStatus >= 500 || [408, 425, 429].includes(httpStatus);
}

/** Settings for `new Hls(…)`. `knownBps`: what the line carried last, in bits a second. */
export function segmentHlsConfig(knownBps: number | undefined): Partial<HlsConfig> {
	return {
		...COMMON_HLS_CONFIG,
		startLevel: -1,
		...(knownBps === undefined ? {} : { abrEwmaDefaultEstimate: knownBps }),
		lowLatencyMode: false,
		liveSyncOnStallIncrease: 0,
		capLevelToPlayerSize: true,
		maxBufferLength: 30,
		maxMaxBufferLength: 60,
		backBufferLength: 60,
		maxBufferHole: 0.5,
		nudgeMaxRetry: 8,
		manifestLoadPolicy: POLICY,
		playlistLoadPolicy: POLICY,
		fragLoadPolicy: POLICY,
	};
}

/** From the best down; none for media without a picture. Ids are the numbers of hls.js, which sorts from below. */
export function qualitiesOf(levels: readonly Pick<Level, 'width' | 'height' | 'frameRate' | 'bitrate'>[]): Quality[] {
	if (levels.every(({ height }) => height === 0)) {
		return [];
	}
	const best = levels.reduce((top, { bitrate }, index) => (bitrate > levels[top]!.bitrate ? index : top), 0);
	return levels
		.map(({ width, height, frameRate }, index): Quality => ({
			id: String(index),
			kind: 'picture',
			heightPixels: shortSide({ widthPixels: width, heightPixels: height }),
			frameRate,
			isSource: index === best,
		}))
		.toReversed();
}
