/**
 * Says why a WebRTC picture stands: because the line does not carry it, or for another reason, which a change of tier
 * would not help. Pure: it is told of frames and of the browser's counts, and asked.
 */

/**
 * What the browser has counted of the picture since the connection began (W3C webrtc-stats, inbound-rtp and
 * candidate-pair).
 */
export type LineCounts = {
	atMs: number;
	packetsReceived: number;
	packetsLost: number;
	/** Requests for lost packets. */
	nackCount: number;
	/** Lost packets that came after all; undefined where the browser does not count them. */
	resentPackets: number | undefined;
	framesReceived: number;
	framesDecoded: number;
	roundTripMs: number | undefined;
};

/**
 * `unwatched`: paused, hidden, or for too short a time. `plays`. `line-too-poor`: packets are lost on the way to us,
 * and the picture with them. `source-gone`: nothing is sent. `source-lossy`: what is missing was lost before the
 * server. `machine-busy`: pictures arrive and are not decoded. `source-slow`: all that is sent arrives.
 */
export type LineVerdict =
	'unwatched' | 'plays' | 'line-too-poor' | 'source-gone' | 'source-lossy' | 'machine-busy' | 'source-slow';

/**
 * Looked at are the last so many milliseconds: shorter takes a bad second of Wi-Fi for a poor line, longer leaves the
 * picture standing.
 */
const LINE_WINDOW_MS = 5000;
/** Of the window. Half of the time frozen is no picture to follow; below, the resends have kept up. */
const STANDING_SHARE = 0.6;
/** A verdict is due when the picture stood for the whole of so much. */
const PATIENCE_MS = LINE_WINDOW_MS * STANDING_SHARE;
/** Longer without a frame than this is standing still, whatever the source. */
const STANDS_MS = 500;
/** … unless the source itself sends fewer: then so many of its intervals. */
const STANDS_INTERVALS = 2.5;
/** Of the packets of the window. Resends make up for 8 % without a freeze (docs/performance.md). */
const LOST_SHARE = 0.08;
const LOST_PACKETS = 20;
/**
 * A line that drops all the time is asked for resends with every frame; one lost packet now and then is not a poor
 * line.
 */
const NACKS_PER_SECOND = 4;
/** A line with a deep queue loses little and delays it all. */
const ROUND_TRIP_MS = 1000;
/** Of the pictures that the source sends: so many whole ones do not come over a line that drowns. */
const ARRIVED_SHARE = 0.5;
const DECODED_SHARE = 0.5;
/** Where the source's rate is not known: a slow source. */
const LEAST_FRAME_RATE = 10;

/** One per connection. */
export class LineJudge {
	#frames: number[] = [];
	#counts: LineCounts[] = [];
	#expectedSinceMs: number | undefined;

	/**
	 * Frames are owed from now on, or none are: the viewer paused, or hid the page. Told again and again, it starts
	 * once.
	 */
	setExpected(nowMs: number, isExpected: boolean): void {
		if (!isExpected) {
			this.#expectedSinceMs = undefined;
			this.#frames = [];
			this.#counts = [];
		} else {
			this.#expectedSinceMs ??= nowMs;
		}
	}

	/** A frame was shown. */
	frameShown(atMs: number): void {
		this.#frames.push(atMs);
		// One from before the window stays: the gap that reaches into it begins there.
		while (this.#frames.length > 1 && this.#frames[1]! < atMs - LINE_WINDOW_MS) {
			this.#frames.shift();
		}
	}

	/** The browser has counted; the same counts again are left out. */
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

	/**
	 * `sourceFrameRate`: frames per second that the publisher sends, as the server says; undefined while it does not.
	 */
	verdict(nowMs: number, sourceFrameRate: number | undefined): LineVerdict {
		const sinceMs = Math.max(this.#expectedSinceMs ?? nowMs, nowMs - LINE_WINDOW_MS);
		if (nowMs - sinceMs < PATIENCE_MS) {
			return 'unwatched';
		}
		const standsMs = Math.max(STANDS_MS, sourceFrameRate ? (STANDS_INTERVALS * 1000) / sourceFrameRate : 0);
		if (this.#stoodForMs(sinceMs, nowMs, standsMs) < LINE_WINDOW_MS * STANDING_SHARE) {
			return 'plays';
		}
		return this.#reason(sourceFrameRate ?? LEAST_FRAME_RATE);
	}

	#stoodForMs(fromMs: number, toMs: number, standsMs: number): number {
		const moments = [...this.#frames, toMs];
		let lastMs = this.#expectedSinceMs ?? fromMs;
		let stoodForMs = 0;
		for (const atMs of moments) {
			if (atMs - lastMs > standsMs) {
				stoodForMs += Math.max(0, atMs - Math.max(fromMs, lastMs));
			}
			lastMs = Math.max(lastMs, atMs);
		}
		return stoodForMs;
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
			// What the server does not have it cannot send again.
			return resent === 0 && !isQueued ? 'source-lossy' : 'line-too-poor';
		}
		return 'source-slow';
	}
}
