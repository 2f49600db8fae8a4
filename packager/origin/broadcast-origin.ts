/** The origin's side of one broadcast: playlists, held until they have what a request asks for, and media. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import type { BroadcastPackager } from '../live/broadcast-packager.ts';
import type { PackagerConfig } from '../config/packager-config.ts';
import { checkAdvanceLimit, type DeliveryDirectives } from '../playlist/delivery-directives.ts';
import type { TrackId } from '../../core/media/access-unit.ts';
import { formatDvrPlaylist } from '../playlist/dvr-playlist.ts';
import { formatMediaPlaylist } from '../playlist/media-playlist.ts';
import { pathwaysOf, type Pathway } from '../playlist/content-steering.ts';
import { multivariantPlaylistOf } from '../playlist/multivariant-playlist.ts';
import type { Rendition } from '../rendition/rendition.ts';
import { BlockingReload, type WaitResult } from './blocking-reload.ts';
import type { AnswerKind } from './cache-policy.ts';
import type { HeldRequests } from './held-requests.ts';
import { RenderedPlaylist, type RenderCounts, type RenderedBody } from './rendered-playlist.ts';
import type { MediaAnswer } from './send-body.ts';

/** A playlist with what a cache may know about it. */
type PlaylistAnswer = { body: RenderedBody; kind: AnswerKind };

/** The sender of a request. */
export interface OriginClient {
	/** Key under which its requests are counted; undefined: not counted. */
	readonly key: string | undefined;
	/** Aborts when the request is given up; a signal of this request alone. */
	readonly signal: AbortSignal;
}

/** What a request waits for; the same key means the same condition. */
type WaitCondition = { key: string; isReady: () => boolean };

type Served = { rendition: Rendition; rendered: RenderedPlaylist; dvr: RenderedPlaylist; reload: BlockingReload };

/**
 * A media playlist is first requested when there is a part, and has nothing to play before the first segment is whole.
 * That takes at most 3.45 s, and the part after it. hls.js 1.7.4 waits 10 s for the first byte of one.
 */
const FIRST_SEGMENT_HOLD_MS = 4000;
/** What an archive has: whole segments and init segments. */
const ARCHIVED_FILE = /^(segment[1-9]\d{0,9}\.m4s|init\d{1,9}\.mp4)$/;
/** Retry-After of temporary failures. */
const RETRY_AFTER_SECONDS = 1;

type BroadcastOriginDependencies = {
	broadcast: BroadcastPackager;
	config: PackagerConfig;
	clock: Clock;
	held: HeldRequests;
};

export class BroadcastOrigin {
	readonly #deps: BroadcastOriginDependencies;
	readonly #served = new Map<string, Served>();

	constructor(deps: BroadcastOriginDependencies) {
		this.#deps = deps;
	}

