/** The video player's public side, and the only file of this folder that pages import. A page draws the view. */
import { systemClock } from '../../../../core/lifecycle/clock.ts';
import { TypedEmitter } from '../../../../core/lifecycle/typed-emitter.ts';
import { MediaSessionLink } from '../hand-over/media-session-link.ts';
import { rangesOf, type MediaRange } from '../measure/buffered-ranges.ts';
import { hasMediaSource, loadHlsLibrary } from '../playback/hls-library.ts';
import { matchQuality, type Quality, type QualityPreference } from '../playback/quality.ts';
import { readLine, readQuality, readSettings, writeQuality, writeSettings } from '../viewer-memory.ts';
import { HlsVideoSource } from './hls-video-source.ts';
import { moveBy, skipGap } from '../measure/media-gaps.ts';
import { NativeVideoSource } from './native-video-source.ts';
import type { VideoProblem, VideoSource, VideoSourceListener, VideoSourceOptions } from './video-source.ts';

export type { MediaRange, VideoPlayer, VideoProblem };

/** From the slowest up. */
export const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2] as const;

/** Undefined at the end of the list. */
export function nextSpeed(speed: number, direction: 1 | -1): number | undefined {
	return direction > 0 ? SPEEDS.find((other) => other > speed) : SPEEDS.findLast((other) => other < speed);
}

/**
 * `idle`: waits for the viewer. `loading`: no picture yet. `ready`: it plays, or is paused. `waiting`: media are
 * missing. `ended`: at the end. `failed`: see {@link VideoProblem}.
 */
type VideoPlayerState = 'idle' | 'loading' | 'ready' | 'waiting' | 'ended' | 'failed';

/** What a page shows of its player; a new object for each change. */
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

type VideoPlayerEvents = { changed: [view: VideoPlayerView] };

type VideoStart = {
	playlistUrl: string;
	startSeconds: number;
	/** False: loads nothing until the viewer wants to play. */
	isAutoplay: boolean;
	title: string;
	channelName: string;
};

/** Where the frame rate of a picture is not known. */
const ASSUMED_FRAME_RATE = 30;
const HAVE_METADATA = 1;
/** `readyState` of an element that can play on. */
const HAVE_FUTURE_DATA = 3;
/** Before the last picture, so that a seek to the end shows one. */
const END_SECONDS = 0.1;

/** A player for one video; it puts its video element into the container of {@link VideoPlayer.start}. */
export function createVideoPlayer(): VideoPlayer {
	return new VideoPlayer();
}

class VideoPlayer extends TypedEmitter<VideoPlayerEvents> {
	readonly #abort = new AbortController();
	#view: VideoPlayerView;
	#video: HTMLVideoElement | undefined;
	#source: VideoSource | undefined;
	#session: MediaSessionLink | undefined;
	#playlistUrl = '';
	/** Where to begin, until there are media. */
	#startSeconds = 0;
	#wantsToPlay = false;
	#speed = 1;
	#problem: VideoProblem | undefined;
	#hasStarted = false;
	#preference: QualityPreference = readQuality();
	/** Media time of the picture on the screen. */
	#frameSeconds: number | undefined;

