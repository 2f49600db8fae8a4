/** One video element with its playback, and behind it the last picture, which stands while there is no other. */
import type { Clock } from '../../../../core/lifecycle/clock.ts';
import type { Playback } from '../playback/playback.ts';
import { CROSS_FADE_MS, type Level, type ScreenSound, type SoundMixer } from './sound-mixer.ts';
import type { DeliveryTier } from '../../../../core/protocol/tiers.ts';

/** Two frames at 20 a second. */
const NEXT_FRAME_PATIENCE_MS = 100;

/** How the viewer wants to watch; survives a change of tier. */
export type WatchSettings = Level & { isPaused: boolean };

/** Owned by {@link HandOver}; puts two elements into the container and takes them out again. */
export class Screen {
	readonly playback: Playback;
	readonly video: HTMLVideoElement;
	readonly #lastPicture: HTMLCanvasElement;
	readonly #reports: { onSoundBlocked: () => void; onPausedElsewhere: (isPaused: boolean) => void };
	readonly #sound: ScreenSound;
	#wantsToPlay: boolean;
	#isClosed = false;
	#isRetired = false;

	/**
	 * Hidden until {@link reveal}, and silent unless `isAudible`. `onSoundBlocked`: the browser plays only without
	 * sound until the viewer does something. `onPausedElsewhere`: the element was paused, or played on, by somebody
	 * else than {@link setPaused}: a picture-in-picture window, a headset, a media key, an extension, the browser
	 * itself.
	 */
	constructor(options: {
		container: HTMLElement;
		playback: Playback;
		settings: WatchSettings;
		mixer: Pick<SoundMixer, 'connect'>;
		isAudible: boolean;
		onSoundBlocked: () => void;
		onPausedElsewhere: (isPaused: boolean) => void;
	}) {
		const { container, playback, settings } = options;
		this.playback = playback;
		this.#reports = options;
		this.#wantsToPlay = !settings.isPaused;
		this.#lastPicture = document.createElement('canvas');
		this.#lastPicture.className = 'screen-last-picture';
		this.#lastPicture.hidden = true;
		this.video = document.createElement('video');
		this.video.className = 'screen-video';
		this.video.playsInline = true;
		this.video.disablePictureInPicture = false;
		this.#sound = options.mixer.connect(this.video, settings, options.isAudible);
		this.#sound.setPaused(settings.isPaused);
		this.video.dataset['tier'] = playback.tier;
		// Opacity, not `display: none`: a video that is not laid out gets no frame callbacks.
		this.video.style.opacity = '0';
		container.append(this.#lastPicture, this.video);
		playback.on('pictureLeaving', () => this.#keepPicture());
		playback.on('stateChanged', (next) => {
			if (next === 'playing') {
				this.#lastPicture.hidden = true;
			}
		});
		// Every new source pauses the element and rejects what was asked of the old one.
		this.video.addEventListener('loadstart', () => void this.#tryToPlay());
		for (const name of ['pause', 'play']) {
			this.video.addEventListener(name, () => this.#onElementPaused());
		}
	}

	get tier(): DeliveryTier {
		return this.playback.tier;
	}

	/**
	 * Calls back once within the animation frame in which the next picture is painted, or soon where no picture is
	 * foretold: without requestVideoFrameCallback, or in a hidden page.
	 */
	onNextFrame(clock: Clock, callback: () => void): void {
		let isDue = true;
		const once = (): void => {
			if (isDue) {
				isDue = false;
				callback();
			}
		};
		this.video.requestVideoFrameCallback?.(once);
		clock.setTimeout(once, NEXT_FRAME_PATIENCE_MS);
	}

	/** Makes it visible and audible, for it is the one that is watched. */
	reveal(): void {
		this.video.style.opacity = '1';
		this.video.dataset['shown'] = 'true';
		this.#sound.setAudible(true);
	}

	/** Another has taken its place: invisible at once, silent within the fade, then closed. */
	retire(clock: Clock): void {
		this.video.style.opacity = '0';
		delete this.video.dataset['shown'];
		this.#lastPicture.hidden = true;
		this.#sound.setAudible(false);
		this.#isRetired = true;
		clock.setTimeout(() => this.close(), CROSS_FADE_MS * 3);
	}

	/** The viewer's loudness. */
	setLevel(level: Level): void {
		this.#sound.setLevel(level);
	}

	/** Plays or pauses, by the viewer's wish. */
	setPaused(isPaused: boolean): void {
		this.#wantsToPlay = !isPaused;
		this.#sound.setPaused(isPaused);
		if (isPaused) {
			this.video.pause();
		} else {
			void this.#tryToPlay();
		}
	}

	/** Closes the connection for good; the last picture stands until {@link retire} or {@link close}. */
	rest(): void {
		this.playback.stop();
	}

	/** Stops the playback and removes the elements. Idempotent. */
	close(): void {
		this.#isClosed = true;
		this.#sound.close();
		this.playback.stop();
		this.video.remove();
		this.#lastPicture.remove();
	}

	// The event comes later than the change: what counts is how the element is by then. A broadcast's end pauses it,
	// too.
	#onElementPaused(): void {
		const { paused, ended } = this.video;
		const isGone = this.#isClosed || this.#isRetired || this.playback.state === 'stopped';
		if (!isGone && !ended && paused === this.#wantsToPlay) {
			this.#reports.onPausedElsewhere(paused);
		}
	}

	async #tryToPlay(): Promise<void> {
		if (!this.#wantsToPlay || this.#isClosed) {
			return;
		}
		try {
			await this.video.play();
		} catch (error) {
			// Every browser lets a page play by itself without sound; most not with it before the first click.
			if (error instanceof DOMException && error.name === 'NotAllowedError' && !this.video.muted && !this.#isClosed) {
				this.#sound.setLevel({ isMuted: true, volume: 1 });
				this.video.muted = true;
				this.#reports.onSoundBlocked();
				await this.video.play().catch(() => undefined);
			}
			// AbortError: a newer source has taken over, and its own loadstart comes here again.
		}
	}

	#keepPicture(): void {
		const { videoWidth, videoHeight } = this.video;
		if (this.#isRetired || videoWidth === 0 || this.video.readyState < 2) {
			return;
		}
		this.#lastPicture.width = videoWidth;
		this.#lastPicture.height = videoHeight;
		this.#lastPicture.getContext('2d')?.drawImage(this.video, 0, 0);
		this.#lastPicture.hidden = false;
	}
}
