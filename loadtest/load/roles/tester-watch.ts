/** Watches a process of the load tester: a starved tester measures itself. Judged by judge-tester.ts. */
import type { CancelTimer, Clock } from '../../../core/lifecycle/clock.ts';
import type { Figures } from '../figures/figures.ts';

/** How often the event loop is asked whether it keeps time. Shorter costs more than it tells. */
const LAG_INTERVAL_MS = 10;
const CPU_INTERVAL_MS = 1000;
/** `--starve`: busy and idle alternate in periods of this length. */
const STARVE_PERIOD_MS = 100;

/**
 * Records `self.<process>.lag` (milliseconds that a timer came late) and `self.<process>.cpu` (cores). Returns its end.
 */
export function watchTester(clock: Clock, figures: Figures, processName: string, starveRatio: number): () => void {
	let dueMs = clock.monotonicMs() + LAG_INTERVAL_MS;
	const cancels: CancelTimer[] = [];
	cancels.push(
		clock.setInterval(() => {
			const nowMs = clock.monotonicMs();
			// An interval that was missed altogether is late for each of its ticks, not once: that is what a viewer's packets
			// would have seen, and what a percentile over time needs.
			const lateMs = Math.max(0, nowMs - dueMs);
			for (let missedMs = lateMs; missedMs > LAG_INTERVAL_MS; missedMs -= LAG_INTERVAL_MS) {
				figures.sample(`self.${processName}.lag`, missedMs);
			}
			figures.sample(`self.${processName}.lag`, lateMs % LAG_INTERVAL_MS);
			dueMs = nowMs + LAG_INTERVAL_MS;
		}, LAG_INTERVAL_MS),
	);
	let usage = process.cpuUsage();
	let usageAtMs = clock.monotonicMs();
	cancels.push(
		clock.setInterval(() => {
			const nowMs = clock.monotonicMs();
			const spent = process.cpuUsage(usage);
			figures.sample(`self.${processName}.cpu`, (spent.user + spent.system) / 1000 / (nowMs - usageAtMs));
			figures.set(`self.${processName}.rssBytes`, process.memoryUsage.rss());
			[usage, usageAtMs] = [process.cpuUsage(), nowMs];
		}, CPU_INTERVAL_MS),
	);
	if (starveRatio > 0) {
		cancels.push(clock.setInterval(() => burn(clock, starveRatio * STARVE_PERIOD_MS), STARVE_PERIOD_MS));
	}
	return () => cancels.forEach((cancel) => cancel());
}

function burn(clock: Clock, forMs: number): void {
	const endMs = clock.monotonicMs() + forMs;
	while (clock.monotonicMs() < endMs) {
		// Busy on purpose.
	}
}
