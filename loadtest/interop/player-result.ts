/** The result of a foreign player on the live address. */

export type PlayerName = 'ffmpeg' | 'ffprobe' | 'hls.js' | 'shaka' | 'shaka-low-latency';

export type PlayerResult = {
	player: PlayerName;
	/** Pictures that were decoded or shown; packets of all streams for ffprobe. */
	frameCount: number;
	/** The player's warnings about the stream, and its errors. */
	complaints: string[];
	/** In a browser only. */
	playback?: BrowserPlayback;
};

/** Smoothness in a browser. */
export type BrowserPlayback = {
	/** From the call of the player to the first picture; absent when there was none. */
	firstFrameMs?: number;
	/** Pauses between two pictures of more than 250 ms, after the first one. */
	freezesMs: number[];
	droppedFrameCount: number;
	/** Maximum of the element's buffered ranges: 1 without holes. */
	bufferedRangeCount: number;
	/** The latency that the player reports at the end; absent when it reports none. */
	latencySeconds?: number;
};
