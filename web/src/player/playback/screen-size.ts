/** How large a video element is on the screen, in device pixels; also in picture-in-picture. */

export class ScreenSize {
	readonly #video: HTMLVideoElement;
	readonly #abort = new AbortController();
	readonly #observer: ResizeObserver | undefined;
	#box: { width: number; height: number } | undefined;
	#floating: PictureInPictureWindow | undefined;

	constructor(video: HTMLVideoElement) {
		this.#video = video;
		const { signal } = this.#abort;
		video.addEventListener('enterpictureinpicture', (event) => (this.#floating = event.pictureInPictureWindow), {
			signal,
		});
		video.addEventListener('leavepictureinpicture', () => (this.#floating = undefined), { signal });
		if (typeof ResizeObserver !== 'undefined') {
			this.#observer = new ResizeObserver((entries) => (this.#box = entries.at(-1)?.contentRect));
			this.#observer.observe(video);
		}
	}

	/** Undefined while it is not laid out, or in a browser that does not report it. */
	get pixels(): { width: number; height: number } | undefined {
		// An iPhone's full screen is not the page's; another element's full screen is.
		const box = this.#video.webkitDisplayingFullscreen === true ? screen : (this.#floating ?? this.#box);
		// More than twice as many pixels are not seen in a moving picture.
		const ratio = Math.min(2, globalThis.devicePixelRatio ?? 1);
		return box === undefined || box.width === 0 ? undefined : { width: box.width * ratio, height: box.height * ratio };
	}

	close(): void {
		this.#abort.abort();
		this.#observer?.disconnect();
	}
}
