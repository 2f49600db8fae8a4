/** A virtual LL-HLS viewer: multivariant playlist, then a track of picture and one of sound into one buffer model. */
import { type Clock, sleep } from '../../../core/lifecycle/clock.ts';
import { HttpClient } from './http-client.ts';
import { HlsTrack, type HlsTrackFigures } from './hls-track.ts';
import { type MediaPlaylist, parseMultivariantPlaylist, type Variant } from './media-playlist.ts';
import { PlaybackBuffer } from './playback-buffer.ts';

const START_DEADLINE_MS = 20_000;
const REQUEST_DEADLINE_MS = 10_000;
/** 5xx means "starting": hls.js tries again, too. */
const RETRY_MS = 500;

/** Receives the figures of all viewers of a process. */
interface HlsFigures extends HlsTrackFigures {
	/** From the end of a new part on the playlist's clock until its last byte and the playlist that names it are read. */
	partLate(lateMs: number): void;
	/** A stall is over. */
	stall(durationMs: number): void;
}

type HlsViewerOptions = {
	clock: Clock;
	/** Multivariant or media playlist. */
	url: string;
	/** Add to this machine's epoch milliseconds to get the server's. */
	clockOffsetMs: number;
	/** Called once with those of a multivariant playlist, ascending by bandwidth; there is at least one. */
	chooseVariant(variants: readonly Variant[]): Variant;
	figures: HlsFigures;
	/** Called once when playing ends by itself after it has begun. */
	onLost(reason: string): void;
};

/** One use. */
export class HlsViewer {
	readonly #options: HlsViewerOptions;
	readonly #http = new HttpClient();
	#tracks: HlsTrack[] = [];
	#buffer: PlaybackBuffer | undefined;
	#hasDates = false;
	#isClosed = false;
	#onStarted: () => void = () => undefined;
	#onFailed: (error: Error) => void = () => undefined;
	#hasStarted = false;

	constructor(options: HlsViewerOptions) {
		this.#options = options;
	}

	/** Resolves when the playhead moves for the first time. Call close() also when it rejects. */
	async start(): Promise<void> {
		const { clock } = this.#options;
		const started = new Promise<void>((resolve, reject) => ([this.#onStarted, this.#onFailed] = [resolve, reject]));
		const cancel = clock.setTimeout(
			() => this.#onFailed(new Error(`nothing played within ${START_DEADLINE_MS} ms`)),
			START_DEADLINE_MS,
		);
		try {
			const urls = await this.#findTracks();
			this.#buffer = new PlaybackBuffer(urls.length, {
				started: () => {
					this.#hasStarted = true;
					this.#onStarted();
				},
				stalled: (durationMs) => this.#options.figures.stall(durationMs),
			});
			this.#tracks = urls.map((url, index) => this.#createTrack(url, index));
			this.#tracks.forEach((track) => track.start());
			await started;
		} finally {
			cancel();
		}
	}

	/** Capture → shown, in milliseconds; undefined while nothing plays or where the playlist has no dates. */
	latencyMs(): number | undefined {
		const nowMs = this.#nowMs();
		this.#buffer?.advance(nowMs);
		const positionMs = this.#buffer?.positionMs;
		return positionMs === undefined || !this.#hasDates ? undefined : nowMs - positionMs;
	}

	/** Milliseconds buffered ahead of the playhead. */
	bufferedMs(): number {
		return this.#buffer?.aheadMs() ?? 0;
	}

	/** False while it stalls. */
	get isPlaying(): boolean {
		return this.#buffer?.isPlaying ?? false;
	}

	get counts(): { gapCount: number; jumpCount: number } {
		return this.#buffer?.counts ?? { gapCount: 0, jumpCount: 0 };
	}

	/** Leaves: all requests end. Idempotent. */
	close(): void {
		this.#stop();
		this.#onFailed(new Error('the viewer has left'));
	}

	#nowMs(): number {
		return this.#options.clock.nowMs() + this.#options.clockOffsetMs;
	}

	async #findTracks(): Promise<string[]> {
		const { clock, url, figures } = this.#options;
		const endMs = clock.monotonicMs() + START_DEADLINE_MS;
		for (;;) {
			const result = await this.#http.get(url, { deadlineMs: REQUEST_DEADLINE_MS, body: 'text' });
			figures.received(result.byteCount);
			if (result.status === 200) {
				const variants = parseMultivariantPlaylist(result.text, result.url);
				if (variants === undefined) {
					return [result.url];
				}
				if (variants.length === 0) {
					throw new Error('the multivariant playlist names no variant');
				}
				const { videoUrl, audioUrl } = this.#options.chooseVariant(variants);
				return [videoUrl, audioUrl].filter((entry) => entry !== undefined);
			}
			if (result.status < 500 || clock.monotonicMs() > endMs) {
				throw new Error(`the playlist was answered with ${result.status}: ${result.text.slice(0, 200)}`);
			}
			await sleep(clock, RETRY_MS);
		}
	}

	#createTrack(url: string, index: number): HlsTrack {
		const { clock, figures } = this.#options;
		const buffer = this.#buffer!;
		return new HlsTrack({
			clock,
			http: this.#http,
			url,
			figures,
			playlist: (playlist: MediaPlaylist) => {
				// Only the picture sets the edge: two edges that differ by a part pull the playhead back and forth.
				if (index === 0) {
					this.#hasDates = playlist.hasDates;
					buffer.setEdge(playlist.edgeMs, playlist.holdBackMs, this.#nowMs());
				}
			},
			chunk: (startMs, durationMs, isNew) => {
				if (isNew && this.#hasDates) {
					figures.partLate(this.#nowMs() - startMs - durationMs);
				}
				buffer.append(index, startMs, durationMs, this.#nowMs());
			},
			ended: (reason) => this.#end(reason),
		});
	}

	#stop(): void {
		this.#isClosed = true;
		this.#tracks.forEach((track) => track.stop());
		this.#http.close();
	}

	#end(reason: string): void {
		if (this.#isClosed) {
			return;
		}
		this.#stop();
		if (this.#hasStarted) {
			this.#options.onLost(reason);
		} else {
			this.#onFailed(new Error(reason));
		}
	}
}
