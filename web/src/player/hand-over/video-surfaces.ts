/** Moves picture-in-picture, an iPhone's native full screen and the focus from one video element to the next. */

/** True while the element is shown outside the page. */
export function isElsewhere(video: HTMLVideoElement): boolean {
	return document.pictureInPictureElement === video || isInNativeFullscreen(video);
}

/** Safari on iPhone needs a gesture to show another element, so a change has to wait. From documents; not tested. */
export function isInNativeFullscreen(video: HTMLVideoElement): boolean {
	return video.webkitDisplayingFullscreen === true;
}

/** Ends the element's picture-in-picture and native full screen. */
export function leaveElsewhere(video: HTMLVideoElement): void {
	if (document.pictureInPictureElement === video) {
		document.exitPictureInPicture().catch(() => undefined);
	}
	if (isInNativeFullscreen(video)) {
		video.webkitExitFullscreen?.();
	}
}

/** Moves them to the next element, or ends them where that is not possible. Never rejects. */
export async function moveSurfaces(from: HTMLVideoElement, to: HTMLVideoElement): Promise<void> {
	if (document.activeElement === from) {
		to.focus({ preventScroll: true });
	}
	if (document.pictureInPictureElement === from) {
		try {
			// While a window is open, no gesture is needed (W3C picture-in-picture, "request Picture-in-Picture algorithm").
			await to.requestPictureInPicture();
		} catch {
			// No metadata yet, or the browser refuses: no window is better than one without a picture.
		}
	}
	leaveElsewhere(from);
}
