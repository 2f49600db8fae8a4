/**
 * A model of a player's buffer and playhead, without pictures. It starts at the hold-back, plays at normal rate, stalls
 * when a track runs out, and catches up slowly. Pure: the caller passes the time.
 */

/** Buffered media before a player starts or resumes; about one part. */
const RESUME_MS = 180;
/** Share of the distance to the target that is made up per second, and the largest difference of the rate from 1. */
const CATCH_UP_PER_SECOND = 0.6;
const MAX_RATE_CHANGE = 0.05;
/** Smaller distances are ignored: the live edge itself moves in steps. */
const DEAD_ZONE_MS = 20;
/** Further behind the target than this, a player jumps. */
const JUMP_BEHIND_MS = 6000;
/** The most that one playlist moves the live edge back; there are five a second. */
const EDGE_DECAY_MS = 5;
/** Larger holes in the media are counted. */
const GAP_MS = 100;

interface PlaybackBufferEvents {
	/** Playing for the first time. */
	started(): void;
	/** A stall is over. */
	stalled(durationMs: number): void;
}

/** One viewer's buffer. All times are epoch milliseconds on the media's clock. */
export class PlaybackBuffer {
	readonly #events: PlaybackBufferEvents;
	readonly #starts: (number | undefined)[];
	readonly #ends: (number | undefined)[];
	/** The live edge runs with time: edge − now. */
	#edge: { offsetMs: number; atMs: number; holdBackMs: number } | undefined;
	#positionMs: number | undefined;
	#lastMs = 0;
	#stalledSinceMs: number | undefined;
	#gapCount = 0;
	#jumpCount = 0;

	constructor(trackCount: number, events: PlaybackBufferEvents) {
		this.#events = events;
		this.#starts = new Array<undefined>(trackCount).fill(undefined);
		this.#ends = new Array<undefined>(trackCount).fill(undefined);
	}

	/** The playhead; undefined before it started. */
	get positionMs(): number | undefined {
		return this.#positionMs;
	}

	get isPlaying(): boolean {
		return this.#positionMs !== undefined && this.#stalledSinceMs === undefined;
	}

	/** Holes in the media, and jumps to the live edge. */
	get counts(): { gapCount: number; jumpCount: number } {
		return { gapCount: this.#gapCount, jumpCount: this.#jumpCount };
	}

	/** Milliseconds of media ahead of the playhead; 0 before the start. */
	aheadMs(): number {
		return this.#positionMs === undefined ? 0 : Math.max(0, this.#limitMs() - this.#positionMs);
	}

	/** A new playlist: the live edge at that time, and the distance to play behind it. */
	setEdge(edgeMs: number, holdBackMs: number, nowMs: number): void {
		this.advance(nowMs);
		const offsetMs = edgeMs - nowMs;
		const before = this.#edge?.offsetMs ?? -Infinity;
		// A single late playlist says nothing about the edge: only a lasting lag moves it back.
		this.#edge = { offsetMs: Math.max(offsetMs, before - EDGE_DECAY_MS), atMs: nowMs, holdBackMs };
	}

	/** Media of one track has arrived. Call in the order of time. */
	append(track: number, startMs: number, durationMs: number, nowMs: number): void {
		this.advance(nowMs);
		const end = this.#ends[track];
		if (end !== undefined && startMs > end + GAP_MS) {
			this.#gapCount++;
		}
		this.#starts[track] ??= startMs;
		this.#ends[track] = Math.max(end ?? 0, startMs + durationMs);
		this.#resume(nowMs);
	}

	/** Moves the playhead to now. Call at least a few times a second. */
	advance(nowMs: number): void {
		if (this.#positionMs === undefined || this.#stalledSinceMs !== undefined || nowMs <= this.#lastMs) {
			this.#lastMs = Math.max(this.#lastMs, nowMs);
			return;
		}
		// The distance at the start of the step: since then both have moved.
		const behindMs = this.#behindMs(this.#lastMs);
		const limitMs = this.#limitMs();
		if (behindMs > JUMP_BEHIND_MS && this.#positionMs + behindMs + RESUME_MS <= limitMs) {
			this.#positionMs += behindMs;
			this.#jumpCount++;
		}
		const rate = 1 + rateChange(behindMs);
		const moved = this.#positionMs + (nowMs - this.#lastMs) * rate;
		if (moved > limitMs) {
			this.#stalledSinceMs = this.#lastMs + Math.max(0, limitMs - this.#positionMs) / rate;
			this.#positionMs = Math.max(this.#positionMs, limitMs);
		} else {
			this.#positionMs = moved;
		}
		this.#lastMs = nowMs;
	}

	#resume(nowMs: number): void {
		if (this.#positionMs === undefined) {
			const startMs = Math.max(...this.#starts.map((start) => start ?? Infinity), this.#targetMs(nowMs) ?? -Infinity);
			if (this.#limitMs() - startMs >= RESUME_MS) {
				this.#positionMs = startMs;
				this.#lastMs = nowMs;
				this.#events.started();
			}
		} else if (this.#stalledSinceMs !== undefined && this.#limitMs() - this.#positionMs >= RESUME_MS) {
			const stalledForMs = nowMs - this.#stalledSinceMs;
			this.#stalledSinceMs = undefined;
			this.#lastMs = nowMs;
			this.#events.stalled(stalledForMs);
		}
	}

	#limitMs(): number {
		return Math.min(...this.#ends.map((end) => end ?? -Infinity));
	}

	#targetMs(nowMs: number): number | undefined {
		return this.#edge === undefined ? undefined : nowMs + this.#edge.offsetMs - this.#edge.holdBackMs;
	}

	// Positive: the playhead is late. Without playlists the edge counts for three hold-backs, not without end.
	#behindMs(nowMs: number): number {
		const stale = this.#edge !== undefined && nowMs - this.#edge.atMs > 3 * this.#edge.holdBackMs;
		const target = stale ? undefined : this.#targetMs(nowMs);
		return target === undefined ? 0 : target - this.#positionMs!;
	}
}

function rateChange(behindMs: number): number {
	if (Math.abs(behindMs) < DEAD_ZONE_MS) {
		return 0;
	}
	return Math.max(-MAX_RATE_CHANGE, Math.min(MAX_RATE_CHANGE, (behindMs / 1000) * CATCH_UP_PER_SECOND));
}
