/**
 * Holds an LL-HLS playback at its distance from the live edge: pure decisions from times. hls.js 1.7.4 speeds up only
 * with more than 1 s of buffer, which a hold-back of 0.63 s never has.
 */

/** What the controller sees, about every 100 ms. */
type RateInput = {
	/** Monotonic. */
	nowMs: number;
	/** From the playhead to the live edge, from {@link LiveEdge}. */
	behindEdgeSeconds: number;
	bufferedAheadSeconds: number;
};

/** What to do with the video element. `seekBySeconds`: how far to jump forward. */
type RateDecision = { playbackRate: number; seekBySeconds: number | undefined };

/**
 * A rate below `minRate` is noticed; a smaller value fills the buffer faster. Above `maxRate` speech sounds hurried;
 * 1.1 regains 100 ms a second. `gainPerSecond`: rate per second of distance; 0.2 s late is corrected at full speed, a
 * higher value oscillates, a lower one is slow.
 */
const WATCHED = { minRate: 0.95, maxRate: 1.1, gainPerSecond: 0.5 };
/** While hidden and silent: arrives within seconds, without the jumps that cost a busy decoder a whole GOP. */
const UNWATCHED = { minRate: 0.8, maxRate: 1.25, gainPerSecond: 2 };
/** Correction starts at this error … */
const START_SECONDS = 0.06;
/** … and ends at this one, so that the rate does not flicker around the target. */
const STOP_SECONDS = 0.015;
/** Later than this, catching up would take over 20 s: jump. */
const SEEK_SECONDS = 2;
/** A jump must have time to show its effect before the next. */
const SEEK_INTERVAL_MS = 4000;
/** hls.js starts up to half a second late. At the start one jump is noticed less than ten seconds of a higher rate. */
const START_SEEK_SECONDS = 0.2;
/** What counts as the start: long enough to buffer what the jump skips. */
const START_WINDOW_MS = 2500;
/** With less buffered than this, a higher rate ends in a stall. */
const SAFE_BUFFER_SECONDS = 0.12;
/** What a stall adds to the target: most stalls are one late part. */
const STALL_SECONDS = 0.12;
/** hls.js nudges a stalled playhead, which stalls again: that is one stall, as is the whole absence of a publisher. */
const STALL_INTERVAL_MS = 5000;
/** The most that stalls add. With more stalls the network cannot carry the stream, and distance does not help. */
const MAX_STALL_SECONDS = 1.2;
/** How fast the addition decays. In hls.js it stays for good, and viewers drift away from live. */
const STALL_DECAY_SECONDS_PER_SECOND = 0.006;
/** The same for some time after the line has become good again. */
const RECOVERED_DECAY_SECONDS_PER_SECOND = 0.04;
const RECOVERED_MS = 12_000;

export class RateController {
	#isWatched = true;
	#alignedDistanceSeconds = 0;
	#targetSeconds: number;
	#stallSeconds = 0;
	#startedAtMs: number | undefined;
	#lastMs: number | undefined;
	#lastSeekMs = -Infinity;
	#lastStallMs = -Infinity;
	#recoveredAtMs = -Infinity;
	#isCorrecting = false;

	/** `targetSeconds`: the playlist's PART-HOLD-BACK. */
	constructor(targetSeconds: number) {
		this.#targetSeconds = targetSeconds;
	}

	/** False while it is hidden and silent, before it takes over. */
	set isWatched(isWatched: boolean) {
		if (isWatched && !this.#isWatched) {
			// It started hidden; from now on a viewer notices a jump.
			this.#startedAtMs = -Infinity;
		}
		this.#isWatched = isWatched;
		this.#alignedDistanceSeconds = 0;
	}

	/** Until it is watched: this far behind the live edge, but never nearer than the hold-back. */
	set alignedDistanceSeconds(seconds: number) {
		this.#alignedDistanceSeconds = this.#isWatched ? 0 : seconds;
	}

