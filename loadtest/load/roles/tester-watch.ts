/** Watches a process of the load tester for judge-tester.ts. */
import type { Clock } from '../../../core/lifecycle/clock.ts';
import type { Figures } from '../figures/figures.ts';

/** Interval of the lag measurement; a shorter one costs too much CPU. */
const LAG_INTERVAL_MS = 10;
const CPU_INTERVAL_MS = 1000;
/** `--starve`: busy and idle alternate in periods of this length. */
const STARVE_PERIOD_MS = 100;

/** Records `self.<process>.lag` (how late a timer is) and `self.<process>.cpu` (cores) until the process ends. */
export function watchTester(clock: Clock, figures: Figures, processName: string, starveRatio: number): void {
	let dueMs = clock.monotonicMs() + LAG_INTERVAL_MS;
	clock.setInterval(() => {
		const nowMs = clock.monotonicMs();
		// A missed interval counts once for each of its ticks, as a viewer's packets see it, so that percentiles are over
		// time.
		const lateMs = Math.max(0, nowMs - dueMs);
		for (let missedMs = lateMs; missedMs > LAG_INTERVAL_MS; missedMs -= LAG_INTERVAL_MS) {
			figures.sample(`self.${processName}.lag`, missedMs);
		}
		figures.sample(`self.${processName}.lag`, lateMs % LAG_INTERVAL_MS);
		dueMs = nowMs + LAG_INTERVAL_MS;
	}, LAG_INTERVAL_MS);
	let usage = process.cpuUsage();
	let usageAtMs = clock.monotonicMs();
	clock.setInterval(() => {
		const nowMs = clock.monotonicMs();
		const spent = process.cpuUsage(usage);
		figures.sample(`self.${processName}.cpu`, (spent.user + spent.system) / 1000 / (nowMs - usageAtMs));
		figures.set(`self.${processName}.rssBytes`, process.memoryUsage.rss());
		[usage, usageAtMs] = [process.cpuUsage(), nowMs];
	}, CPU_INTERVAL_MS);
	if (starveRatio > 0) {
		clock.setInterval(() => burn(clock, starveRatio * STARVE_PERIOD_MS), STARVE_PERIOD_MS);
	}
}

function burn(clock: Clock, forMs: number): void {
	const endMs = clock.monotonicMs() + forMs;
	while (clock.monotonicMs() < endMs) {
		// Busy on purpose.
	}
}
