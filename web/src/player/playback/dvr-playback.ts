/**
 * A running broadcast behind live, over hls.js: what is kept of it, in whole segments, from a capture time on. Drives
 * one hls.js instance for each connection.
 */
import type Hls from 'hls.js';
import type * as HlsModule from 'hls.js';
import type { ErrorData, LevelDetails } from 'hls.js';
import { bufferedAheadSeconds, rangesOf } from '../measure/buffered-ranges.ts';
import {
	captureRangesOf,
	captureTimeOfMedia,
	datedFragments,
	mediaTimeOfCapture,
	type DatedFragment,
} from '../measure/capture-clock.ts';
import { gapsOf, skipGap } from '../measure/media-gaps.ts';
import { startingLoader } from './dvr-start.ts';
import { manifestFailure } from './hls-failures.ts';
import { loadHlsLibrary } from './hls-library.ts';
import {
	EMPTY_CONNECTION_READING,
	type CaptureRange,
	type ConnectionFailure,
	type ConnectionReading,
	type MediaConnection,
	type Playback,
	type RewindRange,
	type TimeShift,
} from './playback.ts';
import { matchQuality, type Quality, type QualityControl, type QualityPreference } from './quality.ts';
import { qualitiesOf, segmentHlsConfig } from './segment-hls.ts';
import { TierPlayback, type PlaybackDeps } from './tier-playback.ts';

/** A decoder that fails again this soon after a reset does not recover. */
const MEDIA_RECOVERY_INTERVAL_MS = 5000;
/** Nearer to the end of the playlist than this, nothing plays faster than it comes. */
const FAST_UNTIL_SECONDS = 5;

type DvrOptions = {
	/** Of the multivariant playlist. */
	dvrUrl: string;
	/** Where to begin, the server's epoch milliseconds. */
	fromCaptureTimeMs: number;
	speed: number;
	/** What is known of the line, in bits a second. */
	knownBps: number | undefined;
	preference: QualityPreference;
};

/** Plays what is kept of a broadcast. `loadLibrary`: a test passes a fake. */
export function createDvrPlayback(deps: PlaybackDeps, options: DvrOptions, loadLibrary = loadHlsLibrary): Playback {
	return new TierPlayback({ ...deps, connection: new DvrConnection({ ...deps, loadLibrary }, options) });
}

type ConnectionDeps = Pick<PlaybackDeps, 'clock'> & { loadLibrary: () => Promise<typeof HlsModule> };

class DvrConnection implements MediaConnection, TimeShift {
	readonly tier = 'll-hls';
	readonly timeShift = this;
	readonly quality: QualityControl;
	readonly isShifted = true;
	readonly hasLiveEdge = false;
	readonly isStarved = false;
	readonly isOfOneBroadcast = true;
	readonly playsToEnd = true;
	/** A segment may load slowly. */
	readonly rebuildAfterMs = 20_000;
	isWatched = true;
	readonly #deps: ConnectionDeps;
	readonly #dvrUrl: string;
	#knownBps: number | undefined;
	#preference: QualityPreference;
	#speed: number;
	/** Where the next connection begins. */
	#fromCaptureTimeMs: number;
	#qualities: readonly Quality[] = [];
	#video: HTMLVideoElement | undefined;
	#hls: Hls | undefined;
	#abort = new AbortController();
	#onFailure: (failure: ConnectionFailure) => void = () => undefined;
	#details: LevelDetails | undefined;
	#fragments: readonly DatedFragment[] = [];
	#listed: RewindRange | undefined;
	#receivedBytes = 0;
	#lastMediaRecoveryMs = -Infinity;

	constructor(deps: ConnectionDeps, { dvrUrl, fromCaptureTimeMs, speed, knownBps, preference }: DvrOptions) {
		this.#deps = deps;
		this.#dvrUrl = dvrUrl;
		this.#fromCaptureTimeMs = fromCaptureTimeMs;
		this.#speed = speed;
		this.#knownBps = knownBps;
		this.#preference = preference;
		this.quality = this.#qualityControl();
	}

