/**
 * Judges why a WebRTC picture is frozen: because the line is too poor, or for a reason that a hand-over does not help.
 * Pure: frames and the browser's counts in, verdicts out.
 */

/** The browser's counts for the picture since the connection began (W3C webrtc-stats). */
export type LineCounts = {
	atMs: number;
	packetsReceived: number;
	packetsLost: number;
	/** Requests for lost packets. */
	nackCount: number;
	/** Lost packets that were sent again and arrived; undefined where the browser does not count them. */
	resentPackets: number | undefined;
	framesReceived: number;
	framesDecoded: number;
	roundTripMs: number | undefined;
};

/**
 * `unwatched`: paused, hidden, or for too short a time. `line-too-poor`: packets are lost between the server and the
 * viewer. `source-gone`: nothing is sent. `source-lossy`: packets were lost before the server. `machine-busy`: frames
 * arrive and are not decoded. `source-slow`: everything that is sent arrives.
 */
export type LineVerdict =
	'unwatched' | 'plays' | 'line-too-poor' | 'source-gone' | 'source-lossy' | 'machine-busy' | 'source-slow';

/** The window of a verdict: shorter mistakes a bad second of Wi-Fi for a poor line, longer keeps the picture frozen. */
const LINE_WINDOW_MS = 5000;
/** Of the window. With less, retransmissions have kept up. */
const FROZEN_SHARE = 0.6;
/** A verdict needs at least this long. */
const PATIENCE_MS = LINE_WINDOW_MS * FROZEN_SHARE;
/** Without a frame for longer than this the picture is frozen … */
const FROZEN_MS = 500;
/** … or for this many frame intervals of a slower source. */
const FROZEN_INTERVALS = 2.5;
/** Of the packets of the window. Retransmissions repair 8 % without a freeze (docs/performance.md). */
const LOST_SHARE = 0.08;
const LOST_PACKETS = 20;
/** On a line that drops all the time the browser requests packets with every frame; a rare loss is not a poor line. */
const NACKS_PER_SECOND = 4;
/** A line with a deep queue loses little and delays everything. */
const ROUND_TRIP_MS = 1000;
/** Of the frames that the source sends: a line that is too poor delivers fewer complete ones. */
const ARRIVED_SHARE = 0.5;
const DECODED_SHARE = 0.5;
/** Where the source's rate is unknown: that of a slow source. */
const LEAST_FRAME_RATE = 10;

export class LineJudge {
	#frames: number[] = [];
	#counts: LineCounts[] = [];
	#expectedSinceMs: number | undefined;

	/** Whether frames are expected from now on: not while the viewer paused, or hid the page. */
	setExpected(nowMs: number, isExpected: boolean): void {
		if (!isExpected) {
			this.#expectedSinceMs = undefined;
			this.#frames = [];
			this.#counts = [];
		} else {
			this.#expectedSinceMs ??= nowMs;
		}
	}

	frameShown(atMs: number): void {
		this.#frames.push(atMs);
		// One frame from before the window stays: a gap that reaches into the window starts there.
		while (this.#frames.length > 1 && this.#frames[1]! < atMs - LINE_WINDOW_MS) {
			this.#frames.shift();
		}
	}

	/** Adds the browser's counts; the same ones again are ignored. */
	counted(counts: LineCounts): void {
		const last = this.#counts.at(-1);
		if (last !== undefined && counts.packetsReceived < last.packetsReceived) {
			this.#counts = [];
		}
		if (last === undefined || counts.atMs > last.atMs) {
			this.#counts.push(counts);
			while (this.#counts.length > 1 && this.#counts[1]!.atMs <= counts.atMs - LINE_WINDOW_MS) {
				this.#counts.shift();
			}
		}
	}

	/** `sourceFrameRate`: the publisher's frames per second, as the server reports them; undefined while unknown. */
	verdict(nowMs: number, sourceFrameRate: number | undefined): LineVerdict {
		const sinceMs = Math.max(this.#expectedSinceMs ?? nowMs, nowMs - LINE_WINDOW_MS);
		if (nowMs - sinceMs < PATIENCE_MS) {
			return 'unwatched';
		}
		const frozenMs = Math.max(FROZEN_MS, sourceFrameRate ? (FROZEN_INTERVALS * 1000) / sourceFrameRate : 0);
		if (this.#frozenForMs(sinceMs, nowMs, frozenMs) < PATIENCE_MS) {
			return 'plays';
		}
		return this.#reason(sourceFrameRate ?? LEAST_FRAME_RATE);
	}

	#frozenForMs(fromMs: number, toMs: number, frozenMs: number): number {
		let lastMs = this.#expectedSinceMs ?? fromMs;
		let frozenForMs = 0;
		for (const atMs of [...this.#frames, toMs]) {
			if (atMs - lastMs > frozenMs) {
				frozenForMs += Math.max(0, atMs - Math.max(fromMs, lastMs));
			}
			lastMs = Math.max(lastMs, atMs);
		}
		return frozenForMs;
	}

	#reason(sourceFrameRate: number): LineVerdict {
		const [first, last] = [this.#counts[0], this.#counts.at(-1)];
		if (first === undefined || last === undefined || last.atMs <= first.atMs) {
			return 'unwatched';
		}
		const of = (name: Exclude<keyof LineCounts, 'resentPackets' | 'roundTripMs'>): number => last[name] - first[name];
		const [received, lost] = [of('packetsReceived'), Math.max(0, of('packetsLost'))];
		if (received === 0) {
			return 'source-gone';
		}
		const seconds = of('atMs') / 1000;
		const arrives = of('framesReceived') / seconds >= sourceFrameRate * ARRIVED_SHARE;
		if (arrives && of('framesDecoded') < of('framesReceived') * DECODED_SHARE) {
			return 'machine-busy';
		}
		const asksAllTheTime = of('nackCount') / seconds >= NACKS_PER_SECOND;
		const losesMuch = lost >= LOST_PACKETS && lost / (received + lost) >= LOST_SHARE;
		const isQueued = last.roundTripMs !== undefined && last.roundTripMs >= ROUND_TRIP_MS;
		if (asksAllTheTime || losesMuch || isQueued) {
			const resent =
				last.resentPackets === undefined || first.resentPackets === undefined
					? undefined
					: last.resentPackets - first.resentPackets;
			// The server cannot send again what it never received.
			return resent === 0 && !isQueued ? 'source-lossy' : 'line-too-poor';
		}
		return 'source-slow';
	}
}
