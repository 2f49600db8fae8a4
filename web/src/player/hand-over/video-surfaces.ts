/**
 * What belongs to a video element and not to the page: picture-in-picture, an iPhone's own full screen, the focus. It
 * follows the viewer from one element to the next.
 */

/** True while the element is shown outside the page. */
export function isElsewhere(video: HTMLVideoElement): boolean {
	return document.pictureInPictureElement === video || isInNativeFullscreen(video);
}

/**
 * Safari on iPhone: only a gesture fills the screen with another element, so that a change has to wait. Guessed from
 * documents, not tried.
 */
export function isInNativeFullscreen(video: HTMLVideoElement): boolean {
	return video.webkitDisplayingFullscreen === true;
}

/** Lets the element go from wherever it is shown: what it plays ends now. */
export function leaveElsewhere(video: HTMLVideoElement): void {
	if (document.pictureInPictureElement === video) {
		document.exitPictureInPicture().catch(() => undefined);
	}
	if (isInNativeFullscreen(video)) {
		video.webkitExitFullscreen?.();
	}
}

/**
 * Moves it all to the next element; resolves when it is there, or cannot be brought there and was left. Never rejects.
 */
export async function moveSurfaces(from: HTMLVideoElement, to: HTMLVideoElement): Promise<void> {
	if (document.activeElement === from) {
		to.focus({ preventScroll: true });
	}
	if (document.pictureInPictureElement === from) {
		try {
			// No gesture is asked for while a window is open (W3C picture-in-picture, "request Picture-in-Picture
			// algorithm").
			await to.requestPictureInPicture();
		} catch {
			// No metadata yet, or the browser does not allow it: a window without a picture is worse than none.
		}
	}
	leaveElsewhere(from);
}
