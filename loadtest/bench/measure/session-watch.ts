/**
 * Watches whether a viewer's session continues: page loads, connections, session and playlist requests. Reads only the
 * browser and its requests, never the player, so that it works with any page.
 */
import type { Page, Request } from 'playwright-core';
import type { DeliveryTier } from '../../../core/protocol/tiers.ts';

/** What one viewer's browser did, from before it played to the end. */
export type ViewerSessionFacts = {
	/** The session continued: by the figures below the viewer never had to begin again. */
	wentOn: boolean;
	/** Documents loaded since the watch began. */
	pageLoadCount: number;
	/** WebRTC: peer connections made, sessions requested (POST), and the states of the newest connection, in order. */
	connectionCount?: number;
	sessionRequestCount?: number;
	connectionStates?: string[];
	/** WebRTC: the same RTP stream (SSRC) was decoded before the loss and after it. */
	isSameRtpStream?: boolean;
	/** LL-HLS: media playlists requested before the loss and after it, without their queries. */
	playlistsBefore?: string[];
	playlistsAfter?: string[];
	/** LL-HLS: multivariant playlists requested after the loss; a player that restarts requests one. */
	multivariantRequestCount?: number;
	/** LL-HLS: errors from which the player cannot recover. */
	fatalErrors?: string[];
};

type VideoStream = { ssrc: number; framesDecoded: number };
type PageWatch = { connectionCount: number; states: string[]; video: VideoStream | undefined };

// Runs in the page before the player. Text, because this program is compiled without a browser's types.
const WATCH_CONNECTIONS = `(() => {
	const Native = globalThis.RTCPeerConnection;
	const watch = { connectionCount: 0, states: [], newest: undefined };
	globalThis.RTCPeerConnection = class extends Native {
		constructor(...parameters) {
			super(...parameters);
			watch.connectionCount++;
			watch.newest = this;
			watch.states.push(this.connectionState);
			this.addEventListener('connectionstatechange', () => watch.states.push(this.connectionState));
		}
	};
	globalThis.spillwaySessionWatch = watch;
})()`;
const READ_CONNECTIONS = `(async () => {
	const { connectionCount, states, newest } = globalThis.spillwaySessionWatch;
	const rows = newest === undefined ? [] : [...(await newest.getStats()).values()];
	const video = rows.find((row) => row.type === 'inbound-rtp' && row.kind === 'video');
	return { connectionCount, states, video: video && { ssrc: video.ssrc, framesDecoded: video.framesDecoded } };
})()`;

export class SessionWatch {
	readonly #page: Page;
	readonly #tier: DeliveryTier;
	readonly #playlists: { before: Set<string>; after: Set<string> } = { before: new Set(), after: new Set() };
	#pageLoadCount = 0;
	#sessionRequestCount = 0;
	#multivariantRequestCount = 0;
	#videoBefore: VideoStream | undefined;
	#isLost = false;

	private constructor(page: Page, tier: DeliveryTier) {
		this.#page = page;
		this.#tier = tier;
		page.on('domcontentloaded', () => this.#pageLoadCount++);
		page.on('request', (request) => this.#onRequest(request));
	}

	/** For a page that does not play yet. */
	static async begin(page: Page, tier: DeliveryTier): Promise<SessionWatch> {
		const watch = new SessionWatch(page, tier);
		if (tier === 'webrtc') {
			await page.evaluate(WATCH_CONNECTIONS);
		}
		return watch;
	}

	/** Call before the publisher is lost: later requests count as after the loss. */
	async markLoss(): Promise<void> {
		this.#videoBefore = this.#tier === 'webrtc' ? (await this.#readConnections())?.video : undefined;
		this.#isLost = true;
	}

	/** The facts so far. `playerFacts`: the player's own report, with hls.js's fatal errors. */
	async end(playerFacts: unknown): Promise<ViewerSessionFacts> {
		return this.#tier === 'webrtc' ? this.#webrtcFacts() : this.#hlsFacts(playerFacts);
	}

	async #webrtcFacts(): Promise<ViewerSessionFacts> {
		const pageLoadCount = this.#pageLoadCount;
		const seen = await this.#readConnections();
		const before = this.#videoBefore;
		const connectionStates = seen?.states ?? [];
		const isSameRtpStream =
			before !== undefined && before.ssrc === seen?.video?.ssrc && seen.video.framesDecoded > before.framesDecoded;
		const connectedAt = connectionStates.indexOf('connected');
		const stayedConnected = connectedAt >= 0 && connectedAt === connectionStates.length - 1;
		const isOneSession = seen?.connectionCount === 1 && this.#sessionRequestCount === 1;
		return {
			wentOn: pageLoadCount === 0 && isOneSession && stayedConnected && isSameRtpStream,
			pageLoadCount,
			connectionCount: seen?.connectionCount ?? 0,
			sessionRequestCount: this.#sessionRequestCount,
			connectionStates,
			isSameRtpStream,
		};
	}

	#hlsFacts(playerFacts: unknown): ViewerSessionFacts {
		const pageLoadCount = this.#pageLoadCount;
		const problems = (playerFacts as { problems?: unknown } | null)?.problems;
		const fatalErrors = Array.isArray(problems) ? problems.map(String).filter((text) => text.startsWith('fatal ')) : [];
		const [playlistsBefore, playlistsAfter] = [[...this.#playlists.before].sort(), [...this.#playlists.after].sort()];
		return {
			wentOn:
				pageLoadCount === 0 &&
				this.#multivariantRequestCount === 0 &&
				fatalErrors.length === 0 &&
				playlistsBefore.length > 0 &&
				playlistsBefore.join() === playlistsAfter.join(),
			pageLoadCount,
			playlistsBefore,
			playlistsAfter,
			multivariantRequestCount: this.#multivariantRequestCount,
			fatalErrors,
		};
	}

	// A page that was loaded again has lost the watch. That is a result, not an error.
	#readConnections(): Promise<PageWatch | undefined> {
		return this.#page.evaluate<PageWatch>(READ_CONNECTIONS).catch(() => undefined);
	}

	#onRequest(request: Request): void {
		const { pathname } = new URL(request.url());
		if (request.method() === 'POST' && pathname.startsWith('/whep/')) {
			this.#sessionRequestCount++;
		} else if (pathname.endsWith('/index.m3u8') && pathname.split('/').length === 4) {
			this.#multivariantRequestCount += this.#isLost ? 1 : 0;
		} else if (pathname.endsWith('.m3u8')) {
			this.#playlists[this.#isLost ? 'after' : 'before'].add(pathname);
		}
	}
}
