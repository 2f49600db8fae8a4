/** LL-HLS by the browser itself, without Media Source: iPhones before iOS 17.1. Written from documents; not tested. */
import type { Clock } from '../../../../core/lifecycle/clock.ts';
import {
	EMPTY_CONNECTION_READING,
	type ConnectionFailure,
	type ConnectionReading,
	type MediaConnection,
} from './playback.ts';
import { ListedQualities } from './quality.ts';

/** Safari may start 15 to 20 s behind live; once it has a picture, it is sent to the edge. */
const FAR_BEHIND_SECONDS = 6;
const SEEK_INTERVAL_MS = 8000;

/** Lets the video element load the playlist. Cannot steer the rate: Safari keeps PART-HOLD-BACK by itself. */
export class NativeHlsConnection implements MediaConnection {
	readonly tier = 'll-hls';
	/** The browser chooses the picture by itself. */
	readonly quality = new ListedQualities(undefined);
	readonly rebuildAfterMs = 9000;
	readonly playsToEnd = true;
	readonly #deps: { clock: Clock };
	readonly #hlsUrl: string;
	#video: HTMLVideoElement | undefined;
	#abort: AbortController | undefined;
	#lastSeekMs = -Infinity;

	constructor(deps: { clock: Clock }, { hlsUrl }: { hlsUrl: string }) {
		this.#deps = deps;
		this.#hlsUrl = hlsUrl;
	}

	connect(video: HTMLVideoElement, onFailure: (failure: ConnectionFailure) => void): void {
		this.disconnect();
		const abort = new AbortController();
		const failOnce = (kind: ConnectionFailure['error']['kind'], detail: string, fatal: boolean): void => {
			if (!abort.signal.aborted) {
				abort.abort();
				onFailure({ error: { kind, detail, fatal }, retryAfterSeconds: 0 });
			}
		};
		this.#abort = abort;
		this.#video = video;
		if (video.canPlayType('application/vnd.apple.mpegurl') === '') {
			queueMicrotask(() => failOnce('unsupported', 'This browser can play neither Media Source nor HLS.', true));
			return;
		}
		const onError = (): void => {
			const kind = video.error?.code === MediaError.MEDIA_ERR_DECODE ? 'undecodable' : 'connection-lost';
			failOnce(kind, video.error?.message ?? 'The stream broke off.', false);
		};
		video.addEventListener('error', onError, { signal: abort.signal });
		video.src = this.#hlsUrl;
		video.load();
	}

	disconnect(): void {
		this.#abort?.abort();
		this.#abort = undefined;
		this.#video?.removeAttribute('src');
		this.#video?.load();
		this.#video = undefined;
	}

	get hasEnded(): boolean {
		return this.#video?.ended === true;
	}

	/** Which one the browser has loaded is not known: each other one is loaded again. */
	leadsTo(): boolean {
		return false;
	}

	repair(): void {
		this.#seekToEdge();
	}

	steer(nowMs: number): void {
		const video = this.#video;
		const edgeSeconds = this.#edgeSeconds();
		if (video === undefined || edgeSeconds === undefined || video.paused || video.seeking) {
			return;
		}
		// Forced seeks make Safari stall, so only when it is far behind, and seldom.
		if (edgeSeconds - video.currentTime > FAR_BEHIND_SECONDS && nowMs - this.#lastSeekMs > SEEK_INTERVAL_MS) {
			this.#seekToEdge();
		}
	}

	captureTimeMs(frame: VideoFrameCallbackMetadata): number | undefined {
		const startMs = this.#video?.getStartDate?.().getTime();
		return startMs === undefined || Number.isNaN(startMs) ? undefined : startMs + frame.mediaTime * 1000;
	}

	reading(): ConnectionReading {
		const quality = this.#video?.getVideoPlaybackQuality();
		return { ...EMPTY_CONNECTION_READING, framesDroppedCount: quality?.droppedVideoFrames };
	}

	#edgeSeconds(): number | undefined {
		const seekable = this.#video?.seekable;
		return seekable === undefined || seekable.length === 0 ? undefined : seekable.end(seekable.length - 1);
	}

	#seekToEdge(): void {
		const edgeSeconds = this.#edgeSeconds();
		if (edgeSeconds !== undefined && this.#video !== undefined) {
			this.#lastSeekMs = this.#deps.clock.monotonicMs();
			this.#video.currentTime = edgeSeconds;
		}
	}
}
