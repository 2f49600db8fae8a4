/** Whether the machine has time for work that may wait. Media comes first. */
import { cpus } from 'node:os';
import type { Clock } from '../../core/lifecycle/clock.ts';

/** Sums over all cores since the machine's start, ms. */
export type CpuTimes = { total: number; idle: number };

type CpuBudgetDependencies = {
	clock: Clock;
	readTimes: () => CpuTimes;
	/** CPU of the busiest SFU worker, 0–1, and its limit. */
	sfu: { load(): { workerCpu: number }; budget(): { maxWorkerCpu: number } };
	/** Media time by which the slowest encoder of pictures is behind its input. */
	encoderLagMs: () => number;
};

/** Above this share of the machine work waits, until the share is below the second one. */
const RED_ABOVE = 0.85;
const GREEN_BELOW = 0.7;
/** A worker this near to its limit soon hands viewers over to LL-HLS. */
const SFU_SHARE = 0.9;
/** An encoder loses a rung at 700 ms. */
const MAX_ENCODER_LAG_MS = 350;
/** Over less time the share is chance. */
const MIN_SPAN_MS = 2000;

/** Measures between two questions, so it costs nothing while nobody asks. */
export class CpuBudget {
	readonly #deps: CpuBudgetDependencies;
	#last: CpuTimes & { atMs: number };
	#isMachineBusy = false;

	constructor(deps: CpuBudgetDependencies) {
		this.#deps = deps;
		this.#last = { ...deps.readTimes(), atMs: deps.clock.monotonicMs() };
	}

	/** True while nothing that may wait should begin. */
	isRed(): boolean {
		const { sfu, encoderLagMs } = this.#deps;
		this.#measure();
		return (
			this.#isMachineBusy ||
			sfu.load().workerCpu >= sfu.budget().maxWorkerCpu * SFU_SHARE ||
			encoderLagMs() >= MAX_ENCODER_LAG_MS
		);
	}

	#measure(): void {
		const atMs = this.#deps.clock.monotonicMs();
		if (atMs - this.#last.atMs < MIN_SPAN_MS) {
			return;
		}
		const { total, idle } = this.#deps.readTimes();
		const span = total - this.#last.total;
		if (span > 0) {
			const busyShare = 1 - (idle - this.#last.idle) / span;
			this.#isMachineBusy = busyShare >= (this.#isMachineBusy ? GREEN_BELOW : RED_ABOVE);
		}
		this.#last = { total, idle, atMs };
	}
}

// What runs with a low priority counts as busy, because encoders of pictures do. So no job begins while another one
// fills the machine.
export function readMachineTimes(): CpuTimes {
	let [total, idle] = [0, 0];
	for (const { times } of cpus()) {
		total += times.user + times.nice + times.sys + times.idle + times.irq;
		idle += times.idle;
	}
	return { total, idle };
}