	/** Requests held now. */
	get waiterCount(): number {
		return [...this.#served.values()].reduce((count, { reload }) => count + reload.waiterCount, 0);
	}

	/** Texts written and bodies compressed so far for a track. */
	renderCounts(trackId: string): RenderCounts | undefined {
		return this.#served.get(trackId)?.rendered.counts;
	}

	/** The channel's name as addresses have it. */
	get channelName(): string {
		return this.#deps.broadcast.channelName;
	}

	/**
	 * The broadcast must be ready. `base` leads from the request's address to the channel's, behind any proxy, unless
	 * there are CDNs.
	 */
	multivariantPlaylist(base: string): string {
		const { broadcastId, offered } = this.#deps.broadcast;
		const pathways = this.#pathways;
		const start = pathways.length === 0 ? base : '';
		return multivariantPlaylistOf(offered, ({ trackId }) => `${start}${broadcastId}/${trackId}/index.m3u8`, pathways);
	}

	/**
	 * The media playlist of a track, once it has what the directives ask for, or as it is after a bounded wait.
	 * Throws MEDIA_NOT_FOUND for an unknown track, DELIVERY_DIRECTIVE_INVALID, and BROADCAST_STARTING while there is
	 * nothing to play yet.
	 */
	async mediaPlaylist(trackId: string, directives: DeliveryDirectives, client: OriginClient): Promise<PlaylistAnswer> {
		const { rendition, reload, rendered } = this.#serve(trackId);
		await this.#waitForTurn(reload, client);
		const start: WaitCondition = { key: 'start', isReady: () => rendition.isPlayable };
		if ((await this.#hold(reload, start, FIRST_SEGMENT_HOLD_MS, client)) !== 'ready') {
			throw new SpillwayError('BROADCAST_STARTING', [this.#deps.broadcast.channelName], {
				retryAfterSeconds: RETRY_AFTER_SECONDS,
			});
		}
		const { mediaSequence, partIndex } = directives;
		// §6.2.5: a playlist with EXT-X-ENDLIST ignores all directives.
		if (mediaSequence === undefined || rendition.hasEnded) {
			return { body: rendered.body(directives.isDeltaWelcome), kind: 'playlist' };
		}
		checkAdvanceLimit(directives, rendition.lastPosition!);
		const position = { mediaSequence, partIndex };
		const asked: WaitCondition = {
			key: `${mediaSequence} ${partIndex}`,
			isReady: () => rendition.has(position) || rendition.hasEnded,
		};
		const result = await this.#hold(reload, asked, this.#deps.config.reloadHoldMs, client);
		// §6.2.5.2 suggests 503 after three target durations. We answer earlier, with the playlist as it is. hls.js 1.7.4
		// accepts two failures in a row at most. It gives up a blocking request after 0.8 target durations
		// (playlist-loader.ts, "Override level/track timeout for LL-HLS requests"). With 503 a publisher that is away for
		// the grace window loses all viewers. The same holds for a server that is stopping.
		return {
			body: rendered.body(directives.isDeltaWelcome),
			kind: result === 'ready' ? 'blocking-playlist' : 'blocking-playlist-unfulfilled',
		};
	}

	/** The multivariant playlist of the tracks that can be rewound furthest, for {@link dvrPlaylist}. */
	dvrMultivariantPlaylist(base: string): string {
		const { broadcastId, offered, archive } = this.#deps.broadcast;
		const archived = offered.filter(({ trackId }) => (archive?.segments(trackId).length ?? 0) > 0);
		const listed = archived.length > 0 ? archived : offered;
		const pathways = this.#pathways;
		const start = pathways.length === 0 ? base : '';
		return multivariantPlaylistOf(listed, ({ trackId }) => `${start}${broadcastId}/${trackId}/dvr.m3u8`, pathways);
	}

	get #pathways(): Pathway[] {
		return pathwaysOf(this.#deps.config.cdns, `/hls/${this.channelName}/`);
	}

	/**
	 * All of a track that can be rewound: what is archived, and the live window. Never held. Throws MEDIA_NOT_FOUND for
	 * an unknown track, and BROADCAST_STARTING before there is a whole segment.
	 */
	dvrPlaylist(trackId: string, isDelta: boolean): PlaylistAnswer {
		const { rendition, dvr } = this.#serve(trackId);
		if (!rendition.isPlayable) {
			throw new SpillwayError('BROADCAST_STARTING', [this.#deps.broadcast.channelName], {
				retryAfterSeconds: RETRY_AFTER_SECONDS,
			});
		}
		return { body: dvr.body(isDelta), kind: 'playlist' };
	}

	/** The hinted part is held until it exists. Throws MEDIA_NOT_FOUND, and PLAYLIST_TIMED_OUT when it does not come. */
	async media(trackId: string, file: string, client: OriginClient): Promise<MediaAnswer> {
		const { rendition, reload } = this.#serve(trackId);
		await this.#waitForTurn(reload, client);
		// §6.2.6: the request is held, and no byte of the part is sent, until all of it can be.
		if (!rendition.hasEnded && file === rendition.nextPartName) {
			const asked: WaitCondition = {
				key: file,
				isReady: () => rendition.nextPartName !== file || rendition.hasEnded,
			};
			const result = await this.#hold(reload, asked, this.#deps.config.reloadHoldMs, client);
			if (result !== 'ready') {
				throw new SpillwayError('PLAYLIST_TIMED_OUT', [], { retryAfterSeconds: RETRY_AFTER_SECONDS });
			}
		}
		const bytes =
			this.#deps.broadcast.store.get(`${trackId}/${file}`) ?? (await this.#archived(rendition.trackId, file));
		return { bytes, contentType: this.#deps.broadcast.trackKind(trackId) === 'audio' ? 'audio/mp4' : 'video/mp4' };
	}

	async #archived(trackId: TrackId, file: string): Promise<Uint8Array> {
		const { archive } = this.#deps.broadcast;
		if (archive === undefined || !ARCHIVED_FILE.test(file)) {
			throw new SpillwayError('MEDIA_NOT_FOUND');
		}
		return archive.get(trackId, file);
	}

	/** Releases everything that is held. */
	close(): void {
		for (const served of this.#served.values()) {
			served.reload.close();
		}
		this.#served.clear();
	}

	/** A client that asks very often is served after all others. */
	async #waitForTurn(reload: BlockingReload, client: OriginClient): Promise<void> {
		const { broadcast, config, held } = this.#deps;
		if (held.isBusy(client.key)) {
			const { leave } = held.enter(broadcast.broadcastId, client.key);
			await reload.turn(config.reloadHoldMs, [client.signal, broadcast.signal]).finally(leave);
		}
	}

	/** Waits, counted; a request whose condition is met is neither held nor counted. */
	async #hold(
		reload: BlockingReload,
		{ key, isReady }: WaitCondition,
		timeoutMs: number,
		client: OriginClient,
	): Promise<WaitResult> {
		if (isReady()) {
			return 'ready';
		}
		const { broadcast, held } = this.#deps;
		const { leave, isOfCrowd } = held.enter(broadcast.broadcastId, client.key);
		return reload.wait(isReady, timeoutMs, [client.signal, broadcast.signal], key, isOfCrowd).finally(leave);
	}

