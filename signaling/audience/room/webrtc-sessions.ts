/** Which WebRTC transports are open, by channel and by viewer: they count against the budget until they are closed. */
import type { ChannelName, ViewerId } from '../../../core/ids.ts';

/** A viewer's id, as players send it with their WHEP request in the header `x-spillway-viewer`. */
const VIEWER_ID = /^[0-9a-z]{26}$/;

/** One WHEP session. */
export type WebRtcSession = {
	channelName: ChannelName;
	/** What the header said; any text of a stranger. */
	viewerId: string | undefined;
	/** Calls back once, when the transport is closed. */
	onClosed(listener: (reason: string) => void): void;
	/** Sends only the sound from now on. */
	stopPicture(): void;
};

type WebRtcSessionListeners = {
	/** The viewer has none left. */
	onLastClosed(viewerId: ViewerId, channelName: ChannelName): void;
	/** Comes after it, when that was because the worker died. */
	onWorkerLost(viewerId: ViewerId, channelName: ChannelName): void;
};

/** Counts transports. */
export class WebRtcSessions {
	readonly #byViewer = new Map<ViewerId, Set<WebRtcSession>>();
	readonly #byChannel = new Map<ChannelName, Map<ViewerId | undefined, number>>();
	readonly #listeners: WebRtcSessionListeners;

	constructor(listeners: WebRtcSessionListeners) {
		this.#listeners = listeners;
	}

	/** Names of the channels that have any. */
	get channelNames(): readonly ChannelName[] {
		return [...this.#byChannel.keys()];
	}

	/** Counts one until it is closed. */
	add(session: WebRtcSession): void {
		const { channelName, viewerId: header } = session;
		const viewerId = header !== undefined && VIEWER_ID.test(header) ? (header as ViewerId) : undefined;
		this.#change(channelName, viewerId, 1);
		if (viewerId !== undefined) {
			this.#byViewer.set(viewerId, (this.#byViewer.get(viewerId) ?? new Set()).add(session));
		}
		session.onClosed((reason) => {
			this.#change(channelName, viewerId, -1);
			this.#forget(viewerId, session);
			if (viewerId !== undefined && !this.has(viewerId)) {
				this.#listeners.onLastClosed(viewerId, channelName);
				if (reason === 'worker-died') {
					this.#listeners.onWorkerLost(viewerId, channelName);
				}
			}
		});
	}

	/** Whether a transport of this viewer is open. */
	has(viewerId: ViewerId): boolean {
		return this.#byViewer.has(viewerId);
	}

	/** The line of this viewer does not carry the picture: only the sound is sent. */
	stopPictures(viewerId: ViewerId): void {
		for (const session of this.#byViewer.get(viewerId) ?? []) {
			session.stopPicture();
		}
	}

	/** How many in a channel belong to nobody for whom `isViewer` is true. */
	countForeign(channelName: ChannelName, isViewer: (viewerId: ViewerId) => boolean): number {
		let count = 0;
		for (const [viewerId, held] of this.#byChannel.get(channelName) ?? []) {
			if (viewerId === undefined || !isViewer(viewerId)) {
				count += held;
			}
		}
		return count;
	}

	#change(channelName: ChannelName, viewerId: ViewerId | undefined, by: 1 | -1): void {
		const inChannel = this.#byChannel.get(channelName) ?? new Map<ViewerId | undefined, number>();
		add(inChannel, viewerId, by);
		if (inChannel.size === 0) {
			this.#byChannel.delete(channelName);
		} else {
			this.#byChannel.set(channelName, inChannel);
		}
	}

	#forget(viewerId: ViewerId | undefined, session: WebRtcSession): void {
		const held = viewerId === undefined ? undefined : this.#byViewer.get(viewerId);
		held?.delete(session);
		if (held?.size === 0) {
			this.#byViewer.delete(viewerId!);
		}
	}
}

function add<Key>(counts: Map<Key, number>, key: Key, by: number): void {
	const count = (counts.get(key) ?? 0) + by;
	if (count === 0) {
		counts.delete(key);
	} else {
		counts.set(key, count);
	}
}
