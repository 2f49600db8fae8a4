/** A video played by hls.js, also while it grows: from its start, over gaps and changes of size or codec. */
import type Hls from 'hls.js';
import type * as HlsModule from 'hls.js';
import type { ErrorData, HlsConfig, Level, LoadPolicy, RetryConfig } from 'hls.js';
import type { Clock } from '../../../../core/lifecycle/clock.ts';
import { shortSide } from '../../../../core/media/rung.ts';
import type { MediaRange } from '../measure/buffered-ranges.ts';
import { COMMON_HLS_CONFIG } from '../playback/hls-config.ts';
import { matchQuality, type Quality, type QualityPreference } from '../playback/quality.ts';
import { gapsOf } from './media-gaps.ts';
import {
	isGoneStatus,
	type VideoProblem,
	type VideoSource,
	type VideoSourceListener,
	type VideoSourceOptions,
} from './video-source.ts';

/** About a minute of tries; a viewer can try again after it. */
const MAX_RETRIES = 10;
/** A decoder that fails again this soon after a reset does not recover. */
const MEDIA_RECOVERY_INTERVAL_MS = 5000;

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

/** Settings for `new Hls(…)`. @internal for tests */
export function videoHlsConfig(startSeconds: number, knownBps: number | undefined): Partial<HlsConfig> {
	return {
		...COMMON_HLS_CONFIG,
		// Without it a video that is still being recorded begins at its newest picture.
		startPosition: startSeconds,
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

type HlsVideoDeps = {
	clock: Clock;
	video: HTMLVideoElement;
	loadLibrary: () => Promise<typeof HlsModule>;
	/** What the line carried last, in bits a second. */
	knownBps: number | undefined;
};

export class HlsVideoSource implements VideoSource {
	qualities: readonly Quality[] = [];
	gaps: readonly MediaRange[] = [];
	readonly #deps: HlsVideoDeps;
	readonly #listener: VideoSourceListener;
	#hls: Hls | undefined;
	#preference: QualityPreference;
	#isOver = false;
	#lastMediaRecoveryMs = -Infinity;

	constructor(deps: HlsVideoDeps, options: VideoSourceOptions, listener: VideoSourceListener) {
		this.#deps = deps;
		this.#listener = listener;
		this.#preference = options.preference;
		deps.loadLibrary().then(
			(library) => this.#open(library, options),
			(error: unknown) =>
				this.#fail({ kind: 'unreachable', detail: `The player could not be loaded: ${String(error)}` }),
		);
	}

	get shownQuality(): Quality | undefined {
		return this.qualities.find(({ id }) => id === String(this.#hls?.currentLevel));
	}

	prefer(preference: QualityPreference): void {
		this.#preference = preference;
		if (this.#hls !== undefined && this.qualities.length > 0) {
			// The picture on the screen stays until the next segment.
			this.#hls.nextLevel = this.#wantedLevel;
		}
	}

	close(): void {
		this.#isOver = true;
		this.#hls?.destroy();
		this.#hls = undefined;
	}

	get #wantedLevel(): number {
		const quality = matchQuality(this.qualities, this.#preference);
		return quality === undefined ? -1 : Number(quality.id);
	}

	#open({ default: HlsClass, Events }: typeof HlsModule, { playlistUrl, startSeconds }: VideoSourceOptions): void {
		if (this.#isOver) {
			return;
		}
		if (!HlsClass.isSupported()) {
			this.#fail({ kind: 'unsupported', detail: 'This browser cannot play H.264 through Media Source Extensions.' });
			return;
		}
		const hls = new HlsClass(videoHlsConfig(startSeconds, this.#deps.knownBps));
		this.#hls = hls;
		hls.on(Events.MANIFEST_PARSED, (_event, { levels }) => {
			this.qualities = qualitiesOf(levels);
			if (this.#wantedLevel >= 0) {
				hls.startLevel = this.#wantedLevel;
				hls.nextLevel = this.#wantedLevel;
			}
			this.#listener.onChanged();
		});
		hls.on(Events.LEVEL_UPDATED, (_event, { details }) => {
			this.gaps = gapsOf(details.fragments);
			this.#listener.onChanged();
		});
		hls.on(Events.LEVEL_SWITCHED, () => this.#listener.onChanged());
		hls.on(Events.ERROR, (_event, data) => this.#onError(data));
		hls.loadSource(new URL(playlistUrl, globalThis.location?.href).href);
		hls.attachMedia(this.#deps.video);
	}

	#fail(problem: VideoProblem): void {
		if (!this.#isOver) {
			this.#isOver = true;
			// It loads no more; what is buffered stays on the screen until it is closed.
			this.#hls?.stopLoad();
			this.#listener.onProblem(problem);
		}
	}

	#onError(data: ErrorData): void {
		const status = data.response?.code ?? 0;
		// hls.js tries other rungs, which are gone as well.
		if (status === 410 || (data.fatal && isGoneStatus(status))) {
			this.#fail({ kind: 'gone', detail: `The server answered ${status}.` });
		} else if (!data.fatal || this.#hls === undefined) {
			return;
		} else if (data.details === 'manifestIncompatibleCodecsError') {
			this.#fail({ kind: 'undecodable', detail: 'This browser cannot decode the codecs of this video.' });
		} else if (data.type === 'mediaError') {
			this.#onMediaError(data);
		} else {
			const detail = status === 0 ? 'No answer.' : `The server answered ${status}.`;
			this.#fail({ kind: 'unreachable', detail });
		}
	}

	#onMediaError({ details }: ErrorData): void {
		const nowMs = this.#deps.clock.monotonicMs();
		if (nowMs - this.#lastMediaRecoveryMs < MEDIA_RECOVERY_INTERVAL_MS) {
			this.#fail({ kind: 'undecodable', detail: `The video could not be decoded (${details}).` });
			return;
		}
		this.#lastMediaRecoveryMs = nowMs;
		this.#hls?.recoverMediaError();
	}
}

/**
 * From the best down; none for a video without a picture. Ids are the numbers of hls.js, which sorts from below.
 * @internal for tests
 */
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
