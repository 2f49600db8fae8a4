/**
 * Plays LL-HLS over a line that carries less than the stream. It waits until some seconds are buffered and plays them
 * all. So it falls behind live instead of stalling with every part. Pure decisions from times.
 */

/** What the follower sees, about every 100 ms. */
type BufferInput = {
	nowMs: number;
	/** From the playhead to the live edge; undefined before the first playlist. */
	behindEdgeSeconds: number | undefined;
	bufferedAheadSeconds: number;
	/** From the oldest listed segment to the live edge; Infinity while nothing leaves the playlist. */
	windowSeconds: number;
	/** False until the first media have played. */
	hasStarted: boolean;
};

/** What to do with the playhead while the buffer is followed. Rate 0: wait. */
export type BufferDecision = { playbackRate: 0 | 1; jumpsToEdge: boolean };

/** With less than this ahead of the playhead the buffer is dry: playback stalls, or is about to. */
const DRY_SECONDS = 0.06;
/** More announced media than this must be missing; otherwise the wait is for the publisher. */
const ANNOUNCED_SECONDS = 0.8;
/** Dry for this long within the window, the line does not keep up; one late part is a tenth of it. */
const STARVED_AFTER_MS = 2000;
/** The first buffer takes longer to fill, even over a good line on a busy machine. */
const STARVED_AT_START_MS = 6000;
const WINDOW_MS = 10_000;
/** Buffered before it plays: one segment at first, for an early picture; two after it ran dry, to stop less often. */
const FIRST_REFILL_SECONDS = 1.2;
const NEXT_REFILL_SECONDS = 3;
/** After this the wait ends with {@link LEAST_SECONDS}: a viewer leaves a picture that is frozen for longer. */
const MAX_WAIT_MS = 4500;
const LEAST_SECONDS = 1;
/** Further behind than this, or than this share of the window, it jumps nearer to the edge. */
const MAX_BEHIND_SECONDS = 40;
const MAX_BEHIND_SHARE = 2 / 3;
/** Dry or not: the next segment is about to leave the playlist. */
const WINDOW_END_SHARE = 0.9;
/** A segment that loads this many times faster than it plays proves a good line, as does any with plenty buffered. */
const FAST = 1.25;
const PLENTY_SECONDS = 6;
/** Seconds of proof that end it. Doubled after a wrong proof, so that a borderline line is not tried all the time. */
const FIRST_PROOF_SECONDS = 6;
const MAX_PROOF_SECONDS = 96;
const RELAPSE_MS = 120_000;
/** A longer tick does not count in full: the machine slept. */
const MAX_TICK_MS = 1000;

export class BufferFollower {
	#dry: Array<{ atMs: number; forMs: number }> = [];
	#lastMs: number | undefined;
	#isFollowing = false;
	/** Since when it waits for the buffer to fill; undefined while it plays. */
	#refillingSinceMs: number | undefined;
	#refillSeconds = FIRST_REFILL_SECONDS;
	#provenSeconds = 0;
	#proofSeconds = FIRST_PROOF_SECONDS;
	#recoveredAtMs = -Infinity;
	#bufferedAheadSeconds = 0;

	/** True from when the line is too poor until it keeps up again. */
	get isFollowing(): boolean {
		return this.#isFollowing;
	}

	/** The line is known to be too poor. */
	begin(nowMs: number): void {
		if (!this.#isFollowing) {
			this.#isFollowing = true;
			this.#refillingSinceMs = nowMs;
			this.#refillSeconds = FIRST_REFILL_SECONDS;
			this.#provenSeconds = 0;
			const isRelapse = nowMs - this.#recoveredAtMs < RELAPSE_MS;
			this.#proofSeconds = isRelapse ? Math.min(MAX_PROOF_SECONDS, this.#proofSeconds * 2) : FIRST_PROOF_SECONDS;
		}
	}

	/** A whole segment has arrived: its duration, and how long it took to load. */
	segmentLoaded(mediaSeconds: number, tookMs: number): void {
		const speed = mediaSeconds / Math.max(0.001, tookMs / 1000);
		const isProof = speed >= FAST || (speed >= 1 && this.#bufferedAheadSeconds >= PLENTY_SECONDS);
		this.#provenSeconds = isProof ? this.#provenSeconds + mediaSeconds : 0;
	}

	/** Undefined while the line keeps up: then the rate controller steers. */
	update(input: BufferInput): BufferDecision | undefined {
		const { nowMs, behindEdgeSeconds, bufferedAheadSeconds, windowSeconds, hasStarted } = input;
		const elapsedMs = Math.min(MAX_TICK_MS, nowMs - (this.#lastMs ?? nowMs));
		this.#lastMs = nowMs;
		this.#bufferedAheadSeconds = bufferedAheadSeconds;
		if (behindEdgeSeconds === undefined) {
			return undefined;
		}
		const isDry = bufferedAheadSeconds < DRY_SECONDS && behindEdgeSeconds - bufferedAheadSeconds > ANNOUNCED_SECONDS;
		if (!this.#isFollowing) {
			if (!this.#isStarved(nowMs, isDry ? elapsedMs : 0, hasStarted)) {
				return undefined;
			}
			this.begin(nowMs);
		}
		const isJustDry = isDry && this.#refillingSinceMs === undefined;
		if (isJustDry) {
			this.#refillingSinceMs = nowMs;
			this.#refillSeconds = NEXT_REFILL_SECONDS;
		}
		if (this.#refillingSinceMs !== undefined) {
			// Near the edge less is announced than that: all that is announced is enough.
			const announcedSeconds = Math.max(DRY_SECONDS, behindEdgeSeconds - ANNOUNCED_SECONDS);
			const isOverdue = nowMs - this.#refillingSinceMs >= MAX_WAIT_MS;
			const enoughSeconds = Math.min(isOverdue ? LEAST_SECONDS : this.#refillSeconds, announcedSeconds);
			if (bufferedAheadSeconds >= enoughSeconds) {
				this.#refillingSinceMs = undefined;
			}
		}
		if (this.#refillingSinceMs === undefined && this.#provenSeconds >= this.#proofSeconds) {
			this.#isFollowing = false;
			this.#recoveredAtMs = nowMs;
			this.#dry = [];
			return undefined;
		}
		const maxBehindSeconds = Math.min(MAX_BEHIND_SECONDS, windowSeconds * MAX_BEHIND_SHARE);
		// A jump discards what is buffered and what is loading, which is least when it has just run dry.
		const jumpsToEdge =
			(isJustDry && behindEdgeSeconds > maxBehindSeconds) || behindEdgeSeconds > windowSeconds * WINDOW_END_SHARE;
		if (jumpsToEdge) {
			this.#refillingSinceMs = nowMs;
			this.#refillSeconds = FIRST_REFILL_SECONDS;
		}
		return { playbackRate: this.#refillingSinceMs === undefined ? 1 : 0, jumpsToEdge };
	}

	#isStarved(nowMs: number, dryForMs: number, hasStarted: boolean): boolean {
		if (dryForMs > 0) {
			this.#dry.push({ atMs: nowMs, forMs: dryForMs });
		}
		this.#dry = this.#dry.filter(({ atMs }) => atMs > nowMs - WINDOW_MS);
		const sumMs = this.#dry.reduce((sum, { forMs }) => sum + forMs, 0);
		return sumMs >= (hasStarted ? STARVED_AFTER_MS : STARVED_AT_START_MS);
	}
}
