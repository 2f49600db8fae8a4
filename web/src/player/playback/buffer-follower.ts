/**
 * Plays LL-HLS over a line that brings less than the stream needs: waits until some seconds are buffered, plays them
 * until none is left, and falls behind, instead of stopping with every part. Pure decisions from times.
 */

/** What is seen, every 100 ms or so. */
type BufferInput = {
	nowMs: number;
	/** From the playhead to the live edge; undefined before the first playlist. */
	behindEdgeSeconds: number | undefined;
	bufferedAheadSeconds: number;
	/** From the oldest that the playlist lists to the live edge; Infinity: nothing leaves it yet. */
	windowSeconds: number;
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
/**
 * Buffered before it plays: one segment at first, so that there is a picture soon; two when it runs dry again, to stop
 * less often.
 */
const FIRST_REFILL_SECONDS = 1.2;
const NEXT_REFILL_SECONDS = 3;
/** Nobody looks at a picture that stands for longer while there is something to play. */
const MAX_WAIT_MS = 4500;
const LEAST_SECONDS = 1;
/** Behind by more than this, or by so much of the window, it begins anew nearer to the edge. */
const MAX_BEHIND_SECONDS = 40;
const MAX_BEHIND_SHARE = 2 / 3;
/** Dry or not: what comes next is about to leave the playlist. */
const WINDOW_END_SHARE = 0.9;
/**
 * A segment that comes so much faster than it plays is proof of a line that keeps up, as is any with so much buffered.
 */
const FAST = 1.25;
const PLENTY_SECONDS = 6;
/**
 * So many seconds of proof end it. Twice as many when it was wrong: a line just good enough must not be tried all the
 * time.
 */
const FIRST_PROOF_SECONDS = 6;
const MAX_PROOF_SECONDS = 96;
const RELAPSE_MS = 120_000;
/** A tick that comes later than this was not one of many: the machine slept. */
const MAX_TICK_MS = 1000;

/** One per session. */
export class BufferFollower {
	#dry: Array<{ atMs: number; forMs: number }> = [];
	#lastMs: number | undefined;
	#isFollowing = false;
	/** Since when it waits for the buffer; undefined while it plays. */
	#refillingSinceMs: number | undefined;
	#refillSeconds = FIRST_REFILL_SECONDS;
	#provenSeconds = 0;
	#proofSeconds = FIRST_PROOF_SECONDS;
	#recoveredAtMs = -Infinity;
	#bufferedAheadSeconds = 0;

	/** True from when the line was found too poor until it keeps up again. */
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

	/** A whole segment has come, which takes so long to play, and took so long to load. */
	segmentLoaded(mediaSeconds: number, tookMs: number): void {
		const speed = mediaSeconds / Math.max(0.001, tookMs / 1000);
		const isProof = speed >= FAST || (speed >= 1 && this.#bufferedAheadSeconds >= PLENTY_SECONDS);
		this.#provenSeconds = isProof ? this.#provenSeconds + mediaSeconds : 0;
	}

	/** Undefined while the line keeps up: then others steer. */
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
			// Near the edge there may never be as much: what is announced and loaded is enough.
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
		// A jump throws away what was gathered, and what is on its way; when it has just run dry, that is the least.
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
