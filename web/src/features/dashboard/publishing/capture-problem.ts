/** Why camera, microphone or screen could not be opened, with advice. Pure. */

export type CaptureSource = 'camera' | 'screen';

/** Reads an error of getUserMedia or getDisplayMedia (Media Capture and Streams §10.2). */
export function formatCaptureProblem(error: unknown, source: CaptureSource): string {
	const name = error instanceof Error ? error.name : '';
	const what = source === 'camera' ? 'camera or microphone' : 'screen';
	switch (name) {
		case 'NotAllowedError':
		case 'SecurityError':
			return source === 'camera'
				? 'The browser was not allowed to use the camera or microphone. Allow it with the symbol beside the address, then try again.'
				: 'Sharing the screen was declined. Press the button again and choose a window, a tab or a screen.';
		case 'NotFoundError':
			return source === 'camera'
				? 'No camera or microphone was found. Plug one in, or choose “none” for the one that is missing.'
				: 'There is nothing here that could be shared.';
		case 'NotReadableError':
		case 'AbortError':
			return `The ${what} is in use by another program, or does not answer. Close the other program and try again.`;
		case 'OverconstrainedError':
			return `The chosen ${what} is no longer there. Choose another one.`;
		case 'InsecureContextError':
			return 'Browsers give camera and screen to pages only over https, or on localhost. Open this page that way, or use OBS.';
		case 'UnsupportedError':
			return 'This browser cannot share its screen. Use a camera, or OBS.';
		default:
			return `The ${what} could not be opened${error instanceof Error && error.message !== '' ? `: ${error.message}` : '.'}`;
	}
}
