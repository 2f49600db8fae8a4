/** Connects the player with the system's media controls: lock screen, headset, media keys. */
import type { ChannelDescription } from '../../../../core/protocol/api/channel-description.ts';
import type { PlaybackState } from '../playback/playback-state.ts';

const ACTIONS = ['play', 'pause', 'stop'] as const;
const SEEK_ACTIONS = ['seekbackward', 'seekforward', 'seekto'] as const;
/** Where the system does not name a step. */
const SEEK_SECONDS = 10;

/** `seekTo`: for media with a beginning and an end. */
type SeekHandlers = { seekBy: (seconds: number) => void; seekTo?: (seconds: number) => void };

/** One per player; the page has one media session, whichever element plays. */
export class MediaSessionLink {
	/** Older browsers have none. */
	readonly #session: MediaSession | undefined = navigator.mediaSession;

	constructor(onPaused: (isPaused: boolean) => void, seeking?: SeekHandlers) {
		for (const action of ACTIONS) {
			this.#handle(action, () => onPaused(action !== 'play'));
		}
		if (seeking !== undefined) {
			this.#handle('seekbackward', ({ seekOffset }) => seeking.seekBy(-(seekOffset ?? SEEK_SECONDS)));
			this.#handle('seekforward', ({ seekOffset }) => seeking.seekBy(seekOffset ?? SEEK_SECONDS));
			this.#handle('seekto', seeking.seekTo ? ({ seekTime }) => seeking.seekTo?.(seekTime ?? 0) : null);
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

	/** Where it plays, for the system's seek bar. */
	updatePosition(state: Required<MediaPositionState>): void {
		try {
			this.#session?.setPositionState?.(state);
		} catch {
			// The length is not known yet.
		}
	}

	close(): void {
		for (const action of [...ACTIONS, ...SEEK_ACTIONS]) {
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
