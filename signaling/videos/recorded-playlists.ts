/** Playlists of recordings, made from the journal in the database and kept while they are asked for. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { createLruCache } from '../../core/limits/lru-cache.ts';
import { mapLine } from '../../packager/playlist/playlist-tags.ts';
import { RenderedPlaylist, type RenderedBody } from '../../packager/origin/rendered-playlist.ts';
import { coveringWindow } from '../../packager/vod/clip-window.ts';
import {
	formatVodMultivariant,
	formatVodPlaylist,
	type RecordedTrack,
	type RecordedWindow,
} from '../../packager/vod/vod-playlist.ts';

/** What playlists are made of. */
export type PlaylistSource = {
	tracks: readonly RecordedTrack[];
	/** Undefined while there is nothing to play. */
	window: RecordedWindow | undefined;
	/** It is a part of a recording, in which segments of other tracks begin and end elsewhere. */
	isExcerpt?: boolean;
	/** Nothing follows. */
	isComplete: boolean;
};

export type RecordedPlaylist = { body: RenderedBody; isComplete: boolean };

/** By track; that of the multivariant playlist is empty. */
type Playlists = { isComplete: boolean; bodies: ReadonlyMap<string, RenderedBody> };
type Kept = { madeAtMs: number; playlists: Promise<Playlists>; isComplete: boolean };

/** Those that can grow are made again after so long. */
const GROWING_MS = 1000;

export class RecordedPlaylists {
	readonly #clock: Clock;
	readonly #kept;

	/** `maxKept`: those of a video of eight hours have 1 MB. */
	constructor({ clock }: { clock: Clock }, { maxKept }: { maxKept: number }) {
		this.#clock = clock;
		this.#kept = createLruCache<string, Kept>(maxKept);
	}

	/**
	 * Of a track, or the multivariant one. Undefined for a track that it does not have, and while there is nothing to
	 * play. `key` names the source, which is read when that is due.
	 */
	async find(
		key: string,
		trackId: string | undefined,
		read: () => Promise<PlaylistSource>,
	): Promise<RecordedPlaylist | undefined> {
		const { bodies, isComplete } = await this.#look(key, read);
		const body = bodies.get(trackId ?? '');
		return body && { body, isComplete };
	}

	#look(key: string, read: () => Promise<PlaylistSource>): Promise<Playlists> {
		const nowMs = this.#clock.monotonicMs();
		const known = this.#kept.get(key);
		if (known !== undefined && (known.isComplete || nowMs - known.madeAtMs < GROWING_MS)) {
			return known.playlists;
		}
		const kept: Kept = { madeAtMs: nowMs, playlists: read().then(makePlaylists), isComplete: false };
		this.#kept.set(key, kept);
		kept.playlists.then(
			({ isComplete }) => (kept.isComplete = isComplete),
			() => this.#kept.delete(key),
		);
		return kept.playlists;
	}
}

/** Whether a media playlist lists that file, which has no signs that playlists quote. */
export function listsFile({ body }: RecordedPlaylist, file: string): boolean {
	return body.plain.includes(`\n${file}\n`) || body.plain.includes(mapLine(file));
}

function makePlaylists({ tracks, window, isExcerpt = false, isComplete }: PlaylistSource): Playlists {
	const bodies = new Map<string, RenderedBody>();
	if (window !== undefined) {
		bodies.set('', render(formatVodMultivariant(tracks)));
		for (const track of tracks) {
			const own = isExcerpt ? coveringWindow(track.segments, window) : window;
			bodies.set(track.trackId, render(formatVodPlaylist(track, own, isComplete)));
		}
	}
	return { isComplete, bodies };
}

function render(text: string): RenderedBody {
	return new RenderedPlaylist({ source: { version: 0 }, format: () => text }).body(false);
}
