/** How far back a running broadcast can be watched: read from the playlist of what is kept, now and then. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import { Timer } from '../../../core/lifecycle/timer.ts';
import type { HttpRequest } from './ladder/http-request.ts';
import { gapsOf } from './measure/media-gaps.ts';
import type { RewindRange } from './playback/playback.ts';

/** The playlist of two hours is some 40 kB. Between two readings its ends move with the clock. */
const INTERVAL_MS = 60_000;
/** Without an answer, and while a broadcast is so short that there is no playlist. */
const RETRY_MS = 5000;
/** After the first picture, which comes first. */
const FIRST_MS = 2500;
const DEADLINE_MS = 10_000;

type WatchDeps = { clock: Clock; request: HttpRequest; isPageVisible: () => boolean };

/** Reads while a broadcast runs, and the page is visible. */
export class RewindRangeWatch {
	readonly #deps: WatchDeps;
	readonly #dvrUrl: string;
	readonly #timer: Timer;
	readonly #onChanged: () => void;
	#broadcastId: string | undefined;
	#abort: AbortController | undefined;
	#read: { range: RewindRange; atMs: number } | undefined;

	/** `dvrUrl`: of the multivariant playlist. */
	constructor(deps: WatchDeps, { dvrUrl, onChanged }: { dvrUrl: string; onChanged: () => void }) {
		this.#deps = deps;
		this.#dvrUrl = dvrUrl;
		this.#onChanged = onChanged;
		this.#timer = new Timer(deps.clock, () => void this.#refresh());
	}

	/** As of now; undefined while it is not known. */
	get range(): RewindRange | undefined {
		if (this.#read === undefined) {
			return undefined;
		}
		const { range, atMs } = this.#read;
		const elapsedMs = this.#deps.clock.monotonicMs() - atMs;
		const startMs = range.startMs + (range.isSliding ? elapsedMs : 0);
		return { ...range, startMs, endMs: range.endMs + elapsedMs };
	}

	/** `broadcastId`: of the one that runs; undefined: none. */
	broadcastReported(broadcastId: string | undefined): void {
		if (broadcastId !== this.#broadcastId) {
			this.close();
			this.#broadcastId = broadcastId;
			if (broadcastId !== undefined) {
				this.#timer.arm(FIRST_MS);
			}
		}
	}

	/** Idempotent. */
	close(): void {
		this.#timer.disarm();
		this.#abort?.abort();
		this.#read = undefined;
		this.#broadcastId = undefined;
	}

	async #refresh(): Promise<void> {
		this.#timer.arm(RETRY_MS);
		if (!this.#deps.isPageVisible()) {
			return;
		}
		const abort = new AbortController();
		this.#abort = abort;
		const cancel = this.#deps.clock.setTimeout(() => abort.abort(), DEADLINE_MS);
		try {
			const list = await this.#load(this.#dvrUrl, abort.signal);
			const uri = firstUri(list.text);
			const range = uri && rangeOf((await this.#load(new URL(uri, list.url).href, abort.signal)).text);
			if (range && !abort.signal.aborted) {
				this.#read = { range, atMs: this.#deps.clock.monotonicMs() };
				this.#timer.arm(INTERVAL_MS);
				this.#onChanged();
			}
		} catch {
			// Tried again; live playback needs none of it.
		} finally {
			cancel();
		}
	}

	async #load(url: string, signal: AbortSignal): Promise<{ url: string; text: string }> {
		const answer = await this.#deps.request(url, { signal });
		return { url: answer.url, text: new TextDecoder().decode(answer.bytes) };
	}
}

function firstUri(playlist: string): string | undefined {
	return playlist.split(/\r?\n/).find((line) => line !== '' && !line.startsWith('#'));
}

/** What a media playlist lists; undefined for an empty one. @internal for tests */
export function rangeOf(playlist: string): RewindRange | undefined {
	/** On the clock of the capture times, in seconds. */
	const segments: Array<{ start: number; duration: number; gap: boolean }> = [];
	let [dateMs, duration, gap, isSliding] = [NaN, 0, false, false];
	for (const line of playlist.split(/\r?\n/)) {
		const value = line.slice(line.indexOf(':') + 1);
		if (line.startsWith('#EXT-X-MEDIA-SEQUENCE:')) {
			isSliding = Number(value) > 1;
		} else if (line.startsWith('#EXT-X-PROGRAM-DATE-TIME:')) {
			dateMs = Date.parse(value);
		} else if (line.startsWith('#EXTINF:')) {
			duration = Number.parseFloat(value) || 0;
		} else if (line === '#EXT-X-GAP') {
			gap = true;
		} else if (line !== '' && !line.startsWith('#') && !Number.isNaN(dateMs)) {
			segments.push({ start: dateMs / 1000, duration, gap });
			gap = false;
		}
	}
	const [first, last] = [segments[0], segments.at(-1)];
	if (first === undefined || last === undefined) {
		return undefined;
	}
	const gaps = gapsOf(segments).map(({ startSeconds, endSeconds }) => ({
		startMs: startSeconds * 1000,
		endMs: endSeconds * 1000,
	}));
	return { startMs: first.start * 1000, endMs: (last.start + last.duration) * 1000, gaps, isSliding };
}
