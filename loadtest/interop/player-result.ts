/** What a player made of the live address. */

/** The players that the bench knows. */
export type PlayerName = 'ffmpeg' | 'ffprobe' | 'hls.js' | 'shaka' | 'shaka-low-latency';

/** One stretch of playing. */
export type PlayerResult = {
	player: PlayerName;
	/** Pictures that were decoded or shown; packets of all streams for ffprobe. */
	frameCount: number;
	/** Warnings about the stream and errors, in the player's own words. */
	complaints: string[];
	/** In a browser only. */
	playback?: BrowserPlayback;
};

/** How smooth it was in a browser. */
export type BrowserPlayback = {
	/** From the call of the player to the first picture; absent when there was none. */
	firstFrameMs?: number;
	/** Pauses between two pictures of more than 250 ms, after the first one. */
	freezesMs: number[];
	droppedFrameCount: number;
	/** Most ranges that the element had buffered at any time: 1 without holes. */
	bufferedRangeCount: number;
	/** The player's own idea of its latency at the end; absent when it has none. */
	latencySeconds?: number;
};
