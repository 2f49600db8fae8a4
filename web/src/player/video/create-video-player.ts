/** The video player's public side, and the only file of this folder that pages import. A page draws the view. */
import { systemClock } from '../../../../core/lifecycle/clock.ts';
import { TypedEmitter } from '../../../../core/lifecycle/typed-emitter.ts';
import { MediaSessionLink } from '../hand-over/media-session-link.ts';
import { PlayedMoments } from '../measure/alignment.ts';
import { rangesOf, type MediaRange } from '../measure/buffered-ranges.ts';
import { hasMediaSource, loadHlsLibrary } from '../playback/hls-library.ts';
import { matchQuality, type QualityPreference } from '../playback/quality.ts';
import { readLine, readQuality, writeQuality, writeSettings } from '../viewer-memory.ts';
import { HlsVideoSource } from './hls-video-source.ts';
import { moveBy, skipGap } from '../measure/media-gaps.ts';
import { NativeVideoSource } from './native-video-source.ts';
import { firstPicture, isLastPicture, lastPicture, withinRange } from './play-range.ts';
import { initialView, type VideoPlayerState, type VideoPlayerView } from './video-player-view.ts';
import type { VideoProblem, VideoSource, VideoSourceListener, VideoSourceOptions } from './video-source.ts';

export type { MediaRange, VideoPlayer, VideoPlayerView, VideoProblem };

/** From the slowest up. */
export const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2] as const;

/** Undefined at the end of the list. */
export function nextSpeed(speed: number, direction: 1 | -1): number | undefined {
	return direction > 0 ? SPEEDS.find((other) => other > speed) : SPEEDS.findLast((other) => other < speed);
}

type VideoPlayerEvents = { changed: [view: VideoPlayerView] };

