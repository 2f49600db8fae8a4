/** Counts open WebRTC transports by channel and by viewer: each counts against the budget until it is closed. */
import type { ChannelName, ViewerId } from '../../../core/ids.ts';
import type { ShownRung } from '../../../core/protocol/ladder-choice.ts';
import type { PictureWish, ViewerPicture } from '../../../core/protocol/signaling/signaling-messages.ts';
import { SetMap } from './set-map.ts';

/** A viewer's id, as players send it in the header `x-spillway-viewer` of their WHEP request. */
const VIEWER_ID = /^[0-9a-z]{26}$/;

export type WebRtcSession = {
	channelName: ChannelName;
	/** The header's value: untrusted text. */
	viewerId: string | undefined;
	/** Calls the listener once, when the transport is closed. */
	onClosed(listener: (reason: string) => void): void;
	/** Sends only the sound from now on. */
	stopPicture(): void;
	/** Chooses the picture from now on. */
	wish(wish: PictureWish): void;
	/** Before the first picture: the viewer's line has carried none before. */
	expectPoorLine(): void;
	/** The best picture that the server has room for; undefined: any. */
	limitBySeats(name: ShownRung | undefined): void;
	/** Calls the listener with each change of the picture that is sent. */
	onPicture(listener: (picture: ViewerPicture) => void): void;
	/** Calls the listener when the line carries no picture at all. */
	onLineTooPoor(listener: () => void): void;
};

type WebRtcSessionListeners = {
	/** The viewer has none left; `reason`: of the last one. */
	onLastClosed(viewerId: ViewerId, channelName: ChannelName, reason: string): void;
	/** Follows onLastClosed when the worker died. */
	onWorkerLost(viewerId: ViewerId, channelName: ChannelName): void;
	onPicture(viewerId: ViewerId, channelName: ChannelName, picture: ViewerPicture): void;
	onLineTooPoor(viewerId: ViewerId, channelName: ChannelName): void;
	/** The best picture that the server has room for; undefined: any. */
	ceilingOf(viewerId: ViewerId | undefined, channelName: ChannelName): ShownRung | undefined;
};

/** `viewerId`: undefined without a valid one. `ceiling`: the one that the session has. */
type Entry = { session: WebRtcSession; viewerId: ViewerId | undefined; ceiling: ShownRung | undefined };

export class WebRtcSessions {
	readonly #byViewer = new SetMap<ViewerId, WebRtcSession>();
	readonly #byChannel = new SetMap<ChannelName, Entry>();
	readonly #listeners: WebRtcSessionListeners;

	constructor(listeners: WebRtcSessionListeners) {
		this.#listeners = listeners;
	}

	get channelNames(): Iterable<ChannelName> {
		return this.#byChannel.keys();
	}

	/** Counts a session until it is closed. */
	add(session: WebRtcSession): void {
		const { channelName, viewerId: header } = session;
		const viewerId = header !== undefined && VIEWER_ID.test(header) ? (header as ViewerId) : undefined;
		const entry: Entry = { session, viewerId, ceiling: undefined };
		this.#byChannel.add(channelName, entry);
		this.#limit(entry, channelName);
		if (viewerId !== undefined) {
			this.#byViewer.add(viewerId, session);
			session.onPicture((picture) => this.#listeners.onPicture(viewerId, channelName, picture));
			session.onLineTooPoor(() => this.#listeners.onLineTooPoor(viewerId, channelName));
		}
		session.onClosed((reason) => {
			this.#byChannel.delete(channelName, entry);
			if (viewerId === undefined) {
				return;
			}
			this.#byViewer.delete(viewerId, session);
			if (!this.has(viewerId)) {
				this.#listeners.onLastClosed(viewerId, channelName, reason);
				if (reason === 'worker-died') {
					this.#listeners.onWorkerLost(viewerId, channelName);
				}
			}
		});
	}

	has(viewerId: ViewerId): boolean {
		return this.#byViewer.get(viewerId) !== undefined;
	}

	/** Sends only the sound, because the viewer's line does not carry the picture. */
	stopPictures(viewerId: ViewerId): void {
		for (const session of this.#byViewer.get(viewerId) ?? []) {
			session.stopPicture();
		}
	}

	/** Chooses the viewer's picture. */
	wish(viewerId: ViewerId, wish: PictureWish): void {
		for (const session of this.#byViewer.get(viewerId) ?? []) {
			session.wish(wish);
		}
	}

	/** The best picture of a channel's viewers that the server has room for may have changed. */
	limitBySeats(channelName: ChannelName): void {
		for (const entry of this.#byChannel.get(channelName) ?? []) {
			this.#limit(entry, channelName);
		}
	}

	/** Transports in a channel that belong to no viewer of it. */
	countOutsiders(channelName: ChannelName, isViewer: (viewerId: ViewerId) => boolean): number {
		let count = 0;
		for (const { viewerId } of this.#byChannel.get(channelName) ?? []) {
			count += viewerId === undefined || !isViewer(viewerId) ? 1 : 0;
		}
		return count;
	}

	#limit(entry: Entry, channelName: ChannelName): void {
		const ceiling = this.#listeners.ceilingOf(entry.viewerId, channelName);
		if (entry.ceiling !== ceiling) {
			entry.ceiling = ceiling;
			entry.session.limitBySeats(ceiling);
		}
	}
}
