/**
 * How many bits a second the line carries, from the transfers of parts and playlists. Only the time in which bytes come
 * counts: a part is requested when it is listed, so most of the time nothing is under way. Pure.
 */

/** One answer, from its first byte to its last. */
export type Transfer = { startMs: number; endMs: number; bytes: number };

type Sample = { atMs: number; bps: number; isStrong: boolean; isExact?: boolean };

/** A sample covers this much, … */
const SAMPLE_BYTES = 150_000;
/** … or this time, with as many transfers at least. */
const SAMPLE_MS = 1000;
const SAMPLE_TRANSFERS = 4;
/** Less may arrive in one piece, at the rate of another line: such a sample is weak. */
const STRONG_BYTES = 50_000;
/** The first packet of an answer comes at its start, and takes no time. */
const PACKET_BYTES = 1448;
/** Of smaller answers, the time is that of their first packets. */
const LEAST_BYTES = 4000;
/** Shorter is less than the clocks resolve. */
const LEAST_MS = 1;
/** What the line has carried for so long, it carries. */
const SUSTAINED_MS = 8000;
/** Of that, the first sample is at least so old; less at the start. */
const SUSTAINED_SPAN_MS = 6000;
/** Of all samples, this share may be below: small transfers measure too little now and then. */
const SUSTAINED_SHARE = 0.25;
const RECENT_MS = 2500;
const RECENT_SAMPLES = 3;
const KEPT_MS = 20_000;
const MAX_PENDING = 64;

/** An estimate in bits a second. `isStrong`: enough bytes were sent at once to measure it. */
export type Estimate = { bps: number; isStrong: boolean };

export class ThroughputMeter {
	#pending: Transfer[] = [];
	#samples: Sample[] = [];

	/** In any order. Aborted transfers count, too. */
	transferred(transfer: Transfer): void {
		if (!(transfer.endMs >= transfer.startMs) || !(transfer.bytes > 0)) {
			return;
		}
		this.#pending.push(transfer);
		const large = this.#pending.filter(({ bytes }) => bytes >= LEAST_BYTES);
		if (large.length === 0) {
			this.#pending = this.#pending.slice(-MAX_PENDING);
			return;
		}
		const bytes = large.reduce((sum, pending) => sum + pending.bytes - PACKET_BYTES, 0);
		const firstMs = Math.min(...large.map(({ startMs }) => startMs));
		const lastMs = Math.max(...large.map(({ endMs }) => endMs));
		const isLong = lastMs - firstMs >= SAMPLE_MS && large.length >= SAMPLE_TRANSFERS;
		if (bytes >= SAMPLE_BYTES || isLong || this.#pending.length >= MAX_PENDING) {
			// Beside a large one, a small one takes its share of the line.
			const isBeside = (small: Transfer): boolean =>
				small.bytes < LEAST_BYTES && large.some(({ startMs, endMs }) => small.endMs > startMs && small.startMs < endMs);
			const beside = this.#pending.filter(isBeside).reduce((sum, small) => sum + small.bytes, 0);
			const bps = ((bytes + beside) * 8000) / Math.max(LEAST_MS, busyMs(large));
			this.#pending = [];
			this.#add({ atMs: lastMs, bps, isStrong: bytes >= STRONG_BYTES });
		}
	}

	/** What was measured for its own sake: by a probe, or by the server. */
	measured(atMs: number, bps: number): void {
		this.#add({ atMs, bps, isStrong: true, isExact: true });
	}

	/** What the line carries now. */
	recent(nowMs: number): Estimate | undefined {
		const samples = this.#samples.filter(({ atMs }) => atMs > nowMs - RECENT_MS).slice(-RECENT_SAMPLES);
		const middle = samples.toSorted((one, other) => one.bps - other.bps)[(samples.length - 1) >> 1];
		return middle && { bps: middle.bps, isStrong: samples.some(({ isStrong }) => isStrong) };
	}

	/**
	 * What the line has carried for some seconds without a break; undefined while that is not known. `spanMs`: how long
	 * that has to be at least.
	 */
	sustained(nowMs: number, spanMs = SUSTAINED_SPAN_MS): Estimate | undefined {
		const recent = this.#samples.filter(({ atMs }) => atMs > nowMs - SUSTAINED_MS);
		const strong = recent.filter(({ isStrong }) => isStrong);
		const samples = strong.length > 0 ? strong : recent;
		if (samples.length === 0 || nowMs - recent[0]!.atMs < spanMs) {
			return undefined;
		}
		const sorted = samples.toSorted((one, other) => one.bps - other.bps);
		const usual = sorted[Math.floor((sorted.length - 1) * SUSTAINED_SHARE)]!.bps;
		// Small parts measure too little; what is known exactly counts more.
		const exact = sorted.find(({ isExact }) => isExact === true)?.bps ?? 0;
		return { bps: Math.max(usual, exact), isStrong: strong.length > 0 };
	}

	/** Forgets what was measured over another line, or before it changed. */
	forget(): void {
		this.#samples = [];
		this.#pending = [];
	}

	#add(sample: Sample): void {
		this.#samples.push(sample);
		this.#samples = this.#samples.filter(({ atMs }) => atMs > sample.atMs - KEPT_MS);
	}
}

/** Time in which at least one of them was under way. */
function busyMs(transfers: readonly Transfer[]): number {
	let [sum, untilMs] = [0, -Infinity];
	for (const { startMs, endMs } of transfers.toSorted((one, other) => one.startMs - other.startMs)) {
		sum += Math.max(0, endMs - Math.max(startMs, untilMs));
		untilMs = Math.max(untilMs, endMs);
	}
	return sum;
}