	constructor() {
		super();
		this.#view = {
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
			preference: this.#preference,
			quality: undefined,
			shownQuality: undefined,
			isSoundOnly: false,
			hasStarted: false,
			isPictureInPicture: false,
		};
	}

	get view(): VideoPlayerView {
		return this.#view;
	}

	/** For full screen on iPhones. */
	get video(): HTMLVideoElement | undefined {
		return this.#video;
	}

	start(container: HTMLElement, { playlistUrl, startSeconds, isAutoplay, title, channelName }: VideoStart): void {
		const video = document.createElement('video');
		video.className = 'screen-video';
		video.playsInline = true;
		video.preload = 'auto';
		video.volume = this.#view.volume;
		video.muted = this.#view.isMuted;
		this.#video = video;
		this.#playlistUrl = playlistUrl;
		this.#startSeconds = startSeconds;
		this.#wantsToPlay = isAutoplay;
		container.append(video);
		this.#listen(video);
		this.#session = new MediaSessionLink((isPaused) => this.setPaused(isPaused), {
			seekBy: (seconds) => this.seekBy(seconds),
			seekTo: (seconds) => this.seek(seconds),
		});
		this.#session.describe({ title, name: channelName });
		window.addEventListener('pagehide', this.close, { signal: this.#abort.signal });
		if (isAutoplay) {
			this.#load();
		}
		this.#update();
	}

	/** The video has another address now: continues where it was. */
	replace(playlistUrl: string): void {
		this.#playlistUrl = playlistUrl;
		if (this.#source !== undefined) {
			this.retry();
		}
	}

	/** Loads it again, from where it was. */
	retry(): void {
		this.#startSeconds = this.#positionSeconds;
		this.#load();
		this.#update();
	}

	setPaused(isPaused: boolean): void {
		const video = this.#video;
		if (video === undefined || this.#problem !== undefined) {
			return;
		}
		this.#wantsToPlay = !isPaused;
		if (isPaused) {
			video.pause();
		} else if (this.#source === undefined) {
			this.#load();
		} else {
			if (video.ended) {
				video.currentTime = 0;
			}
			void this.#tryToPlay();
		}
		this.#update();
	}

	seek(seconds: number): void {
		const durationSeconds = this.#durationSeconds;
		const limit = durationSeconds > 0 ? Math.max(0, durationSeconds - END_SECONDS) : Infinity;
		const target = Math.min(Math.max(0, seconds), limit);
		const video = this.#video;
		if (video === undefined || video.readyState < HAVE_METADATA) {
			this.#startSeconds = target;
		} else {
			const wasEnded = video.ended;
			video.currentTime = skipGap(this.#source?.gaps ?? [], target, durationSeconds);
			if (wasEnded) {
				this.#wantsToPlay = true;
				void this.#tryToPlay();
			}
		}
		this.#update();
	}

	seekBy(seconds: number): void {
		this.seek(moveBy(this.#source?.gaps ?? [], this.#positionSeconds, seconds));
	}

	/** Shows the next picture (1) or the one before (-1), paused. */
	stepFrame(direction: 1 | -1): void {
		if (!this.#hasStarted) {
			return;
		}
		this.setPaused(true);
		const frameRate = this.#view.shownQuality?.frameRate || ASSUMED_FRAME_RATE;
		// Into the middle of a picture, so that rounding cannot miss it.
		const step = (direction > 0 ? 1.5 : -0.5) / frameRate;
		this.seek(moveBy(this.#source?.gaps ?? [], this.#frameSeconds ?? this.#positionSeconds, step));
	}

	setSpeed(speed: number): void {
		this.#speed = speed;
		this.#applySpeed();
	}

	setMuted(isMuted: boolean): void {
		if (this.#video !== undefined) {
			this.#video.muted = isMuted;
		}
	}

	setVolume(volume: number): void {
		if (this.#video !== undefined) {
			this.#video.volume = Math.min(1, Math.max(0, volume));
			this.#video.muted = volume <= 0;
		}
	}

	/** Plays this quality of the list, here and elsewhere; undefined: what the line and the screen allow. */
	chooseQuality(id: string | undefined): void {
		const chosen = this.#view.qualities.find((quality) => quality.id === id);
		this.#preference = chosen && {
			kind: chosen.kind,
			heightPixels: chosen.heightPixels,
			frameRate: chosen.frameRate,
			isSource: chosen.isSource,
		};
		writeQuality(this.#preference);
		this.#source?.prefer(this.#preference);
		this.#update();
	}

	/** Undefined where this browser has none. */
	get togglePictureInPicture(): (() => void) | undefined {
		const video = this.#video;
		if (video === undefined || document.pictureInPictureEnabled !== true) {
			return undefined;
		}
		return () => {
			const change = this.#view.isPictureInPicture ? document.exitPictureInPicture() : video.requestPictureInPicture();
			change.catch(() => undefined);
		};
	}

	/** Ends everything and empties the container; also called when the page is left. Idempotent. */
	readonly close = (): void => {
		this.#abort.abort();
		this.#source?.close();
		this.#source = undefined;
		this.#session?.close();
		this.#session = undefined;
		this.#video?.remove();
	};

	get #positionSeconds(): number {
		const { readyState = 0, currentTime = 0 } = this.#video ?? {};
		return readyState < HAVE_METADATA ? this.#startSeconds : currentTime;
	}

	get #durationSeconds(): number {
		const { duration = NaN, seekable } = this.#video ?? {};
		if (Number.isFinite(duration)) {
			return duration;
		}
		// Safari does not know the length of a video that is being recorded.
		return seekable === undefined || seekable.length === 0
			? this.#view.durationSeconds
			: seekable.end(seekable.length - 1);
	}

	#load(): void {
		const video = this.#video!;
		this.#source?.close();
		this.#problem = undefined;
		this.#frameSeconds = undefined;
		const options: VideoSourceOptions = {
			playlistUrl: this.#playlistUrl,
			startSeconds: this.#startSeconds,
			preference: this.#preference,
		};
		const listener: VideoSourceListener = {
			onChanged: () => this.#update(),
			onProblem: (problem) => {
				this.#problem = problem;
				this.#update();
			},
		};
		const deps = { clock: systemClock, video, loadLibrary: loadHlsLibrary, knownBps: readLine() };
		this.#source = hasMediaSource()
			? new HlsVideoSource(deps, options, listener)
			: new NativeVideoSource(video, options, listener);
	}

	#listen(video: HTMLVideoElement): void {
		const { signal } = this.#abort;
		const on = (names: string, listener: () => void): void => {
			for (const name of names.split(' ')) {
				video.addEventListener(name, listener, { signal });
			}
		};
		on(
			'durationchange progress waiting seeking seeked playing canplay resize ' +
				'enterpictureinpicture leavepictureinpicture',
			() => this.#update(),
		);
		// Every new source pauses the element, sets its speed to 1, and rejects a pending play().
		on('loadstart', () => {
			this.#applySpeed();
			void this.#tryToPlay();
		});
		on('loadeddata', () => {
			this.#hasStarted = true;
			this.#update();
		});
		on('timeupdate waiting', () => this.#leaveGap());
		// By picture-in-picture, a headset, the browser, or the end; not while a new source takes over.
		on('pause play ended', () => {
			if (this.#problem === undefined && video.readyState >= HAVE_METADATA) {
				this.#wantsToPlay = !video.paused;
			}
			this.#update();
		});
		on('volumechange', () => {
			this.#update();
			writeSettings({ isPaused: false, isMuted: video.muted, volume: video.volume });
		});
		const onFrame: VideoFrameRequestCallback = (_now, { mediaTime }) => {
			this.#frameSeconds = mediaTime;
			if (!signal.aborted) {
				video.requestVideoFrameCallback(onFrame);
			}
		};
		video.requestVideoFrameCallback?.(onFrame);
	}

	/** hls.js crosses small holes only. */
	#leaveGap(): void {
		const video = this.#video!;
		const gaps = this.#source?.gaps ?? [];
		if (!video.seeking && !video.ended && gaps.length > 0) {
			const target = skipGap(gaps, video.currentTime, this.#durationSeconds);
			if (target !== video.currentTime) {
				video.currentTime = target;
			}
		}
		this.#update();
	}

	#applySpeed(): void {
		if (this.#video !== undefined) {
			this.#video.defaultPlaybackRate = this.#speed;
			this.#video.playbackRate = this.#speed;
			this.#update();
		}
	}

	async #tryToPlay(): Promise<void> {
		if (!this.#wantsToPlay || this.#abort.signal.aborted) {
			return;
		}
		try {
			await this.#video!.play();
		} catch (error) {
			// The viewer has to click first. AbortError: a newer source has taken over, whose loadstart tries again.
			if (error instanceof DOMException && error.name === 'NotAllowedError') {
				this.#wantsToPlay = false;
				this.#update();
			}
		}
	}

	get #state(): VideoPlayerState {
		const video = this.#video;
		if (this.#problem !== undefined) {
			return 'failed';
		}
		if (video === undefined || this.#source === undefined) {
			return 'idle';
		}
		if (!this.#hasStarted) {
			return 'loading';
		}
		if (video.ended) {
			return 'ended';
		}
		return video.readyState < HAVE_FUTURE_DATA && (this.#wantsToPlay || video.seeking) ? 'waiting' : 'ready';
	}

	#update(): void {
		const video = this.#video;
		if (video === undefined || this.#abort.signal.aborted) {
			return;
		}
		const durationSeconds = this.#durationSeconds;
		const positionSeconds = this.#positionSeconds;
		const qualities = this.#source?.qualities ?? [];
		this.#view = {
			state: this.#state,
			problem: this.#problem,
			isPaused: !this.#wantsToPlay,
			positionSeconds,
			durationSeconds,
			buffered: rangesOf(video.buffered),
			gaps: this.#source?.gaps ?? [],
			speed: this.#speed,
			isMuted: video.muted,
			volume: video.volume,
			qualities,
			preference: this.#preference,
			quality: matchQuality(qualities, this.#preference),
			shownQuality: this.#source?.shownQuality,
			isSoundOnly: this.#hasStarted && video.videoWidth === 0,
			hasStarted: this.#hasStarted,
			isPictureInPicture: document.pictureInPictureElement === video,
		};
		this.#session?.update(this.#view.isPaused, this.#view.state === 'ended' ? 'ended' : 'playing');
		if (durationSeconds > 0) {
			const position = Math.min(positionSeconds, durationSeconds);
			this.#session?.updatePosition({ duration: durationSeconds, position, playbackRate: this.#speed });
		}
		this.emit('changed', this.#view);
	}
}
