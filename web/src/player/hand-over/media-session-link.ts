/** Connects the player with the system's media controls: lock screen, headset, media keys. */
import type { ChannelDescription } from '../../../../core/protocol/api/channel-description.ts';
import type { PlaybackState } from '../playback/playback-state.ts';

const ACTIONS = ['play', 'pause', 'stop'] as const;

/** One per player; the page has one media session, whichever element plays. */
export class MediaSessionLink {
	/** Older browsers have none. */
	readonly #session: MediaSession | undefined = navigator.mediaSession;

	constructor(onPaused: (isPaused: boolean) => void) {
		for (const action of ACTIONS) {
			this.#handle(action, () => onPaused(action !== 'play'));
		}
	}

	describe({ title, name }: Pick<ChannelDescription, 'title' | 'name'>): void {
		const { metadata } = this.#session ?? {};
		const shownTitle = title || name;
		if (this.#session !== undefined && (metadata?.title !== shownTitle || metadata.artist !== name)) {
			this.#session.metadata = new MediaMetadata({ title: shownTitle, artist: name });
		}
	}

	update(isPaused: boolean, state: PlaybackState): void {
		if (this.#session !== undefined) {
			const isOver = state === 'offline' || state === 'ended' || state === 'idle';
			this.#session.playbackState = isOver ? 'none' : isPaused ? 'paused' : 'playing';
		}
	}

	close(): void {
		for (const action of ACTIONS) {
			this.#handle(action, null);
		}
		if (this.#session !== undefined) {
			this.#session.metadata = null;
			this.#session.playbackState = 'none';
		}
	}

	#handle(action: MediaSessionAction, handler: MediaSessionActionHandler | null): void {
		try {
			this.#session?.setActionHandler(action, handler);
		} catch {
			// This browser does not support the action.
		}
	}
}
