/** One video element with its playback, and behind it the last picture, shown while there is no other. */
import type { Clock } from '../../../../core/lifecycle/clock.ts';
import type { Playback } from '../playback/playback.ts';
import { CROSS_FADE_MS, type Level, type ScreenSound, type SoundMixer } from './sound-mixer.ts';
import type { DeliveryTier } from '../../../../core/protocol/tiers.ts';

/** Two frames at 20 a second. */
const NEXT_FRAME_PATIENCE_MS = 100;

/** How the viewer wants to watch; kept across a hand-over. */
export type WatchSettings = Level & { isPaused: boolean };

type ScreenDeps = {
	container: HTMLElement;
	playback: Playback;
	mixer: Pick<SoundMixer, 'connect'>;
	/** The browser plays only without sound until the viewer clicks or presses a key. */
	onSoundBlocked: () => void;
	/**
	 * The element was paused, or played on, without {@link Screen.setPaused}: by picture-in-picture, a headset, a media
	 * key, an extension, or the browser.
	 */
	onPausedElsewhere: (isPaused: boolean) => void;
};

/** Adds two elements to the container, and removes them at the end. */
export class Screen {
	readonly video: HTMLVideoElement;
	readonly #lastPicture: HTMLCanvasElement;
	readonly #deps: ScreenDeps;
	readonly #sound: ScreenSound;
	#wantsToPlay: boolean;
	#isClosed = false;
	#isRetired = false;

	/** Hidden until {@link reveal}, and silent unless `isAudible`. */
	constructor(deps: ScreenDeps, { settings, isAudible }: { settings: WatchSettings; isAudible: boolean }) {
		const { container, playback, mixer } = deps;
		this.#deps = deps;
		this.#wantsToPlay = !settings.isPaused;
		this.#lastPicture = document.createElement('canvas');
		this.#lastPicture.className = 'screen-last-picture';
		this.#lastPicture.hidden = true;
		this.video = document.createElement('video');
		this.video.className = 'screen-video';
		this.video.playsInline = true;
		this.video.disablePictureInPicture = false;
		this.#sound = mixer.connect(this.video, settings, isAudible);
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
		// Every new source pauses the element and rejects a pending play().
		this.video.addEventListener('loadstart', () => void this.#tryToPlay());
		for (const name of ['pause', 'play']) {
			this.video.addEventListener(name, () => this.#onElementPaused());
		}
	}

	get playback(): Playback {
		return this.#deps.playback;
	}

	get tier(): DeliveryTier {
		return this.playback.tier;
	}

	/**
	 * Calls back once within the animation frame that paints the next picture, or after a short wait without
	 * requestVideoFrameCallback or in a hidden page.
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

	reveal(): void {
		this.video.style.opacity = '1';
		this.video.dataset['shown'] = 'true';
		this.#sound.setAudible(true);
	}

	/** Hides it at once, silences it within the fade, then closes it. */
	retire(clock: Clock): void {
		this.video.style.opacity = '0';
		delete this.video.dataset['shown'];
		this.#lastPicture.hidden = true;
		this.#sound.setAudible(false);
		this.#isRetired = true;
		clock.setTimeout(() => this.close(), CROSS_FADE_MS * 3);
	}

	setLevel(level: Level): void {
		this.#sound.setLevel(level);
	}

	setPaused(isPaused: boolean): void {
		this.#wantsToPlay = !isPaused;
		this.#sound.setPaused(isPaused);
		if (isPaused) {
			this.video.pause();
		} else {
			void this.#tryToPlay();
		}
	}

	/** Closes the connection for good; the last picture stays until {@link retire} or {@link close}. */
	rest(): void {
		this.playback.stop();
	}

	close(): void {
		this.#isClosed = true;
		this.#sound.close();
		this.playback.stop();
		this.video.remove();
		this.#lastPicture.remove();
	}

	// The event fires after the change, so the element's current state counts. The end of a broadcast pauses it too.
	#onElementPaused(): void {
		const { paused, ended } = this.video;
		const isGone = this.#isClosed || this.#isRetired || this.playback.state === 'stopped';
		if (!isGone && !ended && paused === this.#wantsToPlay) {
			this.#deps.onPausedElsewhere(paused);
		}
	}

	async #tryToPlay(): Promise<void> {
		if (!this.#wantsToPlay || this.#isClosed) {
			return;
		}
		try {
			await this.video.play();
		} catch (error) {
			// Without sound every browser allows autoplay; with sound most need a click first.
			if (error instanceof DOMException && error.name === 'NotAllowedError' && !this.video.muted && !this.#isClosed) {
				this.#sound.setLevel({ isMuted: true, volume: 1 });
				this.video.muted = true;
				this.#deps.onSoundBlocked();
				await this.video.play().catch(() => undefined);
			}
			// AbortError: a newer source has taken over, whose loadstart tries again.
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
