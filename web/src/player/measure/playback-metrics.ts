/** Measures what a viewer sees: frames, stalls, latency. Pure arithmetic over the frames shown. */
import { median, percentile } from '../../../../core/percentiles.ts';
import { bytesToBps } from '../../../../core/units.ts';

/** @internal for tests */
export type ShownFrame = {
	shownAtMs: number;
	/** Server's epoch milliseconds at its capture; undefined where unknown. */
	captureTimeMs: number | undefined;
	/** Server's epoch milliseconds at its display; undefined until the server's clock is known. */
	displayedAtServerMs: number | undefined;
	widthPixels: number;
	heightPixels: number;
};

/** The times of sound without a picture, as a frame's. */
type PlayedSound = Pick<ShownFrame, 'shownAtMs' | 'captureTimeMs' | 'displayedAtServerMs'>;

/** Values that were not measured are undefined, never zero. */
export type PlaybackMetricsReading = {
	widthPixels: number | undefined;
	heightPixels: number | undefined;
	frameRate: number | undefined;
	/** From capture time to display (server to screen), or to the sound alone, median of the last second. */
	latencyMs: number | undefined;
	/** Its 95th percentile, over the same second. */
	latencyP95Ms: number | undefined;
	bitrateBps: number | undefined;
	framesShownCount: number;
	framesDroppedCount: number;
	/** How often no frame came for longer than {@link STALL_MS} while frames were expected. */
	stallCount: number;
	stalledForMs: number;
	/** From the start of the playback to its first frame, or sound that is wanted without one. */
	firstFrameAfterMs: number | undefined;
};

/** A longer gap between frames counts as a stall; a viewer notices a quarter of a second. */
const STALL_MS = 250;
const WINDOW_MS = 1000;
/** More than are played in it, as they are read. */
const MAX_SOUNDS = 20;
/** Browsers update their counts about once a second: in between, the same count looks like silence. */
const BYTES_INTERVAL_MS = 900;
/** Segments and parts arrive in bursts: over less than three seconds the bitrate jumps. */
const BYTES_WINDOW_MS = 3000;
/** A higher latency is a wrong clock, not a late picture. */
const MAX_LATENCY_MS = 120_000;

export class PlaybackMetrics {
	readonly #startedAtMs: number;
	#frames: ShownFrame[] = [];
	#sounds: PlayedSound[] = [];
	#lastShownAtMs: number | undefined;
	#framesShownCount = 0;
	#framesDroppedCount = 0;
	#stallCount = 0;
	#stalledForMs = 0;
	#firstFrameAfterMs: number | undefined;
	#bytes: { atMs: number; total: number }[] = [];

	constructor(startedAtMs: number) {
		this.#startedAtMs = startedAtMs;
	}

	frameShown(frame: ShownFrame): void {
		this.#firstFrameAfterMs ??= frame.shownAtMs - this.#startedAtMs;
		if (this.#lastShownAtMs !== undefined) {
			const gapMs = frame.shownAtMs - this.#lastShownAtMs;
			if (gapMs > STALL_MS) {
				this.#stallCount++;
				this.#stalledForMs += gapMs;
			}
		}
		this.#lastShownAtMs = frame.shownAtMs;
		this.#framesShownCount++;
		this.#frames.push(frame);
		// A second holds at most 120 frames; the bound is for a clock that stops.
		if (this.#frames.length > 500) {
			this.#frames.shift();
		}
	}

	/** Sound without a picture: its latency counts. */
	soundPlayed(sound: PlayedSound): void {
		this.#firstFrameAfterMs ??= sound.shownAtMs - this.#startedAtMs;
		this.#sounds.push(sound);
		if (this.#sounds.length > MAX_SOUNDS) {
			this.#sounds.shift();
		}
	}

	/** The viewer paused, hid the page, or wants no picture: the next frame ends no stall. */
	pauseObserved(): void {
		this.#lastShownAtMs = undefined;
	}

	/** The tier's count of frames received and not shown, since the start. */
	setFramesDropped(count: number): void {
		this.#framesDroppedCount = count;
	}

	/** The tier's count of bytes received, since the start of its connection. */
	bytesReceived(atMs: number, totalBytes: number): void {
		const last = this.#bytes.at(-1);
		if (last !== undefined && totalBytes < last.total) {
			this.#bytes = [];
		} else if (last !== undefined && atMs - last.atMs < BYTES_INTERVAL_MS) {
			return;
		}
		this.#bytes.push({ atMs, total: totalBytes });
		while (this.#bytes.length > 2 && this.#bytes[1]!.atMs <= atMs - BYTES_WINDOW_MS) {
			this.#bytes.shift();
		}
	}

	read(nowMs: number): PlaybackMetricsReading {
		this.#frames = this.#frames.filter((frame) => frame.shownAtMs > nowMs - WINDOW_MS);
		const latest = this.#frames.at(-1);
		this.#sounds = this.#sounds.filter(({ shownAtMs }) => shownAtMs > nowMs - WINDOW_MS);
		const latencies = (latest === undefined ? this.#sounds : this.#frames)
			.map(({ captureTimeMs, displayedAtServerMs }) =>
				captureTimeMs === undefined || displayedAtServerMs === undefined ? NaN : displayedAtServerMs - captureTimeMs,
			)
			.filter((latencyMs) => Math.abs(latencyMs) < MAX_LATENCY_MS);
		const [oldest, newest] = [this.#bytes[0], this.#bytes.at(-1)];
		return {
			widthPixels: latest?.widthPixels,
			heightPixels: latest?.heightPixels,
			frameRate: latest === undefined ? undefined : this.#frameRate(),
			latencyMs: latencies.length > 0 ? median(latencies) : undefined,
			latencyP95Ms: latencies.length > 0 ? percentile(latencies, 95) : undefined,
			bitrateBps:
				oldest === undefined ||
				newest === undefined ||
				newest.atMs - oldest.atMs < 500 ||
				nowMs - newest.atMs > BYTES_WINDOW_MS
					? undefined
					: bytesToBps(newest.total - oldest.total, newest.atMs - oldest.atMs),
			framesShownCount: this.#framesShownCount,
			framesDroppedCount: this.#framesDroppedCount,
			stallCount: this.#stallCount,
			stalledForMs: this.#stalledForMs,
			firstFrameAfterMs: this.#firstFrameAfterMs,
		};
	}

	#frameRate(): number | undefined {
		const spanMs = this.#frames.at(-1)!.shownAtMs - this.#frames[0]!.shownAtMs;
		return spanMs > 0 ? ((this.#frames.length - 1) * 1000) / spanMs : undefined;
	}
}
