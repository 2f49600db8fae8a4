/**
 * One AudioContext for all screens of a player, so that the sound of one can fade into that of another within 20 ms.
 * Where the browser does not let it run yet (no gesture on the page), a screen plays its sound itself and is switched,
 * not faded.
 */

import { SOUND_ADDED_EVENT } from '../playback/playback.ts';

/** Fades are this long: short enough to be one event, long enough not to click. */
export const CROSS_FADE_MS = 20;

/** How loud the viewer wants it. */
export type Level = { isMuted: boolean; volume: number };

/** A screen's sound. */
export interface ScreenSound {
	/** The viewer's wishes. */
	setLevel(level: Level): void;
	/** Hidden screens are silent; becoming audible or silent takes {@link CROSS_FADE_MS}. */
	setAudible(isAudible: boolean): void;
	/** Paused is silent: the sound of a stream does not stop with the element that shows it. */
	setPaused(isPaused: boolean): void;
	/** Ends it for good. Idempotent. */
	close(): void;
}

/** What is used of an AudioContext; a test passes a fake. @internal for tests */
export type MixerContext = Pick<
	AudioContext,
	| 'state'
	| 'currentTime'
	| 'destination'
	| 'createGain'
	| 'createMediaElementSource'
	| 'createMediaStreamSource'
	| 'resume'
	| 'close'
>;

/** What is asked of the page. `gestures`: where clicks and keys of the viewer are heard. */
type MixerPage = { gestures: Pick<Window, 'addEventListener'>; createContext(): MixerContext | undefined };

function browserPage(): MixerPage {
	return {
		gestures: window,
		createContext: () =>
			typeof AudioContext === 'undefined' ? undefined : new AudioContext({ latencyHint: 'interactive' }),
	};
}

/** One per player. */
export class SoundMixer {
	readonly #page: MixerPage;
	#context: MixerContext | undefined;
	readonly #abort = new AbortController();

	/** Wakes the context with the viewer's next gesture, as browsers ask. */
	constructor(page: MixerPage = browserPage()) {
		this.#page = page;
		const wake = (): void => void this.#wake();
		for (const name of ['pointerdown', 'keydown']) {
			page.gestures.addEventListener(name, wake, { signal: this.#abort.signal, capture: true });
		}
		wake();
	}

	/** Takes charge of a video element's sound. */
	connect(video: HTMLVideoElement, level: Level, isAudible: boolean): ScreenSound {
		const context = this.#context;
		return context?.state === 'running'
			? new MixedSound(context, video, level, isAudible)
			: new PlainSound(video, level, isAudible);
	}

	/** Ends the context. Idempotent. */
	close(): void {
		this.#abort.abort();
		void this.#context?.close().catch(() => undefined);
		this.#context = undefined;
	}

	async #wake(): Promise<void> {
		if (this.#abort.signal.aborted) {
			return;
		}
		try {
			this.#context ??= this.#page.createContext();
			if (this.#context?.state !== 'running') {
				await this.#context?.resume();
			}
		} catch {
			// Not allowed yet, or no sound device: screens play their sound themselves.
		}
	}
}

class MixedSound implements ScreenSound {
	readonly #context: MixerContext;
	readonly #video: HTMLVideoElement;
	readonly #gain: GainNode;
	readonly #abort = new AbortController();
	#level: Level;
	#isAudible: boolean;
	#isPaused = false;
	#elementSource: MediaElementAudioSourceNode | undefined;
	#streamSource: MediaStreamAudioSourceNode | undefined;

	constructor(context: MixerContext, video: HTMLVideoElement, level: Level, isAudible: boolean) {
		this.#context = context;
		this.#video = video;
		this.#level = { ...level };
		this.#isAudible = isAudible;
		this.#gain = context.createGain();
		this.#gain.gain.value = this.#aimedGain();
		this.#gain.connect(context.destination);
		video.muted = true;
		// Each new source of the element is another stream, or none.
		for (const name of ['loadstart', 'loadedmetadata', SOUND_ADDED_EVENT]) {
			video.addEventListener(name, () => this.#attach(), { signal: this.#abort.signal });
		}
		this.#attach();
	}

	setLevel(level: Level): void {
		this.#level = { ...level };
		this.#fade();
	}

	setAudible(isAudible: boolean): void {
		this.#isAudible = isAudible;
		this.#fade();
	}

	setPaused(isPaused: boolean): void {
		this.#isPaused = isPaused;
		this.#fade();
	}

	close(): void {
		this.#abort.abort();
		this.#streamSource?.disconnect();
		this.#elementSource?.disconnect();
		this.#gain.disconnect();
	}

	#attach(): void {
		const { srcObject } = this.#video;
		if (srcObject instanceof MediaStream) {
			if (this.#streamSource?.mediaStream !== srcObject && srcObject.getAudioTracks().length > 0) {
				this.#streamSource?.disconnect();
				// Chromium gives a remote stream's sound only while an element plays it as well: ours does, muted.
				this.#video.muted = true;
				this.#streamSource = this.#context.createMediaStreamSource(srcObject);
				this.#streamSource.connect(this.#gain);
			}
		} else if (this.#elementSource === undefined && this.#video.src !== '') {
			// From now on the element's sound goes through here only, so it need not be muted, and must not be.
			this.#elementSource = this.#context.createMediaElementSource(this.#video);
			this.#elementSource.connect(this.#gain);
			this.#video.muted = false;
			this.#video.volume = 1;
		}
	}

	#aimedGain(): number {
		return this.#isAudible && !this.#isPaused && !this.#level.isMuted ? this.#level.volume : 0;
	}

	#fade(): void {
		const { gain } = this.#gain;
		const nowSeconds = this.#context.currentTime;
		gain.cancelScheduledValues(nowSeconds);
		gain.setValueAtTime(gain.value, nowSeconds);
		gain.linearRampToValueAtTime(this.#aimedGain(), nowSeconds + CROSS_FADE_MS / 1000);
	}
}

class PlainSound implements ScreenSound {
	readonly #video: HTMLVideoElement;
	#level: Level;
	#isAudible: boolean;

	constructor(video: HTMLVideoElement, level: Level, isAudible: boolean) {
		this.#video = video;
		this.#level = { ...level };
		this.#isAudible = isAudible;
		this.#apply();
	}

	setLevel(level: Level): void {
		this.#level = { ...level };
		this.#apply();
	}

	setAudible(isAudible: boolean): void {
		this.#isAudible = isAudible;
		this.#apply();
	}

	setPaused(): void {
		// The element plays its sound itself, and is silent when it is paused.
	}

	close(): void {
		this.#video.muted = true;
	}

	#apply(): void {
		this.#video.muted = this.#level.isMuted || !this.#isAudible;
		this.#video.volume = this.#level.volume;
	}
}
