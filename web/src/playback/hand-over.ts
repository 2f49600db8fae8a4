/**
 * Plays a channel in the tier that was chosen, and changes tiers make-before-break: the second one plays hidden and muted
 * until it shows frames, then takes the first one's place. Aligning the two by capture time comes with the tier controller.
 */
import type { ChannelState, DeliveryTier } from '../../../core/protocol/channel-description.ts';
import { TypedEmitter } from '../../../core/typed-emitter.ts';
import type { Playback } from './playback.ts';
import type { PlaybackError } from './playback-state.ts';
import { Screen, type WatchSettings } from './screen.ts';

/** What a {@link HandOver} reports. */
export type HandOverEvents = {
	/** Something that the page shows may be different: the screen, its state, or a change under way. */
	changed: [];
	/** The change to a tier was given up; the other one plays on. */
	switchFailed: [tier: DeliveryTier, error: PlaybackError | undefined];
	/** The browser wants a click before it gives sound. */
	soundBlocked: [];
};

/** One per player on a page. */
export class HandOver extends TypedEmitter<HandOverEvents> {
	readonly #container: HTMLElement;
	readonly #createPlayback: (tier: DeliveryTier) => Playback;
	readonly #settings: WatchSettings;
	#channelState: ChannelState;
	#shown: Screen | undefined;
	#pending: Screen | undefined;

	/** `settings` are the viewer's at the start; later ones come through the setters. */
	constructor(options: {
		container: HTMLElement;
		createPlayback: (tier: DeliveryTier) => Playback;
		settings: WatchSettings;
		channelState: ChannelState;
	}) {
		super();
		this.#container = options.container;
		this.#createPlayback = options.createPlayback;
		this.#settings = { ...options.settings };
		this.#channelState = options.channelState;
	}

	/** What is watched; undefined before the first {@link choose}. */
	get shown(): Screen | undefined {
		return this.#shown;
	}

	/** The tier that is being changed to, while it is. */
	get pendingTier(): DeliveryTier | undefined {
		return this.#pending?.tier;
	}

	get settings(): Readonly<WatchSettings> {
		return this.#settings;
	}

	/** Plays in this tier: at once when nothing plays, else as soon as it shows frames. */
	choose(tier: DeliveryTier): void {
		this.#dropPending();
		if (this.#shown?.tier === tier) {
			this.emit('changed');
			return;
		}
		if (this.#shown?.playback.state !== 'playing') {
			this.#shown?.close();
			this.#shown = this.#open(tier, this.#settings);
			this.#shown.reveal();
		} else {
			this.#pending = this.#open(tier, { ...this.#settings, isMuted: true, isPaused: false });
		}
		this.emit('changed');
	}

	/** Passes on what the server says of the channel. */
	channelReported(channelState: ChannelState): void {
		this.#channelState = channelState;
		this.#shown?.playback.channelReported(channelState);
		this.#pending?.playback.channelReported(channelState);
	}

	setPaused(isPaused: boolean): void {
		this.#settings.isPaused = isPaused;
		this.#shown?.setPaused(isPaused);
		this.emit('changed');
	}

	setMuted(isMuted: boolean): void {
		this.#settings.isMuted = isMuted;
		if (this.#shown !== undefined) {
			this.#shown.video.muted = isMuted;
		}
		this.emit('changed');
	}

	/** 0 to 1. */
	setVolume(volume: number): void {
		this.#settings.volume = Math.min(1, Math.max(0, volume));
		if (this.#shown !== undefined) {
			this.#shown.video.volume = this.#settings.volume;
		}
		this.emit('changed');
	}

	/** Ends everything and empties the container. Idempotent. */
	close(): void {
		this.#dropPending();
		this.#shown?.close();
		this.#shown = undefined;
	}

	#open(tier: DeliveryTier, settings: WatchSettings): Screen {
		const screen = new Screen(this.#container, this.#createPlayback(tier), settings, () => {
			this.#settings.isMuted = true;
			this.emit('soundBlocked');
		});
		screen.playback.on('stateChanged', () => this.#onStateChange(screen));
		screen.playback.start(screen.video, this.#channelState);
		return screen;
	}

	#onStateChange(screen: Screen): void {
		if (screen === this.#pending) {
			const { state, error } = screen.playback;
			if (state === 'playing') {
				this.#swap(screen);
			} else if (state === 'error' || state === 'offline' || state === 'ended') {
				this.#dropPending();
				this.emit('switchFailed', screen.tier, error);
			}
		} else if (screen === this.#shown && this.#pending !== undefined && screen.playback.state !== 'playing') {
			// What was to be replaced has stopped by itself: there is nothing left to wait for.
			this.#swap(this.#pending);
		}
		this.emit('changed');
	}

	#swap(next: Screen): void {
		const previous = this.#shown;
		this.#pending = undefined;
		this.#shown = next;
		next.video.muted = this.#settings.isMuted;
		next.video.volume = this.#settings.volume;
		next.setPaused(this.#settings.isPaused);
		next.reveal();
		previous?.close();
	}

	#dropPending(): void {
		this.#pending?.close();
		this.#pending = undefined;
	}
}
