/** How much of a viewer's line goes to resends: the evidence of a line that does not carry the picture. Pure. */

/** The time over which resends are counted. A shorter one mistakes a burst of loss for a full line. */
const RESEND_WINDOW_MS = 300;
/** After so long without a request the window starts with the last known value. */
const QUIET_MS = 1000;
/** The requests that broke the quiet were answered within this time. */
const FIRST_SPAN_MS = 50;

export class ResendWindow {
	#samples: { atMs: number; bytes: number }[] = [];
	#lastBytes = 0;
	#addedAtMs = -Infinity;

	/** `bytes`: all resends so far. Returns the resends in bits a second; undefined while they are not known. */
	add(nowMs: number, bytes: number): number | undefined {
		if (nowMs - this.#addedAtMs > QUIET_MS) {
			this.#samples = [{ atMs: nowMs - FIRST_SPAN_MS, bytes: this.#lastBytes }];
		}
		this.#addedAtMs = nowMs;
		this.#lastBytes = bytes;
		this.#samples.push({ atMs: nowMs, bytes });
		while (this.#samples.length > 2 && this.#samples[1]!.atMs <= nowMs - RESEND_WINDOW_MS) {
			this.#samples.shift();
		}
		const first = this.#samples[0]!;
		return this.#samples.length < 2
			? undefined
			: ((bytes - first.bytes) * 8000) / Math.max(nowMs - first.atMs, RESEND_WINDOW_MS);
	}

	/** What was resent until now does not count any more. */
	clear(): void {
		this.#samples = [];
	}
}
