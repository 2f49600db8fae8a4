/** What plays a video in a video element: hls.js, or the browser itself. */
import type { MediaRange } from '../measure/buffered-ranges.ts';
import type { Quality, QualityPreference } from '../playback/quality.ts';

/**
 * `unreachable`: no answer, also after several tries. `gone`: the address no longer holds the video, which may have a
 * new one. `undecodable` and `unsupported`: this browser cannot play it.
 */
type VideoProblemKind = 'unreachable' | 'gone' | 'undecodable' | 'unsupported';

export type VideoProblem = { kind: VideoProblemKind; detail: string };

export type VideoSourceOptions = {
	playlistUrl: string;
	/** Where to begin; 0 also while the video is still being recorded. */
	startSeconds: number;
	preference: QualityPreference;
};

/** Reports, until it is closed. */
export type VideoSourceListener = {
	/** At most once; the source does nothing more. */
	onProblem(problem: VideoProblem): void;
	/** Qualities or gaps have changed. */
	onChanged(): void;
};

/** Begins with its creation; closed once. */
export interface VideoSource {
	/** From the best down; empty where the browser chooses. */
	readonly qualities: readonly Quality[];
	readonly shownQuality: Quality | undefined;
	readonly gaps: readonly MediaRange[];
	/** When the picture at a media time was captured, the server's epoch milliseconds; undefined where not known. */
	captureTimeMs(mediaSeconds: number): number | undefined;
	prefer(preference: QualityPreference): void;
	/** Frees the video element. */
	close(): void;
}

/** Statuses with which a server says that this address is over; the video's description has the rest. */
export function isGoneStatus(httpStatus: number): boolean {
	return httpStatus === 403 || httpStatus === 404 || httpStatus === 410;
}
