/** Finds the video behind an address, for players that ask often. */
import type { Clock } from '../../core/lifecycle/clock.ts';
import { SpillwayError } from '../../core/errors/errors.ts';
import { createLruCache } from '../../core/limits/lru-cache.ts';
import type { VideoRecord } from './video-row.ts';
import type { VideoStore } from './video-store.ts';

const SECRET = /^[A-Za-z0-9_-]{22}$/;
/** What an address leads to is asked of the database again after so long, because another node may have changed it. */
const REMEMBERED_MS = 2000;
const MAX_REMEMBERED = 10_000;

type Found = Promise<VideoRecord | 'gone' | undefined>;

export class VideoDirectory {
	readonly #deps: { videos: Pick<VideoStore, 'findBySecret'>; clock: Clock };
	readonly #remembered = createLruCache<string, { atMs: number; found: Found }>(MAX_REMEMBERED);

	constructor(deps: { videos: Pick<VideoStore, 'findBySecret'>; clock: Clock }) {
		this.#deps = deps;
	}

	/** Throws VIDEO_NOT_FOUND, and VIDEO_GONE for an address that was valid once. */
	async find(pathSecret: string): Promise<VideoRecord> {
		const found = SECRET.test(pathSecret) ? await this.#look(pathSecret) : undefined;
		if (found === undefined) {
			throw new SpillwayError('VIDEO_NOT_FOUND');
		}
		if (found === 'gone') {
			throw new SpillwayError('VIDEO_GONE');
		}
		return found;
	}

	/** The video has changed on this node. */
	forget(pathSecret: string): void {
		this.#remembered.delete(pathSecret);
	}

	#look(pathSecret: string): Found {
		const { videos, clock } = this.#deps;
		const nowMs = clock.monotonicMs();
		const known = this.#remembered.get(pathSecret);
		if (known !== undefined && nowMs - known.atMs < REMEMBERED_MS) {
			return known.found;
		}
		const found = videos.findBySecret(pathSecret);
		this.#remembered.set(pathSecret, { atMs: nowMs, found });
		found.catch(() => this.forget(pathSecret));
		return found;
	}
}
