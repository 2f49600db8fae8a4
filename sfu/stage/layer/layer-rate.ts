/** What a layer takes of a line, measured: the busiest second of the last ones. */
import type { Clock } from '../../../core/lifecycle/clock.ts';

const BUCKET_MS = 1000;
/** A calm scene of this length makes a layer cheap. */
const BUCKET_COUNT = 10;
/** Headers of RTP, UDP and IP, and the tag of SRTP, of one packet. */
const OVERHEAD_BYTES = 74;

export class LayerRate {
	readonly #clock: Clock;
	/** Bytes of the last whole seconds with packets, oldest first. */
	readonly #buckets: number[] = [];
	#bytes = 0;
	#bucketBeganAtMs = -Infinity;

	constructor(clock: Clock) {
		this.#clock = clock;
	}

	/** Undefined before the first whole second. */
	get peakBps(): number | undefined {
		return this.#buckets.length === 0 ? undefined : (Math.max(...this.#buckets) * 8 * 1000) / BUCKET_MS;
	}

	add(payloadBytes: number): void {
		const nowMs = this.#clock.monotonicMs();
		if (nowMs - this.#bucketBeganAtMs >= BUCKET_MS) {
			// One that lasted longer had a pause in it.
			if (nowMs - this.#bucketBeganAtMs < 2 * BUCKET_MS) {
				this.#buckets.push(this.#bytes);
				this.#buckets.splice(0, this.#buckets.length - BUCKET_COUNT);
			}
			this.#bytes = 0;
			this.#bucketBeganAtMs = nowMs;
		}
		this.#bytes += payloadBytes + OVERHEAD_BYTES;
	}
}
