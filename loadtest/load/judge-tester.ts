/** Decides whether a run counts: INVALID when the tester, not the server, is the bottleneck. */
import type { HistogramSummary } from './figures/histogram.ts';
import { ROLE_NAMES, type RoleName } from './figures/messages.ts';

/**
 * Largest p99 of event-loop lag. Packets are timed in this loop, so WebRTC is strictest. LL-HLS waits for parts of
 * 200 ms. The publisher may be half a picture late. The pixel role only forwards readings. @internal for tests
 */
export const LAG_BOUNDS_MS: Readonly<Record<RoleName, number>> = {
	publisher: 16,
	webrtc: 5,
	audience: 5,
	hls: 20,
	chat: 20,
	pixel: 50,
};
/** Mean share of a core above which a process of one thread has nothing left for a burst. */
const CPU_BOUND = 0.9;
/** The most that a viewer may start after its time. */
const START_LATE_BOUND_MS = 1000;

/** Reasons why the run is void, from every process's figures of the steady state. Empty: it counts. */
export function judgeTester(
	processNames: readonly string[],
	spreads: Readonly<Record<string, HistogramSummary>>,
	machineReasons: readonly string[],
): string[] {
	const reasons = [...machineReasons];
	for (const name of processNames) {
		const role = ROLE_NAMES.find((known) => name.replace(/-\d+$/, '') === known)!;
		const [lag, cpu, late] = ['lag', 'cpu', 'startLate'].map((figure) => spreads[`self.${name}.${figure}`]);
		if (lag === undefined) {
			reasons.push(`${name} gave no figures in the steady state`);
			continue;
		}
		if (lag.p99 > LAG_BOUNDS_MS[role]) {
			reasons.push(`${name}: event-loop lag p99 ${lag.p99.toFixed(1)} ms, bound ${LAG_BOUNDS_MS[role]} ms`);
		}
		if (cpu !== undefined && cpu.mean > CPU_BOUND) {
			reasons.push(`${name}: ${cpu.mean.toFixed(2)} cores used by one thread, bound ${CPU_BOUND}`);
		}
		if (late !== undefined && late.max > START_LATE_BOUND_MS) {
			reasons.push(`${name}: a viewer was started ${late.max.toFixed(0)} ms late, bound ${START_LATE_BOUND_MS} ms`);
		}
	}
	return reasons;
}