	connect(video: HTMLVideoElement, onFailure: (failure: ConnectionFailure) => void): void {
		this.disconnect();
		const abort = new AbortController();
		this.#abort = abort;
		this.#video = video;
		this.#onFailure = onFailure;
		this.#deps.loadLibrary().then(
			(library) => {
				if (!abort.signal.aborted) {
					this.#open(library, video);
				}
			},
			(error: unknown) => {
				if (!abort.signal.aborted) {
					this.#fail('unreachable', `The player could not be loaded: ${String(error)}`);
				}
			},
		);
	}

	disconnect(): void {
		this.#fromCaptureTimeMs = this.#playheadMs ?? this.#fromCaptureTimeMs;
		this.#knownBps = this.#hls?.bandwidthEstimate || this.#knownBps;
		this.#abort.abort();
		this.#hls?.destroy();
		this.#hls = undefined;
		this.#details = undefined;
		this.#fragments = [];
		if (this.#video !== undefined) {
			this.#video.playbackRate = 1;
		}
	}

	get hasEnded(): boolean {
		return this.#hls !== undefined && this.#video?.ended === true;
	}

	/** It stays with the broadcast that it was made for. */
	leadsTo(): boolean {
		return true;
	}

	repair(step: number): void {
		if (step === 1) {
			this.#hls?.startLoad(-1);
		} else if (step === 2) {
			this.#hls?.recoverMediaError();
		}
	}

	steer(): void {
		const video = this.#video!;
		const details = this.#details;
		if (details === undefined || video.readyState === 0) {
			return;
		}
		const isAtEnd = details.edge - video.currentTime < FAST_UNTIL_SECONDS;
		const speed = isAtEnd ? Math.min(1, this.#speed) : this.#speed;
		if (video.playbackRate !== speed) {
			video.playbackRate = speed;
		}
		// hls.js crosses small holes only.
		const playable = skipGap(gapsOf(details.fragments), video.currentTime, details.edge);
		if (!video.seeking && playable !== video.currentTime) {
			video.currentTime = playable;
		}
	}

	captureTimeMs(frame: VideoFrameCallbackMetadata): number | undefined {
		return captureTimeOfMedia(frame.mediaTime, this.#fragments);
	}

	reading(): ConnectionReading {
		const hls = this.#hls;
		const level = hls?.levels[hls.currentLevel];
		const video = this.#video;
		return {
			...EMPTY_CONNECTION_READING,
			receivedBytes: this.#receivedBytes,
			framesDroppedCount: video?.getVideoPlaybackQuality().droppedVideoFrames,
			videoCodec: level?.videoCodec,
			audioCodec: level?.audioCodec,
			bufferedAheadMs: video === undefined ? undefined : bufferedAheadSeconds(video) * 1000,
			lineBps: hls?.bandwidthEstimate || undefined,
		};
	}

	get buffered(): readonly CaptureRange[] {
		return this.#video === undefined ? [] : captureRangesOf(rangesOf(this.#video.buffered), this.#fragments);
	}

	get listed(): RewindRange | undefined {
		return this.#listed;
	}

	expectPoorLine(): void {
		// hls.js begins with what the line is known to carry.
	}

	alignWith(): void {
		// Only a playback at the live edge aligns with another.
	}

	holdPosition(): void {
		// It always does.
	}

	goLive(): void {
		// It never does.
	}

	reaches(): boolean {
		return true;
	}

	seek(captureTimeMs: number): void {
		this.#fromCaptureTimeMs = captureTimeMs;
		const seconds = mediaTimeOfCapture(captureTimeMs, this.#fragments);
		if (seconds !== undefined && this.#details !== undefined) {
			this.#video!.currentTime = skipGap(gapsOf(this.#details.fragments), seconds, this.#details.edge);
		}
	}

	setSpeed(speed: number): void {
		this.#speed = speed;
	}

	#qualityControl(): QualityControl {
		const qualities = (): readonly Quality[] => this.#qualities;
		const wanted = (): Quality | undefined => matchQuality(this.#qualities, this.#preference);
		const shown = (): Quality | undefined => this.#qualities.find(({ id }) => id === String(this.#hls?.currentLevel));
		return {
			get qualities() {
				return qualities();
			},
			get quality() {
				return wanted();
			},
			get shownQuality() {
				return shown();
			},
			prefer: (preference) => {
				this.#preference = preference;
				if (this.#hls !== undefined && this.#qualities.length > 0) {
					// The picture on the screen stays until the next segment.
					this.#hls.nextLevel = this.#wantedLevel;
				}
			},
		};
	}

	get #wantedLevel(): number {
		return Number(this.quality.quality?.id ?? -1);
	}

	get #playheadMs(): number | undefined {
		const { readyState = 0, currentTime = 0 } = this.#video ?? {};
		return readyState === 0 || currentTime === 0 ? undefined : captureTimeOfMedia(currentTime, this.#fragments);
	}

	#open({ default: HlsClass, Events }: typeof HlsModule, video: HTMLVideoElement): void {
		if (!HlsClass.isSupported()) {
			this.#fail('unsupported', 'This browser cannot play H.264 through Media Source Extensions.', true);
			return;
		}
		const hls = new HlsClass({
			...segmentHlsConfig(this.#knownBps),
			pLoader: startingLoader(HlsClass.DefaultConfig.loader as never, () => this.#fromCaptureTimeMs),
		});
		this.#hls = hls;
		hls.on(Events.MANIFEST_PARSED, (_event, { levels }) => {
			this.#qualities = qualitiesOf(levels);
			if (this.#wantedLevel >= 0) {
				hls.startLevel = this.#wantedLevel;
				hls.nextLevel = this.#wantedLevel;
			}
		});
		hls.on(Events.LEVEL_UPDATED, (_event, { details }) => this.#onPlaylist(details));
		hls.on(Events.FRAG_LOADED, (_event, { frag }) => (this.#receivedBytes += frag.stats.loaded));
		hls.on(Events.ERROR, (_event, data) => this.#onError(data));
		hls.loadSource(new URL(this.#dvrUrl, globalThis.location?.href).href);
		hls.attachMedia(video);
	}

	#onPlaylist(details: LevelDetails): void {
		this.#details = details;
		this.#fragments = datedFragments(details.fragments);
		const last = details.fragments.at(-1);
		const [startMs, lastMs] = [this.#fragments[0]?.programDateTimeMs, this.#fragments.at(-1)?.programDateTimeMs];
		this.#listed =
			startMs === undefined || lastMs === undefined
				? undefined
				: {
						startMs,
						endMs: lastMs + (last?.duration ?? 0) * 1000,
						gaps: captureRangesOf(gapsOf(details.fragments), this.#fragments),
						isSliding: details.startSN > 1,
					};
	}

	#fail(kind: ConnectionFailure['error']['kind'], detail: string, fatal = false): void {
		this.#onFailure({ error: { kind, detail, fatal }, retryAfterSeconds: 0 });
	}

	#onError(data: ErrorData): void {
		if (!data.fatal || this.#hls === undefined) {
			return;
		}
		const status = data.response?.code ?? 0;
		if (data.details === 'manifestLoadError' || data.details === 'manifestLoadTimeOut') {
			this.#onFailure(manifestFailure(status));
		} else if (data.details === 'manifestIncompatibleCodecsError') {
			this.#fail('undecodable', 'This browser cannot decode the codecs of this channel.', true);
		} else if (data.details === 'bufferStalledError') {
			// Nudging has not helped, and hls.js has stopped loading.
			this.#hls.startLoad(-1);
		} else if (data.type === 'mediaError') {
			this.#onMediaError(data);
		} else {
			this.#fail(
				status === 0 ? 'unreachable' : 'connection-lost',
				`The stream broke off (${data.details}, ${status}).`,
			);
		}
	}

	#onMediaError({ details }: ErrorData): void {
		const nowMs = this.#deps.clock.monotonicMs();
		if (nowMs - this.#lastMediaRecoveryMs < MEDIA_RECOVERY_INTERVAL_MS) {
			this.#fail('undecodable', `The stream could not be decoded (${details}).`);
			return;
		}
		this.#lastMediaRecoveryMs = nowMs;
		this.#hls?.recoverMediaError();
	}
}
