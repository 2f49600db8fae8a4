/**
 * Follows one media playlist by blocking reloads and fetches its parts, the hinted one before it exists. With a round
 * trip longer than a part it keeps several reloads and parts under way: one at a time falls further and further behind.
 */
import { type Clock, sleep } from '../../../core/lifecycle/clock.ts';
import type { HttpClient } from './http-client.ts';
import { type Chunk, type MediaPlaylist, parseMediaPlaylist } from './media-playlist.ts';

const RELOAD_DEADLINE_MS = 12_000;
const CHUNK_DEADLINE_MS = 10_000;
const RETRY_MS = 300;
/** Failing reloads for this long end the track, as with a player. */
const GIVE_UP_AFTER_MS = 8000;
/** The most reloads and parts under way at the same time; one of each while the answers are in time. */
const MAX_DEPTH = 6;
/** Reloads in a row that find more than they have requested, before another is kept under way. */
const LATE_RELOADS = 3;
/** Hinted parts that are under way. */
const MAX_HINTS = 8;
/** Chunks listed but not fetched yet; a viewer that is further behind skips. */
const MAX_QUEUED = 64;

export interface HlsTrackFigures {
	/** A listed part or segment, from the request to its last byte. */
	chunkTime(durationMs: number): void;
	/** The body of any answer. */
	received(byteCount: number): void;
	/** A request that failed or was refused. */
	requestFailed(): void;
	requested(): void;
}

type HlsTrackOptions = {
	clock: Clock;
	http: Pick<HttpClient, 'get'>;
	url: string;
	figures: HlsTrackFigures;
	/** A new reading of the playlist. */
	playlist(playlist: MediaPlaylist): void;
	/** Media has arrived. In the order of time. `isNew`: it is newer than the first reading of the playlist. */
	chunk(startMs: number, durationMs: number, isNew: boolean): void;
	/** The track has ended or failed. Called at most once. */
	ended(reason: string): void;
};

export class HlsTrack {
	readonly #options: HlsTrackOptions;
	readonly #abort = new AbortController();
	#queue: Chunk[] = [];
	#wake: () => void = () => undefined;
	#lastQueued: { sequence: number; part: number } | undefined;
	/** Newest of the first reading. */
	#firstNewest: MediaPlaylist['next'] | undefined;
	readonly #hints = new Map<string, Promise<boolean>>();
	#playlist: MediaPlaylist | undefined;
	#asked: MediaPlaylist['next'] | undefined;
	#depth = 1;
	#lateCount = 0;
	#fetchingCount = 0;
	#appended: Promise<void> = Promise.resolve();
	#initUrl: string | undefined;
	#failingSinceMs: number | undefined;

	constructor(options: HlsTrackOptions) {
		this.#options = options;
	}

	/** Errors are reported by `ended`. */
	start(): void {
		this.#run(this.#followPlaylist());
		this.#run(this.#fetchChunks());
	}

	/** Ends both loops. Idempotent. */
	stop(): void {
		this.#abort.abort(new Error('stopped'));
		this.#wake();
	}

