/** Follows one media playlist by blocking reloads and fetches its parts, the hinted one before it exists. */
import { type Clock, sleep } from '../../../core/clock.ts';
import type { HttpClient } from './http-client.ts';
import { type Chunk, type MediaPlaylist, parseMediaPlaylist } from './media-playlist.ts';

const RELOAD_DEADLINE_MS = 12_000;
const CHUNK_DEADLINE_MS = 10_000;
const RETRY_MS = 300;
/** As patient as a player: then it is lost. */
const GIVE_UP_AFTER_MS = 8000;
/** Chunks listed but not fetched yet; a viewer that is further behind skips. */
const MAX_QUEUED = 64;

/** Where a track's figures go. */
export interface HlsTrackFigures {
	/** A listed part or segment, from the request to its last byte. */
	chunkTime(durationMs: number): void;
	/** Any body. */
	received(byteCount: number): void;
	/** A request that failed or was refused. */
	requestFailed(): void;
	requested(): void;
}

/** What a track needs. */
export type HlsTrackOptions = {
	clock: Clock;
	http: Pick<HttpClient, 'get'>;
	url: string;
	figures: HlsTrackFigures;
	/** A new reading of the playlist. */
	playlist(playlist: MediaPlaylist): void;
	/** Media is there. In the order of time. */
	chunk(startMs: number, durationMs: number): void;
	/** The track is over or cannot be had any more. Called at most once. */
	ended(reason: string): void;
};

/** One track of one viewer. */
export class HlsTrack {
	readonly #options: HlsTrackOptions;
	readonly #abort = new AbortController();
	#queue: Chunk[] = [];
	#wake: () => void = () => undefined;
	#lastQueued: { sequence: number; part: number } | undefined;
	#hint: { url: string; done: Promise<boolean> } | undefined;
	#playlist: MediaPlaylist | undefined;
	#failingSinceMs: number | undefined;

	constructor(options: HlsTrackOptions) {
		this.#options = options;
	}

	/** Begins. What goes wrong is told by `ended`. */
	start(): void {
		for (const loop of [this.#followPlaylist(), this.#fetchChunks()]) {
			loop.catch((error: unknown) => {
				if (!this.#abort.signal.aborted) {
					this.stop();
					this.#options.ended((error as Error).message);
				}
			});
		}
	}

	/** Ends both loops. Idempotent. */
	stop(): void {
		this.#abort.abort(new Error('stopped'));
		this.#wake();
	}

	async #followPlaylist(): Promise<void> {
		const { clock, url } = this.#options;
		while (!this.#abort.signal.aborted) {
			const previous = this.#playlist;
			const text = await this.#fetchPlaylist(url + directives(url, previous));
			if (text === undefined) {
				await sleep(clock, RETRY_MS, this.#abort.signal);
				continue;
			}
			const playlist = parseMediaPlaylist(text, url, previous);
			this.#playlist = playlist;
			this.#options.playlist(playlist);
			this.#enqueue(playlist);
			if (playlist.isEnded) {
				throw new Error('the broadcast has ended');
			}
			const isSame = previous !== undefined && previous.edgeMs === playlist.edgeMs;
			if (!playlist.canBlock || isSame) {
				// rfc8216bis §6.3.4: without blocking, once per target duration, half of it when nothing had changed.
				const waitMs = playlist.canBlock ? RETRY_MS : Math.max(RETRY_MS, playlist.targetDurationMs / (isSame ? 2 : 1));
				await sleep(clock, waitMs, this.#abort.signal);
			}
		}
	}

	async #fetchPlaylist(url: string): Promise<string | undefined> {
		const { http, figures } = this.#options;
		figures.requested();
		try {
			const result = await http.get(url, { deadlineMs: RELOAD_DEADLINE_MS, body: 'text' });
			figures.received(result.byteCount);
			if (result.status === 200) {
				this.#failingSinceMs = undefined;
				return result.text;
			}
			return this.#failed(`the playlist was answered with ${result.status}`);
		} catch (error) {
			return this.#failed((error as Error).message);
		}
	}

	#failed(reason: string): undefined {
		if (this.#abort.signal.aborted) {
			return undefined;
		}
		this.#options.figures.requestFailed();
		const nowMs = this.#options.clock.monotonicMs();
		this.#failingSinceMs ??= nowMs;
		if (nowMs - this.#failingSinceMs > GIVE_UP_AFTER_MS) {
			throw new Error(reason);
		}
		return undefined;
	}

