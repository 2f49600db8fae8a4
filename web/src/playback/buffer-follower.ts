/**
 * Plays LL-HLS over a line that brings less than the stream needs: waits until some seconds are buffered, plays them, and falls
 * behind, instead of stopping with every part. Pure decisions from times.
 */

/** What is seen, every 100 ms or so. */
export type BufferInput = {
	nowMs: number;
	/** From the playhead to the live edge; undefined before the first playlist. */
	behindEdgeSeconds: number | undefined;
	bufferedAheadSeconds: number;
	/** Something was played: what is dry now was not. */
	hasStarted: boolean;
};

/** What to do with the playhead while the buffer is followed. Rate 0: it waits. */
export type BufferDecision = { playbackRate: 0 | 1; jumpsToEdge: boolean };

/** Less than this ahead of the playhead is nothing: it stands, or does at once. */
const DRY_SECONDS = 0.06;
/** Media that are announced and not there: otherwise it is the publisher who is waited for. */
const ANNOUNCED_SECONDS = 0.8;
/** Dry for so long within the window is a line that does not keep up; one late part is a tenth of it. */
const STARVED_AFTER_MS = 2000;
/** The first buffer takes longer to fill, also over a good line and on a busy machine. */
const STARVED_AT_START_MS = 6000;
const WINDOW_MS = 10_000;
/** Buffered before it plays: shorter stops more often, longer stands longer each time. Grows with every stop. */
const FIRST_REFILL_SECONDS = 2;
const MAX_REFILL_SECONDS = 6;
const REFILL_GROWTH = 1.5;
/** Behind by more than this, the window of the playlist (60 s) comes to its end: it begins anew nearer to the edge. */
const MAX_BEHIND_SECONDS = 40;
/** All that is announced is loaded, and has been for so long: the line keeps up again. */
const CAUGHT_UP_SECONDS = 1;
const CAUGHT_UP_AFTER_MS = 6000;
/** A tick that comes later than this was not one of many: the machine slept. */
const MAX_TICK_MS = 1000;

/** One per session. */
export class BufferFollower {
	#dry: Array<{ atMs: number; forMs: number }> = [];
	#lastMs: number | undefined;
	#isFollowing = false;
	#isRefilling = false;
	#refillSeconds = FIRST_REFILL_SECONDS;
	#caughtUpSinceMs: number | undefined;

	/** True from when the line was found too poor until it keeps up again. */
	get isFollowing(): boolean {
		return this.#isFollowing;
	}

	/** Undefined while the line keeps up: then others steer. */
	update(input: BufferInput): BufferDecision | undefined {
		const { nowMs, behindEdgeSeconds, bufferedAheadSeconds, hasStarted } = input;
		const elapsedMs = Math.min(MAX_TICK_MS, nowMs - (this.#lastMs ?? nowMs));
		this.#lastMs = nowMs;
		if (behindEdgeSeconds === undefined) {
			return undefined;
		}
		const isDry = bufferedAheadSeconds < DRY_SECONDS && behindEdgeSeconds - bufferedAheadSeconds > ANNOUNCED_SECONDS;
		if (!this.#isFollowing) {
			this.#isFollowing = this.#isStarved(nowMs, isDry ? elapsedMs : 0, hasStarted);
			this.#isRefilling = this.#isFollowing;
			this.#caughtUpSinceMs = undefined;
			return this.#isFollowing ? { playbackRate: 0, jumpsToEdge: false } : undefined;
		}
		if (this.#hasCaughtUp(nowMs, behindEdgeSeconds - bufferedAheadSeconds)) {
			this.#isFollowing = false;
			this.#refillSeconds = FIRST_REFILL_SECONDS;
			this.#dry = [];
			return undefined;
		}
		if (isDry && !this.#isRefilling) {
			this.#isRefilling = true;
			this.#refillSeconds = Math.min(MAX_REFILL_SECONDS, this.#refillSeconds * REFILL_GROWTH);
		}
		// Near the edge there may never be as much: what is announced and loaded is enough.
		const enoughSeconds = Math.min(this.#refillSeconds, Math.max(DRY_SECONDS, behindEdgeSeconds - CAUGHT_UP_SECONDS));
		if (bufferedAheadSeconds >= enoughSeconds) {
			this.#isRefilling = false;
		}
		const jumpsToEdge = behindEdgeSeconds > MAX_BEHIND_SECONDS;
		if (jumpsToEdge) {
			// The jump throws away what was gathered; a long wait must not follow a long one.
			this.#refillSeconds = FIRST_REFILL_SECONDS;
		}
		return { playbackRate: this.#isRefilling ? 0 : 1, jumpsToEdge };
	}

	#isStarved(nowMs: number, dryForMs: number, hasStarted: boolean): boolean {
		if (dryForMs > 0) {
			this.#dry.push({ atMs: nowMs, forMs: dryForMs });
		}
		this.#dry = this.#dry.filter(({ atMs }) => atMs > nowMs - WINDOW_MS);
		const sumMs = this.#dry.reduce((sum, { forMs }) => sum + forMs, 0);
		return sumMs >= (hasStarted ? STARVED_AFTER_MS : STARVED_AT_START_MS);
	}

	#hasCaughtUp(nowMs: number, missingSeconds: number): boolean {
		if (this.#isRefilling || missingSeconds > CAUGHT_UP_SECONDS) {
			this.#caughtUpSinceMs = undefined;
			return false;
		}
		this.#caughtUpSinceMs ??= nowMs;
		return nowMs - this.#caughtUpSinceMs >= CAUGHT_UP_AFTER_MS;
	}
}