	#run(loop: Promise<void>): void {
		loop.catch((error: unknown) => {
			if (!this.#abort.signal.aborted) {
				this.stop();
				this.#options.ended((error as Error).message);
			}
		});
	}

	async #followPlaylist(): Promise<void> {
		const { clock, url } = this.#options;
		while (!this.#abort.signal.aborted) {
			const asked = this.#nextToAsk();
			const fromMs = clock.monotonicMs();
			const text = await this.#fetchPlaylist(url + directives(url, this.#playlist, asked));
			if (text === undefined) {
				await sleep(clock, RETRY_MS, this.#abort.signal);
				continue;
			}
			const previous = this.#playlist;
			const playlist = parseMediaPlaylist(text, url, previous);
			if (previous === undefined && playlist.hasParts && playlist.canBlock) {
				this.#chooseDepth(clock.monotonicMs() - fromMs, playlist.chunks.at(-1)?.durationMs ?? 0);
			}
			const isNewer = previous === undefined || isAfter(playlist.next, previous.next);
			if (isNewer || playlist.isEnded) {
				this.#apply(playlist, asked);
			}
			if (!playlist.canBlock || (!isNewer && this.#depth === 1)) {
				// rfc8216bis §6.3.4: without blocking, once per target duration, half of it when nothing has changed.
				const wholeMs = playlist.canBlock ? RETRY_MS : playlist.targetDurationMs;
				await sleep(clock, Math.max(RETRY_MS, isNewer ? wholeMs : wholeMs / 2), this.#abort.signal);
			}
		}
	}

	// The first position that is not listed, or the one after the newest request.
	#nextToAsk(): MediaPlaylist['next'] | undefined {
		const next = this.#playlist?.next;
		const asked = this.#asked;
		if (next === undefined || asked === undefined || isAfter(next, asked)) {
			this.#asked = next;
		} else if (this.#depth > 1) {
			this.#asked = following(asked, this.#playlist!);
		}
		return this.#asked;
	}

	#apply(playlist: MediaPlaylist, asked: MediaPlaylist['next'] | undefined): void {
		this.#playlist = playlist;
		this.#options.playlist(playlist);
		this.#enqueue(playlist);
		this.#askAhead();
		if (playlist.isEnded) {
			throw new Error('the broadcast has ended');
		}
		// The requested part is the newest one when the server had to wait for it.
		const expected = asked === undefined ? playlist.next : { ...asked, part: asked.part + 1 };
		const isLate = playlist.canBlock && playlist.hasParts && isAfter(playlist.next, expected) && playlist.next.part > 1;
		this.#lateCount = isLate ? this.#lateCount + 1 : Math.max(0, this.#lateCount - 0.5);
		if (this.#lateCount >= LATE_RELOADS && this.#depth < MAX_DEPTH) {
			this.#deepen();
		}
	}

	// The first reading does not block: its time is the round trip.
	#chooseDepth(roundTripMs: number, partMs: number): void {
		while (partMs > 0 && roundTripMs > partMs * this.#depth && this.#depth < MAX_DEPTH) {
			this.#deepen();
		}
	}

	#deepen(): void {
		this.#lateCount = 0;
		this.#depth++;
		this.#run(this.#followPlaylist());
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
			this.#firstNewest ??= this.#lastQueued;
			this.#queue.push(...fresh);
			this.#queue.splice(0, this.#queue.length - MAX_QUEUED);
			this.#wake();
		}
	}

	async #fetchChunks(): Promise<void> {
		while (!this.#abort.signal.aborted) {
			const chunk = this.#fetchingCount < this.#depth ? this.#queue.shift() : undefined;
			if (chunk === undefined) {
				await new Promise<void>((resolve) => (this.#wake = resolve));
				continue;
			}
			const initUrl = this.#playlist?.initUrl;
			if (initUrl !== undefined && initUrl !== this.#initUrl) {
				this.#initUrl = initUrl;
				await this.#fetch(initUrl, undefined);
			}
			this.#fetchingCount++;
			const fetched = this.#fetchListed(chunk).finally(() => {
				this.#fetchingCount--;
				this.#wake();
			});
			// Media goes into the buffer in its order, not in the order of arrival.
			this.#appended = this.#appended.then(async () => {
				if ((await fetched) && !this.#abort.signal.aborted) {
					const { sequence, part = 0, startMs, durationMs } = chunk;
					this.#options.chunk(startMs, durationMs, isAfter({ sequence, part }, this.#firstNewest!));
				}
			});
			this.#run(this.#appended);
		}
	}

	async #fetchListed(chunk: Chunk): Promise<boolean> {
		const { clock, figures } = this.#options;
		const hinted = this.#hints.get(chunk.url);
		this.#hints.delete(chunk.url);
		if (hinted !== undefined && (await hinted)) {
			return true;
		}
		const fromMs = clock.monotonicMs();
		const isThere = await this.#fetch(chunk.url, chunk.range);
		if (isThere) {
			figures.chunkTime(clock.monotonicMs() - fromMs);
		}
		return isThere;
	}

	// Requests the next part before it exists; the answer comes as soon as it is made.
	#askAhead(): void {
		const url = this.#playlist?.hintUrl;
		if (url !== undefined && !this.#hints.has(url)) {
			this.#hints.set(url, this.#fetch(url, undefined));
			if (this.#hints.size > MAX_HINTS) {
				this.#hints.delete(this.#hints.keys().next().value!);
			}
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
			// Counted below, as a refusal is; only failing playlists end the track.
		}
		if (!this.#abort.signal.aborted) {
			figures.requestFailed();
		}
		return false;
	}
}

// A player begins at the last independent chunk at or before the hold-back.
function firstChunks(playlist: MediaPlaylist): Chunk[] {
	const targetMs = playlist.edgeMs - playlist.holdBackMs;
	const index = playlist.chunks.findLastIndex(({ isIndependent, startMs }) => isIndependent && startMs <= targetMs);
	return playlist.chunks.slice(Math.max(0, index));
}

function directives(
	url: string,
	playlist: MediaPlaylist | undefined,
	asked: MediaPlaylist['next'] | undefined,
): string {
	if (playlist === undefined || asked === undefined || !playlist.canBlock || playlist.chunks.length === 0) {
		return '';
	}
	const separator = url.includes('?') ? '&' : '?';
	const partDirective = playlist.hasParts ? `&_HLS_part=${asked.part}` : '';
	return `${separator}_HLS_msn=${asked.sequence}${partDirective}${playlist.canSkip ? '&_HLS_skip=YES' : ''}`;
}

// Expects as many parts as in the previous segment. A wrong guess only costs one wait.
function following(asked: MediaPlaylist['next'], { chunks, next }: MediaPlaylist): MediaPlaylist['next'] {
	const partCount = chunks.filter(({ sequence }) => sequence === next.sequence - 1).length;
	return partCount > 0 && asked.part + 1 >= partCount
		? { sequence: asked.sequence + 1, part: 0 }
		: { sequence: asked.sequence, part: asked.part + 1 };
}

function isAfter(a: MediaPlaylist['next'], b: MediaPlaylist['next']): boolean {
	return a.sequence > b.sequence || (a.sequence === b.sequence && a.part > b.part);
}
