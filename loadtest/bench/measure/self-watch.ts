/** Watches the bench's own process and machine: a starved bench measures itself and not the server; its run is void. */
import { readFileSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Above these a run is void. */
type StarvationBounds = {
	/** p99 of the bench's event-loop delay. The pictures are made in this loop. */
	eventLoopDelayP99Ms: number;
	/** Share of CPU time that the hypervisor gave to others. */
	stealRatio: number;
	/** Share of CPU time that was not idle. */
	busyRatio: number;
};

/** Defaults: half a picture's interval; one part in fifty; hardly any idle time. */
export const STARVATION_BOUNDS: StarvationBounds = { eventLoopDelayP99Ms: 16, stealRatio: 0.02, busyRatio: 0.97 };

export type SelfWatchResult = {
	eventLoopDelayP99Ms: number;
	/** Absent where the operating system does not report it. */
	stealRatio?: number;
	busyRatio?: number;
	/** Why the run is void; empty when it counts. */
	voidReasons: string[];
};

/** CPU time since boot in clock ticks, all cores together. */
type CpuTicks = { idle: number; steal: number; total: number };

/** Reads the first line of /proc/stat: user nice system idle iowait irq softirq steal. @internal for tests */
export function parseCpuTicks(procStat: string): CpuTicks | undefined {
	const line = /^cpu\s+(.+)$/m.exec(procStat)?.[1] ?? '';
	const numbers = line.trim().split(/\s+/).map(Number);
	if (numbers.length < 8 || numbers.some((value) => !Number.isFinite(value))) {
		return undefined;
	}
	// User time includes guest time.
	const total = numbers.slice(0, 8).reduce((sum, value) => sum + value, 0);
	return { idle: numbers[3]! + numbers[4]!, steal: numbers[7]!, total };
}

/** @internal for tests */
export function judgeRun(
	eventLoopDelayP99Ms: number,
	before: CpuTicks | undefined,
	after: CpuTicks | undefined,
	bounds: StarvationBounds,
): SelfWatchResult {
	const result: SelfWatchResult = { eventLoopDelayP99Ms, voidReasons: [] };
	if (eventLoopDelayP99Ms > bounds.eventLoopDelayP99Ms) {
		result.voidReasons.push(
			`event-loop delay p99 ${eventLoopDelayP99Ms.toFixed(1)} ms, bound ${bounds.eventLoopDelayP99Ms} ms`,
		);
	}
	if (before !== undefined && after !== undefined && after.total > before.total) {
		const total = after.total - before.total;
		result.stealRatio = (after.steal - before.steal) / total;
		result.busyRatio = 1 - (after.idle - before.idle) / total;
		for (const name of ['stealRatio', 'busyRatio'] as const) {
			if (result[name]! > bounds[name]) {
				result.voidReasons.push(`${name} ${result[name]!.toFixed(3)}, bound ${bounds[name]}`);
			}
		}
	}
	return result;
}

/** Starts watching; the returned function ends it and judges. */
export function watchSelf(bounds: StarvationBounds = STARVATION_BOUNDS): () => SelfWatchResult {
	// Resolution 1 ms: the histogram includes the timer's own interval, which is subtracted below.
	const histogram = monitorEventLoopDelay({ resolution: 1 });
	const before = readTicks();
	histogram.enable();
	return () => {
		histogram.disable();
		const p99Ms = Math.max(0, histogram.percentile(99) / 1e6 - 1);
		return judgeRun(p99Ms, before, readTicks(), bounds);
	};
}

/** Each call returns the share of CPU time that was not idle since the call before; undefined where it is not known. */
export function watchBusyRatio(): () => number | undefined {
	let before = readTicks();
	return () => {
		const after = readTicks();
		const { busyRatio } = judgeRun(0, before, after, STARVATION_BOUNDS);
		before = after;
		return busyRatio;
	};
}

function readTicks(): CpuTicks | undefined {
	try {
		return parseCpuTicks(readFileSync('/proc/stat', 'utf8'));
	} catch {
		// Not Linux: the run is judged without steal and busy time.
		return undefined;
	}
}