	#enqueue(playlist: MediaPlaylist): void {
		const last = this.#lastQueued;
		const fresh =
			last === undefined
				? firstChunks(playlist)
				: playlist.chunks.filter(({ sequence, part = 0 }) => {
						return sequence > last.sequence || (sequence === last.sequence && part > last.part);
					});
		const newest = fresh.at(-1);
		if (newest !== undefined) {
			this.#lastQueued = { sequence: newest.sequence, part: newest.part ?? 0 };
			this.#queue.push(...fresh);
			this.#queue.splice(0, this.#queue.length - MAX_QUEUED);
			this.#wake();
		}
	}

	async #fetchChunks(): Promise<void> {
		let initUrl: string | undefined;
		while (!this.#abort.signal.aborted) {
			const chunk = this.#queue.shift();
			if (chunk === undefined) {
				this.#askAhead();
				await new Promise<void>((resolve) => (this.#wake = resolve));
				continue;
			}
			if (this.#playlist?.initUrl !== initUrl) {
				initUrl = this.#playlist?.initUrl;
				await this.#fetch(initUrl!, undefined);
			}
			if (await this.#fetchListed(chunk)) {
				this.#options.chunk(chunk.startMs, chunk.durationMs);
			}
		}
	}

	async #fetchListed(chunk: Chunk): Promise<boolean> {
		const { clock, figures } = this.#options;
		const hint = this.#hint;
		if (hint?.url === chunk.url) {
			this.#hint = undefined;
			if (await hint.done) {
				return true;
			}
		}
		const fromMs = clock.monotonicMs();
		const isThere = await this.#fetch(chunk.url, chunk.range);
		if (isThere) {
			figures.chunkTime(clock.monotonicMs() - fromMs);
		}
		return isThere;
	}

	// Everything listed is fetched: the next part is asked for now and comes as soon as it is made.
	#askAhead(): void {
		const url = this.#playlist?.hintUrl;
		if (url !== undefined && this.#hint?.url !== url) {
			this.#hint = { url, done: this.#fetch(url, undefined) };
		}
	}

	async #fetch(url: string, range: string | undefined): Promise<boolean> {
		const { http, figures } = this.#options;
		figures.requested();
		try {
			const result = await http.get(url, { deadlineMs: CHUNK_DEADLINE_MS, body: 'count', range });
			figures.received(result.byteCount);
			if (result.status === 200 || result.status === 206) {
				return true;
			}
		} catch {
			// Counted below, like a refusal; the playlist loop decides when it is enough.
		}
		if (!this.#abort.signal.aborted) {
			figures.requestFailed();
		}
		return false;
	}
}

// A player begins at the last place it may begin at that is at or before the hold-back.
function firstChunks(playlist: MediaPlaylist): Chunk[] {
	const targetMs = playlist.edgeMs - playlist.holdBackMs;
	const index = playlist.chunks.findLastIndex(({ isIndependent, startMs }) => isIndependent && startMs <= targetMs);
	return playlist.chunks.slice(Math.max(0, index));
}

function directives(url: string, playlist: MediaPlaylist | undefined): string {
	if (playlist === undefined || !playlist.canBlock || playlist.chunks.length === 0) {
		return '';
	}
	const { sequence, part } = playlist.next;
	const separator = url.includes('?') ? '&' : '?';
	const partDirective = playlist.hasParts ? `&_HLS_part=${part}` : '';
	return `${separator}_HLS_msn=${sequence}${partDirective}${playlist.canSkip ? '&_HLS_skip=YES' : ''}`;
}
