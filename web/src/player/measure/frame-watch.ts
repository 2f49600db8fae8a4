/** Tells of every frame that a video element shows. */

/** The part of a video element that is watched; a test passes a fake. */
type WatchedVideo = Pick<HTMLVideoElement, 'currentTime' | 'paused' | 'videoWidth' | 'videoHeight'> & {
	requestVideoFrameCallback?: HTMLVideoElement['requestVideoFrameCallback'];
	cancelVideoFrameCallback?: HTMLVideoElement['cancelVideoFrameCallback'];
};

/**
 * Watches until the returned function is called. `onFrame` gets the frame's metadata. Where a frame cannot be seen — no
 * requestVideoFrameCallback (Firefox before 132), or sound without picture — `poll` tells of progress instead.
 */
export class FrameWatch {
	readonly #video: WatchedVideo;
	readonly #onFrame: (frame: VideoFrameCallbackMetadata | undefined) => void;
	#handle: number | undefined;
	#lastTimeSeconds: number;
	#isStopped = false;

	constructor(video: WatchedVideo, onFrame: (frame: VideoFrameCallbackMetadata | undefined) => void) {
		this.#video = video;
		this.#onFrame = onFrame;
		this.#lastTimeSeconds = video.currentTime;
		this.#request();
	}

	/** Call it some times a second. */
	poll(): void {
		const timeSeconds = this.#video.currentTime;
		const hasMoved = timeSeconds !== this.#lastTimeSeconds;
		this.#lastTimeSeconds = timeSeconds;
		const isSoundOnly = this.#video.videoWidth === 0;
		if (hasMoved && !this.#isStopped && (isSoundOnly || this.#video.requestVideoFrameCallback === undefined)) {
			this.#onFrame(undefined);
		}
	}

	/** Ends the watch. */
	stop(): void {
		this.#isStopped = true;
		if (this.#handle !== undefined) {
			this.#video.cancelVideoFrameCallback?.(this.#handle);
		}
	}

	#request(): void {
		this.#handle = this.#video.requestVideoFrameCallback?.((_now, frame) => {
			if (!this.#isStopped) {
				this.#request();
				this.#onFrame(frame);
			}
		});
	}
}
