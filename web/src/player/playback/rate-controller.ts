/**
 * Holds an LL-HLS playback at its distance from the live edge: pure decisions from times. Needed because hls.js 1.7.4
 * speeds up only with more than 1 s of buffer, and at a hold-back of 0.63 s there never is as much.
 */

/** What the controller sees, every 100 ms or so. */
type RateInput = {
	/** Monotonic milliseconds now. */
	nowMs: number;
	/** Seconds from the playhead to the live edge, from {@link LiveEdge}. */
	behindEdgeSeconds: number;
	/** Seconds buffered ahead of the playhead. */
	bufferedAheadSeconds: number;
};

/** What to do with the video element. `seekBySeconds` is how far to jump ahead. */
type RateDecision = { playbackRate: number; seekBySeconds: number | undefined };

/**
 * Slower than `minRate` the ear and the eye notice; a smaller value fills the buffer faster. Above `maxRate` speech
 * sounds hurried; 1.1 wins back 100 ms a second. `gainPerSecond`: rate per second of distance; 0.2 s late is corrected
 * at full speed, higher swings, lower creeps.
 */
const WATCHED = { minRate: 0.95, maxRate: 1.1, gainPerSecond: 0.5 };
/**
 * While nobody sees or hears it: there within seconds, and without the jumps that a busy decoder pays for with a whole
 * GOP.
 */
const UNWATCHED = { minRate: 0.8, maxRate: 1.25, gainPerSecond: 2 };
/** Correction starts at this error … */
const START_SECONDS = 0.06;
/** … and ends at this one, so that the rate does not flicker round the target. */
const STOP_SECONDS = 0.015;
/** Later than this, catching up would take over 20 s: jump. */
const SEEK_SECONDS = 2;
/** A jump must have time to show its effect before the next. */
const SEEK_INTERVAL_MS = 4000;
/** hls.js begins up to half a second late. At the very start one jump is noticed less than ten seconds of hurry. */
const START_SEEK_SECONDS = 0.2;
/** What counts as the start: long enough for the buffer to hold what is jumped over. */
const START_WINDOW_MS = 2500;
/** With less buffered than this, speeding up would end in a stall. */
const SAFE_BUFFER_SECONDS = 0.12;
/** What a stall adds to the target: most stalls are one late part. */
const STALL_SECONDS = 0.12;
/** hls.js nudges a stalled playhead, which then stalls again: that is one stall, as is a publisher's whole absence. */
const STALL_INTERVAL_MS = 5000;
/** The most that stalls add. Beyond it the network cannot carry the stream and distance does not help. */
const MAX_STALL_SECONDS = 1.2;
/** How fast the addition goes away again: hls.js keeps its own for ever, and viewers drift away from live. */
const STALL_DECAY_SECONDS_PER_SECOND = 0.006;

/** One per playback. */
export class RateController {
	#isWatched = true;
	#besideSeconds = 0;
	#targetSeconds: number;
	#stallSeconds = 0;
	#startedAtMs: number | undefined;
	#lastMs: number | undefined;
	#lastSeekMs = -Infinity;
	#lastStallMs = -Infinity;
	#isCorrecting = false;

	/** `targetSeconds`: the playlist's PART-HOLD-BACK. */
	constructor(targetSeconds: number) {
		this.#targetSeconds = targetSeconds;
	}

	/** False while it waits hidden and silent to take over. */
	set isWatched(isWatched: boolean) {
		if (isWatched && !this.#isWatched) {
			// Its start was while nobody saw it; a jump now would be noticed.
			this.#startedAtMs = -Infinity;
		}
		this.#isWatched = isWatched;
		this.#besideSeconds = 0;
	}

	/** Until it is watched: so far behind the live edge, but never nearer than it would be by itself. */
	set besideSeconds(seconds: number) {
		this.#besideSeconds = this.#isWatched ? 0 : seconds;
	}

	/** Seconds behind the live edge that are aimed at: the hold-back and what recent stalls added. */
	get targetSeconds(): number {
		return Math.max(this.#besideSeconds, this.#targetSeconds + this.#stallSeconds);
	}

	/** The playlist's word on the hold-back. */
	set holdBackSeconds(seconds: number) {
		this.#targetSeconds = seconds;
	}

	/** The picture stood still because media was missing: keep a little more distance for a while. */
	stalled(nowMs: number): void {
		if (nowMs - this.#lastStallMs < STALL_INTERVAL_MS) {
			return;
		}
		this.#lastStallMs = nowMs;
		this.#stallSeconds = Math.min(MAX_STALL_SECONDS, this.#stallSeconds + STALL_SECONDS);
	}

	/** Decides the rate, or a jump. */
	update(input: RateInput): RateDecision {
		this.#startedAtMs ??= input.nowMs;
		const elapsedSeconds = this.#lastMs === undefined ? 0 : Math.max(0, (input.nowMs - this.#lastMs) / 1000);
		this.#lastMs = input.nowMs;
		this.#stallSeconds = Math.max(0, this.#stallSeconds - elapsedSeconds * STALL_DECAY_SECONDS_PER_SECOND);
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

/** How long a playlist's word on the edge is kept: longer rides out late parts, shorter follows a drifting encoder. */
const EDGE_WINDOW_MS = 4000;
/** Playlists come with every part, five a second. When none has come for this long, the edge is not known to move. */
const EDGE_STALE_MS = 1000;

/**
 * Where the live edge is now, from playlists that tell where it was. A part arrives late at times but never early, so
 * the foremost line through the last seconds' playlists is the truth and the others are delay.
 */
export class LiveEdge {
	readonly #samples: { atMs: number; lineSeconds: number }[] = [];

	/** A playlist with its last part's end, on the media timeline, arrived. */
	add(atMs: number, edgeSeconds: number): void {
		const lineSeconds = edgeSeconds - atMs / 1000;
		const last = this.#samples.at(-1);
		// The timeline jumped (a rebuilt player, a restarted broadcast): what came before says nothing any more.
		if (last !== undefined && Math.abs(lineSeconds - last.lineSeconds) > 10) {
			this.#samples.length = 0;
		}
		this.#samples.push({ atMs, lineSeconds });
		while (this.#samples[0]!.atMs < atMs - EDGE_WINDOW_MS || this.#samples.length > 64) {
			this.#samples.shift();
		}
	}

	/** Media time of the edge; undefined before the first playlist. Stands still when playlists stop. */
	edgeSeconds(nowMs: number): number | undefined {
		const last = this.#samples.at(-1);
		if (last === undefined) {
			return undefined;
		}
		// After a publisher's loss the timeline goes on where it stopped; the bound keeps a line from before it out.
		const line = Math.min(last.lineSeconds + 0.5, Math.max(...this.#samples.map((sample) => sample.lineSeconds)));
		return line + Math.min(nowMs, last.atMs + EDGE_STALE_MS) / 1000;
	}
}
