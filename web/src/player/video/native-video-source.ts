/** A video played by the browser itself, without Media Source: iPhones before iOS 17.1. */
import { isGoneStatus, type VideoSource, type VideoSourceListener, type VideoSourceOptions } from './video-source.ts';

const PROBE_DEADLINE_MS = 8000;

export class NativeVideoSource implements VideoSource {
	/** The browser chooses the picture and skips gaps by itself. */
	readonly qualities = [];
	readonly shownQuality = undefined;
	readonly gaps = [];
	readonly #video: HTMLVideoElement;
	readonly #abort = new AbortController();

	constructor(
		video: HTMLVideoElement,
		{ playlistUrl, startSeconds }: VideoSourceOptions,
		listener: VideoSourceListener,
	) {
		this.#video = video;
		const { signal } = this.#abort;
		const start = (): void => {
			if (startSeconds > 0) {
				video.currentTime = startSeconds;
			}
		};
		video.addEventListener('loadedmetadata', start, { signal, once: true });
		video.addEventListener('error', () => void this.#explain(playlistUrl, listener), { signal, once: true });
		video.src = playlistUrl;
		video.load();
	}

	captureTimeMs(mediaSeconds: number): number | undefined {
		const startMs = this.#video.getStartDate?.().getTime() ?? NaN;
		return Number.isNaN(startMs) ? undefined : startMs + mediaSeconds * 1000;
	}

	prefer(): void {
		// The browser chooses.
	}

	close(): void {
		this.#abort.abort();
		this.#video.removeAttribute('src');
		this.#video.load();
	}

	/** The element's error has no status: ask for the playlist again. */
	async #explain(playlistUrl: string, listener: VideoSourceListener): Promise<void> {
		const detail = this.#video.error?.message ?? '';
		const isUndecodable = this.#video.error?.code === MediaError.MEDIA_ERR_DECODE;
		const signal = AbortSignal.any([this.#abort.signal, AbortSignal.timeout(PROBE_DEADLINE_MS)]);
		const status = await fetch(playlistUrl, { signal, cache: 'no-store' }).then(
			(answer) => answer.status,
			() => 0,
		);
		if (this.#abort.signal.aborted) {
			return;
		}
		if (isGoneStatus(status)) {
			listener.onProblem({ kind: 'gone', detail: `The server answered ${status}.` });
		} else if (isUndecodable || status === 200) {
			listener.onProblem({ kind: 'undecodable', detail });
		} else {
			listener.onProblem({ kind: 'unreachable', detail: status === 0 ? '' : `The server answered ${status}.` });
		}
	}
}