	#serve(trackId: string): Served {
		const known = this.#served.get(trackId);
		if (known !== undefined) {
			return known;
		}
		const rendition = this.#deps.broadcast.rendition(trackId);
		if (rendition === undefined || this.#deps.broadcast.state === 'closed') {
			throw new SpillwayError('MEDIA_NOT_FOUND');
		}
		const served: Served = {
			rendition,
			rendered: new RenderedPlaylist({
				source: rendition,
				format: (isDelta) => this.#formatPlaylist(rendition, isDelta),
			}),
			dvr: new RenderedPlaylist({
				// Whole segments only: a new part changes nothing.
				source: {
					get version() {
						return 2 * rendition.nextMediaSequence + Number(rendition.segments.at(-1)?.isComplete === true);
					},
				},
				format: (isDelta) =>
					formatDvrPlaylist(rendition, this.#deps.broadcast.archive?.segments(rendition.trackId) ?? [], isDelta),
			}),
			reload: new BlockingReload({ source: rendition, clock: this.#deps.clock }),
		};
		this.#served.set(trackId, served);
		return served;
	}

	#formatPlaylist(rendition: Rendition, isDelta: boolean): string {
		const reports = this.#deps.broadcast.offered
			.filter((other) => other.rendition !== rendition)
			.map((other) => {
				const last = other.rendition.lastPosition!;
				// Relative to this playlist; hls.js 1.7.4 resolves it and compares it with the playlist's address.
				const uri = `../${other.trackId}/index.m3u8`;
				return { uri, lastMediaSequence: last.mediaSequence, lastPartIndex: last.partIndex };
			});
		return formatMediaPlaylist(rendition, { isDelta, reports });
	}
}
