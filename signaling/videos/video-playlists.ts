/** The playlists of videos, made from the journal in the database and kept while they are asked for. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import { createLruCache } from '../../core/limits/lru-cache.ts';
import { RenderedPlaylist, type RenderedBody } from '../../packager/origin/rendered-playlist.ts';
import { formatVodMultivariant, formatVodPlaylist, recordedWindow } from '../../packager/vod/vod-playlist.ts';
import type { VideoRecord } from './video-row.ts';
import type { VideoStore } from './video-store.ts';

/** By track; that of the multivariant playlist is empty. */
type Playlists = ReadonlyMap<string, RenderedBody>;

/** Videos whose playlists are kept; one of eight hours has 1 MB of them. */
const MAX_KEPT = 64;
/** Those of a video that is being recorded are made again after so long. */
const GROWING_MS = 1000;

export class VideoPlaylists {
	readonly #deps: { videos: Pick<VideoStore, 'tracks'>; clock: Clock };
	readonly #complete = createLruCache<string, Promise<Playlists>>(MAX_KEPT);
	readonly #growing = createLruCache<string, { madeAtMs: number; playlists: Promise<Playlists> }>(MAX_KEPT);

	constructor(deps: { videos: Pick<VideoStore, 'tracks'>; clock: Clock }) {
		this.#deps = deps;
	}

	/** Throws VIDEO_NOT_FOUND for a track that it does not have, and while there is nothing to play. */
	async body(video: Pick<VideoRecord, 'id' | 'endedAt'>, trackId: string | undefined): Promise<RenderedBody> {
		const playlists = await (video.endedAt === undefined ? this.#growingOf(video.id) : this.#completeOf(video.id));
		const body = playlists.get(trackId ?? '');
		if (body === undefined) {
			throw new SpillwayError('VIDEO_NOT_FOUND');
		}
		return body;
	}

	#completeOf(id: string): Promise<Playlists> {
		let playlists = this.#complete.get(id);
		if (playlists === undefined) {
			playlists = this.#make(id, true);
			this.#complete.set(id, playlists);
			playlists.catch(() => this.#complete.delete(id));
		}
		return playlists;
	}

	#growingOf(id: string): Promise<Playlists> {
		const nowMs = this.#deps.clock.monotonicMs();
		const kept = this.#growing.get(id);
		if (kept !== undefined && nowMs - kept.madeAtMs < GROWING_MS) {
			return kept.playlists;
		}
		const playlists = this.#make(id, false);
		this.#growing.set(id, { madeAtMs: nowMs, playlists });
		playlists.catch(() => this.#growing.delete(id));
		return playlists;
	}

	async #make(id: string, isComplete: boolean): Promise<Playlists> {
		const tracks = await this.#deps.videos.tracks(id);
		const window = recordedWindow(tracks);
		const playlists = new Map<string, RenderedBody>();
		if (window !== undefined) {
			playlists.set('', render(formatVodMultivariant(tracks)));
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