	/** The aimed distance to the live edge: the hold-back and what recent stalls added. */
	get targetSeconds(): number {
		return Math.max(this.#alignedDistanceSeconds, this.#targetSeconds + this.#stallSeconds);
	}

	set holdBackSeconds(seconds: number) {
		this.#targetSeconds = seconds;
	}

	/** Playback stalled because media was missing: keep a little more distance for a while. */
	stalled(nowMs: number): void {
		if (nowMs - this.#lastStallMs < STALL_INTERVAL_MS) {
			return;
		}
		this.#lastStallMs = nowMs;
		this.#stallSeconds = Math.min(MAX_STALL_SECONDS, this.#stallSeconds + STALL_SECONDS);
	}

	/** The line carries the best picture again, so what stalled before does not count for long. */
	recovered(nowMs: number): void {
		this.#recoveredAtMs = nowMs;
	}

	update(input: RateInput): RateDecision {
		this.#startedAtMs ??= input.nowMs;
		const elapsedSeconds = this.#lastMs === undefined ? 0 : Math.max(0, (input.nowMs - this.#lastMs) / 1000);
		this.#lastMs = input.nowMs;
		const isRecovered = this.#recoveredAtMs > this.#lastStallMs && input.nowMs - this.#recoveredAtMs < RECOVERED_MS;
		const decay = isRecovered ? RECOVERED_DECAY_SECONDS_PER_SECOND : STALL_DECAY_SECONDS_PER_SECOND;
		this.#stallSeconds = Math.max(0, this.#stallSeconds - elapsedSeconds * decay);
		const lateSeconds = input.behindEdgeSeconds - this.targetSeconds;
		const isStartLate =
			this.#lastSeekMs === -Infinity &&
			input.nowMs - this.#startedAtMs < START_WINDOW_MS &&
			lateSeconds > START_SEEK_SECONDS &&
			input.bufferedAheadSeconds > lateSeconds + SAFE_BUFFER_SECONDS;
		if (isStartLate || (lateSeconds > SEEK_SECONDS && input.nowMs - this.#lastSeekMs > SEEK_INTERVAL_MS)) {
			this.#lastSeekMs = input.nowMs;
			this.#isCorrecting = false;
			return { playbackRate: 1, seekBySeconds: lateSeconds };
		}
		this.#isCorrecting = Math.abs(lateSeconds) > (this.#isCorrecting ? STOP_SECONDS : START_SECONDS);
		if (!this.#isCorrecting || (lateSeconds > 0 && input.bufferedAheadSeconds < SAFE_BUFFER_SECONDS)) {
			return { playbackRate: 1, seekBySeconds: undefined };
		}
		const { minRate, maxRate, gainPerSecond } = this.#isWatched ? WATCHED : UNWATCHED;
		const rate = Math.min(maxRate, Math.max(minRate, 1 + lateSeconds * gainPerSecond));
		// Whole percents: every change of the rate makes the browser restart its time stretching.
		return { playbackRate: Math.round(rate * 100) / 100, seekBySeconds: undefined };
	}
}

/** How long a playlist's edge counts: longer tolerates late parts, shorter follows a drifting encoder. */
const EDGE_WINDOW_MS = 4000;
/** Playlists come with every part, five a second. Without one for this long, the edge is assumed not to move. */
const EDGE_STALE_MS = 1000;

/**
 * Where the live edge is now, extrapolated from the latest playlists. A part may arrive late but never early, so the
 * furthest line through the last seconds' playlists is right, and the others are delayed.
 */
export class LiveEdge {
	readonly #samples: { atMs: number; lineSeconds: number }[] = [];

	/** A playlist arrived whose last part ends here on the media timeline. */
	add(atMs: number, edgeSeconds: number): void {
		const lineSeconds = edgeSeconds - atMs / 1000;
		const last = this.#samples.at(-1);
		// The timeline jumped (a rebuilt player, a restarted broadcast): older samples do not apply.
		if (last !== undefined && Math.abs(lineSeconds - last.lineSeconds) > 10) {
			this.#samples.length = 0;
		}
		this.#samples.push({ atMs, lineSeconds });
		while (this.#samples[0]!.atMs < atMs - EDGE_WINDOW_MS || this.#samples.length > 64) {
			this.#samples.shift();
		}
	}

	/** Media time of the edge; undefined before the first playlist. Stops when playlists stop. */
	edgeSeconds(nowMs: number): number | undefined {
		const last = this.#samples.at(-1);
		if (last === undefined) {
			return undefined;
		}
		// After a publisher's loss the timeline continues where it stopped; the bound excludes older lines.
		const line = Math.min(last.lineSeconds + 0.5, Math.max(...this.#samples.map((sample) => sample.lineSeconds)));
		return line + Math.min(nowMs, last.atMs + EDGE_STALE_MS) / 1000;
	}
}
