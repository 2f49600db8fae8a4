/** What a page shows of its video player. */
import type { MediaRange } from '../measure/buffered-ranges.ts';
import type { Quality, QualityPreference } from '../playback/quality.ts';
import { readSettings } from '../viewer-memory.ts';
import type { VideoProblem } from './video-source.ts';

/**
 * `idle`: waits for the viewer. `loading`: no picture yet. `ready`: it plays, or is paused. `waiting`: media are
 * missing. `ended`: at the end. `failed`: see {@link VideoProblem}.
 */
export type VideoPlayerState = 'idle' | 'loading' | 'ready' | 'waiting' | 'ended' | 'failed';

/** What a page shows of its player; a new object for each change. Times are those of the range that is played. */
export type VideoPlayerView = {
	readonly state: VideoPlayerState;
	readonly problem: VideoProblem | undefined;
	readonly isPaused: boolean;
	readonly positionSeconds: number;
	/** 0 until it is known; grows while the video is being recorded. */
	readonly durationSeconds: number;
	readonly buffered: readonly MediaRange[];
	/** Nothing was received for these stretches. */
	readonly gaps: readonly MediaRange[];
	readonly speed: number;
	readonly isMuted: boolean;
	readonly volume: number;
	/** From the best down; empty where the browser chooses. */
	readonly qualities: readonly Quality[];
	/** The viewer's choice, which may not be among them; undefined: the player chooses. */
	readonly preference: QualityPreference;
	/** What it means among them. */
	readonly quality: Quality | undefined;
	readonly shownQuality: Quality | undefined;
	/** It has sound alone. */
	readonly isSoundOnly: boolean;
	/** A picture, or a moment of sound, has been shown. */
	readonly hasStarted: boolean;
	readonly isPictureInPicture: boolean;
};

/** Before anything is loaded. */
export function initialView(preference: QualityPreference): VideoPlayerView {
	return {
		state: 'idle',
		problem: undefined,
		isPaused: true,
		positionSeconds: 0,
		durationSeconds: 0,
		buffered: [],
		gaps: [],
		speed: 1,
		...readSettings(),
		qualities: [],
		preference,
		quality: undefined,
		shownQuality: undefined,
		isSoundOnly: false,
		hasStarted: false,
		isPictureInPicture: false,
	};
}
