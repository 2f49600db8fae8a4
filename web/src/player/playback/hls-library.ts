/** hls.js, which is large and so loaded where it is needed, and whether this browser can use it. */
import type * as HlsModule from 'hls.js';

export function loadHlsLibrary(): Promise<typeof HlsModule> {
	return import('hls.js');
}

/** Without it, as on iPhones before iOS 17.1, the browser has to play HLS by itself. */
export function hasMediaSource(): boolean {
	return typeof MediaSource !== 'undefined' || 'ManagedMediaSource' in globalThis;
}
