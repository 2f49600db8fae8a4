/** A line with a bit rate that changes, shared by all transfers, for tests on a fake clock. */
import type { Clock } from '../../../../../core/lifecycle/clock.ts';

type Transfer = { leftBits: number; done: () => void };

/** Answers come in pieces of this time. */
const STEP_MS = 2;

export type LineOptions = {
	/** Time since the clock's start. */
	bpsAt: (ms: number) => number;
	roundTripMs?: number;
	queueMs?: number;
	stepMs?: number;
};

export class SimulatedLine {
	readonly #clock: Clock;
	readonly #options: { bpsAt: (ms: number) => number; roundTripMs: number; queueMs: number; stepMs: number };
	#transfers: Transfer[] = [];
	#carriedBits = 0;

	/** `queueMs`: what was sent into the line before a request is aborted still comes, and takes its time. */
	constructor(clock: Clock, options: LineOptions) {
		this.#clock = clock;
		this.#options = { roundTripMs: 20, queueMs: 200, stepMs: STEP_MS, ...options };
		clock.setInterval(() => this.#step(), this.#options.stepMs);
	}

	/** Bits since the start, headers included. */
	get carriedBits(): number {
		return this.#carriedBits;
	}

	/** Calls back with the time of half a round trip. */
	ask(callback: () => void): void {
		this.#clock.setTimeout(callback, this.#options.roundTripMs / 2);
	}

	/** Carries these bytes; `onBytes` with how many have come, and the last time all. */
	carry(bytes: number, signal: AbortSignal, onBytes: (bytes: number) => void): void {
		// Headers of an answer.
		const total = (bytes + 400) * 8;
		const transfer: Transfer = { leftBits: total, done: () => undefined };
		let reported = -1;
		const report = (): void => {
			const come = Math.max(0, Math.floor((total - transfer.leftBits) / 8 - 400));
			if (come !== reported && !signal.aborted) {
				reported = come;
				onBytes(Math.min(bytes, come));
			}
		};
		transfer.done = report;
		this.#transfers.push(transfer);
		signal.addEventListener('abort', () => {
			const { bpsAt, queueMs } = this.#options;
			transfer.leftBits = Math.min(transfer.leftBits, (bpsAt(this.#clock.monotonicMs()) * queueMs) / 1000);
		});
	}

	#step(): void {
		let bits = (this.#options.bpsAt(this.#clock.monotonicMs()) * this.#options.stepMs) / 1000;
		// Shared equally; what one does not need, the others get.
		for (let round = 0; round < 3 && bits > 1 && this.#transfers.length > 0; round++) {
			const share = bits / this.#transfers.length;
			for (const transfer of this.#transfers) {
				const used = Math.min(share, transfer.leftBits);
				transfer.leftBits -= used;
				bits -= used;
				this.#carriedBits += used;
			}
			const moved = this.#transfers;
			for (const transfer of moved) {
				transfer.leftBits = transfer.leftBits < 1 ? 0 : transfer.leftBits;
			}
			this.#transfers = this.#transfers.filter(({ leftBits }) => leftBits > 0);
			for (const transfer of moved) {
				transfer.done();
			}
		}
	}
}
