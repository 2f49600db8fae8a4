/** The playlists of videos, made from the journal in the database and kept while they are asked for. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import { createLruCache } from '../../core/limits/lru-cache.ts';
import type { Cdn } from '../../packager/config/packager-config.ts';
import { RenderedPlaylist, type RenderedBody } from '../../packager/origin/rendered-playlist.ts';
import { pathwaysOf } from '../../packager/playlist/content-steering.ts';
import { formatVodMultivariant, formatVodPlaylist, recordedWindow } from '../../packager/vod/vod-playlist.ts';
import { vodPath, type VideoRecord } from './video-row.ts';
import type { VideoStore } from './video-store.ts';

/** A new visibility has a new path secret. */
type Playable = Pick<VideoRecord, 'id' | 'endedAt' | 'pathSecret' | 'visibility'>;
/** By track; that of the multivariant playlist is empty. */
type Playlists = ReadonlyMap<string, RenderedBody>;

/** Videos whose playlists are kept; one of eight hours has 1 MB of them. */
const MAX_KEPT = 64;
/** Those of a video that is being recorded are made again after so long. */
const GROWING_MS = 1000;

export class VideoPlaylists {
	readonly #deps: { videos: Pick<VideoStore, 'tracks'>; clock: Clock };
	readonly #cdns: readonly Cdn[];
	/** By path secret. */
	readonly #complete = createLruCache<string, Promise<Playlists>>(MAX_KEPT);
	readonly #growing = createLruCache<string, { madeAtMs: number; playlists: Promise<Playlists> }>(MAX_KEPT);

	/** `cdns`: named in the playlists of videos that caches may keep. */
	constructor(deps: { videos: Pick<VideoStore, 'tracks'>; clock: Clock }, { cdns }: { cdns: readonly Cdn[] }) {
		this.#deps = deps;
		this.#cdns = cdns;
	}

	/** Throws VIDEO_NOT_FOUND for a track that it does not have, and while there is nothing to play. */
	async body(video: Playable, trackId: string | undefined): Promise<RenderedBody> {
		const playlists = await (video.endedAt === undefined ? this.#growingOf(video) : this.#completeOf(video));
		const body = playlists.get(trackId ?? '');
		if (body === undefined) {
			throw new SpillwayError('VIDEO_NOT_FOUND');
		}
		return body;
	}

	#completeOf(video: Playable): Promise<Playlists> {
		const { pathSecret } = video;
		let playlists = this.#complete.get(pathSecret);
		if (playlists === undefined) {
			playlists = this.#make(video, true);
			this.#complete.set(pathSecret, playlists);
			playlists.catch(() => this.#complete.delete(pathSecret));
		}
		return playlists;
	}

	#growingOf(video: Playable): Promise<Playlists> {
		const { pathSecret } = video;
		const nowMs = this.#deps.clock.monotonicMs();
		const kept = this.#growing.get(pathSecret);
		if (kept !== undefined && nowMs - kept.madeAtMs < GROWING_MS) {
			return kept.playlists;
		}
		const playlists = this.#make(video, false);
		this.#growing.set(pathSecret, { madeAtMs: nowMs, playlists });
		playlists.catch(() => this.#growing.delete(pathSecret));
		return playlists;
	}

	async #make({ id, pathSecret, visibility }: Playable, isComplete: boolean): Promise<Playlists> {
		const tracks = await this.#deps.videos.tracks(id);
		const window = recordedWindow(tracks);
		const playlists = new Map<string, RenderedBody>();
		if (window !== undefined) {
			const pathways = visibility === 'private' ? [] : pathwaysOf(this.#cdns, vodPath(pathSecret));
			playlists.set('', render(formatVodMultivariant(tracks, pathways)));
			for (const track of tracks) {
				playlists.set(track.trackId, render(formatVodPlaylist(track, window, isComplete)));
			}
		}
		return playlists;
	}
}

function render(text: string): RenderedBody {
	return new RenderedPlaylist({ source: { version: 0 }, format: () => text }).body(false);
}
