/** A video element for playback tests: fields that a test sets, and frames that it shows. */
export class FakeVideo extends EventTarget {
	currentTime = 0;
	paused = false;
	ended = false;
	videoWidth = 1280;
	videoHeight = 720;
	playbackRate = 1;
	#callback: VideoFrameRequestCallback | undefined;

	requestVideoFrameCallback(callback: VideoFrameRequestCallback): number {
		this.#callback = callback;
		return 1;
	}

	cancelVideoFrameCallback(): void {
		this.#callback = undefined;
	}

	/** Shows the frame at the playhead. */
	showFrame(atMs: number): void {
		const callback = this.#callback;
		this.#callback = undefined;
		const times = { expectedDisplayTime: atMs, presentationTime: atMs, mediaTime: this.currentTime };
		callback?.(atMs, { ...times, presentedFrames: 1, width: this.videoWidth, height: this.videoHeight });
	}
}
