/**
 * One AudioContext for all screens of a player, so that the sound of one fades into that of another within 20 ms. The
 * browser may not allow it to run, because there was no gesture on the page yet. Until then a screen plays its sound
 * itself and is switched without a fade.
 */
import { SOUND_ADDED_EVENT } from '../playback/playback.ts';

/** Short enough to be heard as one event, long enough not to click. */
export const CROSS_FADE_MS = 20;

/** The viewer's loudness; `volume` from 0 to 1. */
export type Level = { isMuted: boolean; volume: number };

export interface ScreenSound {
	setLevel(level: Level): void;
	/** Fades in or out within {@link CROSS_FADE_MS}; hidden screens are silent. */
	setAudible(isAudible: boolean): void;
	/** Silent while paused: the sound of a stream does not stop with its video element. */
	setPaused(isPaused: boolean): void;
	/** Idempotent. */
	close(): void;
}

/** The used part of an AudioContext; a test passes a fake. @internal for tests */
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

/** `gestures`: the target of the viewer's clicks and keys. */
type MixerPage = { gestures: Pick<Window, 'addEventListener'>; createContext(): MixerContext | undefined };

function browserPage(): MixerPage {
	return {
		gestures: window,
		createContext: () =>
			typeof AudioContext === 'undefined' ? undefined : new AudioContext({ latencyHint: 'interactive' }),
	};
}

export class SoundMixer {
	readonly #page: MixerPage;
	#context: MixerContext | undefined;
	readonly #abort = new AbortController();

	/** Resumes the context at the viewer's next gesture, as browsers require. */
	constructor(page: MixerPage = browserPage()) {
		this.#page = page;
		const resume = (): void => void this.#resume();
		for (const name of ['pointerdown', 'keydown']) {
			page.gestures.addEventListener(name, resume, { signal: this.#abort.signal, capture: true });
		}
		resume();
	}

	connect(video: HTMLVideoElement, level: Level, isAudible: boolean): ScreenSound {
		const context = this.#context;
		return context?.state === 'running'
			? new MixedSound({ context, video }, level, isAudible)
			: new PlainSound(video, level, isAudible);
	}

	/** Idempotent. */
	close(): void {
		this.#abort.abort();
		void this.#context?.close().catch(() => undefined);
		this.#context = undefined;
	}

	async #resume(): Promise<void> {
		if (this.#abort.signal.aborted) {
			return;
		}
		try {
			this.#context ??= this.#page.createContext();
			if (this.#context?.state !== 'running') {
				await this.#context?.resume();
			}
		} catch {
			// Not allowed yet, or no sound device: screens play their own sound.
		}
	}
}

type MixedSoundDeps = { context: MixerContext; video: HTMLVideoElement };

class MixedSound implements ScreenSound {
	readonly #deps: MixedSoundDeps;
	readonly #gain: GainNode;
	readonly #abort = new AbortController();
	#level: Level;
	#isAudible: boolean;
	#isPaused = false;
	#elementSource: MediaElementAudioSourceNode | undefined;
	#streamSource: MediaStreamAudioSourceNode | undefined;

	constructor(deps: MixedSoundDeps, level: Level, isAudible: boolean) {
		const { context, video } = deps;
		this.#deps = deps;
		this.#level = level;
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
		this.#level = level;
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
		const { context, video } = this.#deps;
		const { srcObject } = video;
		if (srcObject instanceof MediaStream) {
			if (this.#streamSource?.mediaStream !== srcObject && srcObject.getAudioTracks().length > 0) {
				this.#streamSource?.disconnect();
				// Chromium delivers a remote stream's sound only while an element plays it too, here muted.
				video.muted = true;
				this.#streamSource = context.createMediaStreamSource(srcObject);
				this.#streamSource.connect(this.#gain);
			}
		} else if (this.#elementSource === undefined && video.src !== '') {
			// From now on the element's sound passes through the context, which a muted element silences.
			this.#elementSource = context.createMediaElementSource(video);
			this.#elementSource.connect(this.#gain);
			video.muted = false;
			video.volume = 1;
		}
	}

	#aimedGain(): number {
		return this.#isAudible && !this.#isPaused && !this.#level.isMuted ? this.#level.volume : 0;
	}

	#fade(): void {
		const { gain } = this.#gain;
		const nowSeconds = this.#deps.context.currentTime;
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
		this.#level = level;
		this.#isAudible = isAudible;
		this.#apply();
	}

	setLevel(level: Level): void {
		this.#level = level;
		this.#apply();
	}

	setAudible(isAudible: boolean): void {
		this.#isAudible = isAudible;
		this.#apply();
	}

	setPaused(): void {
		// The element plays its own sound, and is silent while paused.
	}

	close(): void {
		this.#video.muted = true;
	}

	#apply(): void {
		this.#video.muted = this.#level.isMuted || !this.#isAudible;
		this.#video.volume = this.#level.volume;
	}
}