type VideoStart = {
	playlistUrl: string;
	startSeconds: number;
	/** Of the playlist; nothing else is played, and times count from its start. Undefined: all. */
	range?: MediaRange | undefined;
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
	/** The fields below are in the time of the playlist, the arguments of methods in that of the range. */
	#range: MediaRange | undefined;
	/** Where to pause. Undefined: at the end of the range. */
	#stopSeconds: number | undefined;
	/** It has come to the end of the range. */
	#isAtEnd = false;
	/** Where to begin, until there are media. */
	#startSeconds = 0;
	#wantsToPlay = false;
	#speed = 1;
	#problem: VideoProblem | undefined;
	#hasStarted = false;
	#preference: QualityPreference = readQuality();
	/** Media time of the picture on the screen. */
	#frameSeconds: number | undefined;
	/** The length of the playlist, while the element does not know it. */
	#knownSeconds = 0;
	/** The pictures shown last, by capture time. */
	readonly #moments = new PlayedMoments();

	constructor() {
		super();
		this.#view = initialView(this.#preference);
	}

	get view(): VideoPlayerView {
		return this.#view;
	}

	/** For full screen on iPhones. */
	get video(): HTMLVideoElement | undefined {
		return this.#video;
	}

	/** The picture that was on the screen at that time: when it was captured, the server's epoch milliseconds. */
	pictureAt(monotonicMs: number): { captureTimeMs: number } | undefined {
		const moment = this.#moments.shownAt(monotonicMs);
		// Without frame callbacks, the playhead says which one.
		const captureTimeMs = moment?.captureTimeMs ?? this.#source?.captureTimeMs(this.#positionSeconds);
		return captureTimeMs === undefined ? undefined : { captureTimeMs };
	}

	start(container: HTMLElement, start: VideoStart): void {
		const { playlistUrl, startSeconds, range, isAutoplay, title, channelName } = start;
		const video = document.createElement('video');
		video.className = 'screen-video';
		video.playsInline = true;
		video.preload = 'auto';
		video.volume = this.#view.volume;
		video.muted = this.#view.isMuted;
		this.#video = video;
		this.#playlistUrl = playlistUrl;
		this.#range = range;
		this.#startSeconds = this.#placeOf(startSeconds);
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

	/** It has another address now: continues where it was, or begins the new range. With the same one, plays on. */
	replace(playlistUrl: string, range?: MediaRange): void {
		const isOther = playlistUrl !== this.#playlistUrl;
		this.#playlistUrl = playlistUrl;
		this.#startSeconds = this.#positionSeconds;
		this.#range = range;
		if (isOther && range !== undefined) {
			this.#startSeconds = this.#placeOf(0);
			this.#isAtEnd = false;
		}
		if (isOther && this.#source !== undefined) {
			this.#reload();
		}
	}

	/** Loads it again, from where it was. */
	retry(): void {
		this.#startSeconds = this.#positionSeconds;
		this.#reload();
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
			if (video.ended || this.#isAtEnd) {
				this.#isAtEnd = false;
				video.currentTime = this.#placeOf(0);
			}
			void this.#tryToPlay();
		}
		this.#update();
	}

	/** At the end, it plays on from there. */
	seek(seconds: number): void {
		const durationSeconds = this.#durationSeconds;
		const limit = durationSeconds > 0 ? Math.max(0, durationSeconds - END_SECONDS) : Infinity;
		const target = Math.min(this.#placeOf(seconds), limit);
		const video = this.#video;
		this.#stopSeconds = undefined;
		if (video === undefined || video.readyState < HAVE_METADATA) {
			this.#startSeconds = target;
		} else {
			const wasEnded = video.ended || this.#isAtEnd;
			this.#isAtEnd = false;
			video.currentTime = skipGap(this.#source?.gaps ?? [], target, durationSeconds);
			if (wasEnded) {
				this.#wantsToPlay = true;
				void this.#tryToPlay();
			}
		}
		this.#update();
	}

	seekBy(seconds: number): void {
		this.seek(moveBy(this.#source?.gaps ?? [], this.#positionSeconds, seconds) - this.#originSeconds);
	}

	/** Plays only this part, and pauses on its last picture. */
	playPart({ startSeconds, endSeconds }: MediaRange): void {
		this.seek(startSeconds);
		this.#stopSeconds = this.#originSeconds + endSeconds;
		this.setPaused(false);
	}

	/** Shows the next picture (1) or the one before (-1), paused. */
	stepFrame(direction: 1 | -1): void {
		if (!this.#hasStarted) {
			return;
		}
		// Into the middle of a picture, so that rounding cannot miss it.
		const step = (direction > 0 ? 1.5 : -0.5) * this.#pictureSeconds;
		const from = this.#frameSeconds ?? this.#positionSeconds;
		this.seek(moveBy(this.#source?.gaps ?? [], from, step) - this.#originSeconds);
		// At the end, the seek has made it play.
		this.setPaused(true);
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

	get #originSeconds(): number {
		return this.#range?.startSeconds ?? 0;
	}

	get #pictureSeconds(): number {
		return 1 / (this.#view.shownQuality?.frameRate || ASSUMED_FRAME_RATE);
	}

	/** In the playlist; within the range. */
	#placeOf(seconds: number): number {
		const range = this.#range;
		return range === undefined
			? Math.max(0, seconds)
			: Math.min(
					Math.max(firstPicture(range.startSeconds), range.startSeconds + seconds),
					lastPicture(range.endSeconds, this.#pictureSeconds),
				);
	}

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
		if (seekable !== undefined && seekable.length > 0) {
			this.#knownSeconds = seekable.end(seekable.length - 1);
		}
		return this.#knownSeconds;
	}

	#reload(): void {
		this.#load();
		this.#update();
	}

	#load(): void {
		const video = this.#video!;
		this.#source?.close();
		this.#problem = undefined;
		this.#frameSeconds = undefined;
		this.#moments.clear();
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
		on('timeupdate waiting', () => {
			this.#leaveGap();
			this.#stopAtEnd(video.currentTime, 0);
		});
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
		const onFrame: VideoFrameRequestCallback = (_now, { mediaTime, expectedDisplayTime }) => {
			this.#frameSeconds = mediaTime;
			const captureTimeMs = this.#source?.captureTimeMs(mediaTime);
			if (captureTimeMs !== undefined) {
				this.#moments.add({ captureTimeMs, playedAtMs: expectedDisplayTime });
			}
			this.#stopAtEnd(mediaTime, this.#pictureSeconds);
			if (!signal.aborted) {
				video.requestVideoFrameCallback(onFrame);
			}
		};
		video.requestVideoFrameCallback?.(onFrame);
	}

	/** Pauses on the last picture, when this one is the last or after it. */
	#stopAtEnd(mediaSeconds: number, pictureSeconds: number): void {
		const video = this.#video!;
		const endSeconds = this.#stopSeconds ?? this.#range?.endSeconds;
		if (endSeconds === undefined || video.paused || !isLastPicture(mediaSeconds, endSeconds, pictureSeconds)) {
			return;
		}
		this.#isAtEnd = this.#stopSeconds === undefined;
		this.#stopSeconds = undefined;
		this.#wantsToPlay = false;
		video.pause();
		// The next picture may have come meanwhile.
		video.currentTime = lastPicture(endSeconds, this.#pictureSeconds);
		this.#update();
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
		if (video.ended || this.#isAtEnd) {
			return 'ended';
		}
		return video.readyState < HAVE_FUTURE_DATA && (this.#wantsToPlay || video.seeking) ? 'waiting' : 'ready';
	}

	#update(): void {
		const video = this.#video;
		if (video === undefined || this.#abort.signal.aborted) {
			return;
		}
		const range = this.#range;
		const lengthSeconds = range && range.endSeconds - range.startSeconds;
		const durationSeconds = lengthSeconds ?? this.#durationSeconds;
		const atSeconds = Math.max(0, this.#positionSeconds - this.#originSeconds);
		const positionSeconds = this.#isAtEnd ? durationSeconds : Math.min(atSeconds, lengthSeconds ?? Infinity);
		const qualities = this.#source?.qualities ?? [];
		this.#view = {
			state: this.#state,
			problem: this.#problem,
			isPaused: !this.#wantsToPlay,
			positionSeconds,
			durationSeconds,
			buffered: withinRange(rangesOf(video.buffered), range),
			gaps: withinRange(this.#source?.gaps ?? [], range),
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
