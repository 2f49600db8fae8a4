/** Reports every frame that a video element shows. */

/** The used part of a video element; a test passes a fake. */
type WatchedVideo = Pick<HTMLVideoElement, 'currentTime' | 'paused' | 'videoWidth' | 'videoHeight'> & {
	requestVideoFrameCallback?: HTMLVideoElement['requestVideoFrameCallback'];
	cancelVideoFrameCallback?: HTMLVideoElement['cancelVideoFrameCallback'];
};

type FrameWatchDeps = {
	video: WatchedVideo;
	/** Undefined: the playhead moved, and frames cannot be seen. */
	onFrame: (frame: VideoFrameCallbackMetadata | undefined) => void;
};

/**
 * Watches until {@link stop}. Without requestVideoFrameCallback (Firefox before 132), or with sound only, `poll`
 * reports progress of the playhead instead.
 */
export class FrameWatch {
	readonly #deps: FrameWatchDeps;
	#handle: number | undefined;
	#lastTimeSeconds: number;
	#isStopped = false;

	constructor(deps: FrameWatchDeps) {
		this.#deps = deps;
		this.#lastTimeSeconds = deps.video.currentTime;
		this.#request();
	}

	poll(): void {
		const { video, onFrame } = this.#deps;
		const timeSeconds = video.currentTime;
		const hasMoved = timeSeconds !== this.#lastTimeSeconds;
		this.#lastTimeSeconds = timeSeconds;
		const areFramesUnseen = video.videoWidth === 0 || video.requestVideoFrameCallback === undefined;
		if (hasMoved && !this.#isStopped && areFramesUnseen) {
			onFrame(undefined);
		}
	}

	stop(): void {
		this.#isStopped = true;
		if (this.#handle !== undefined) {
			this.#deps.video.cancelVideoFrameCallback?.(this.#handle);
		}
	}

	#request(): void {
		this.#handle = this.#deps.video.requestVideoFrameCallback?.((_now, frame) => {
			if (!this.#isStopped) {
				this.#request();
				this.#deps.onFrame(frame);
			}
		});
	}
}
