/**
 * `node signaling/audience/tiers/testing/simulate.ts [file]`: simulates a million viewers; writes
 * docs/tier-simulation.svg and prints the figures.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { systemClock } from '../../../../core/lifecycle/clock.ts';
import { percentile } from '../../../../core/percentiles.ts';
import { AudienceSimulation } from './audience-simulation.ts';
import { plotSimulation } from './simulation-plot.ts';

const file = process.argv[2] ?? path.join(import.meta.dirname, '../../../..', 'docs', 'tier-simulation.svg');
const startedMs = systemClock.monotonicMs();
const simulation = new AudienceSimulation({
	seed: 1,
	curve: [
		{ atSeconds: 0, viewerCount: 0 },
		{ atSeconds: 60, viewerCount: 1_000_000 },
		{ atSeconds: 120, viewerCount: 1_000_000 },
		{ atSeconds: 180, viewerCount: 800 },
		{ atSeconds: 320, viewerCount: 800 },
		{ atSeconds: 330, viewerCount: 0 },
	],
	budget: { maxConsumers: 2000, maxBitrateBps: 4e9, maxWorkerCpu: 0.85 },
	cpuPerViewer: 0.0006,
	workerLostAtSeconds: 90,
	machineMs: () => systemClock.monotonicMs(),
});
simulation.run();
const { samples, totals } = simulation;

const figures = {
	...totals,
	peakViewerCount: Math.max(...samples.map(({ viewerCount }) => viewerCount)),
	peakWebRtcCount: Math.max(...samples.map(({ webRtcCount }) => webRtcCount)),
	peakHeldCount: Math.max(...samples.map(({ heldCount }) => heldCount)),
	lowestHardLimit: Math.min(...samples.map(({ hardLimit }) => hardLimit)),
	peakPlannedPerSecond: Math.max(...samples.map(({ plannedCount }) => plannedCount)),
	emergencyCount: samples.reduce((sum, { emergencyCount }) => sum + emergencyCount, 0),
	climbedBackAtSeconds: samples.find(({ atSeconds, hlsCount }) => atSeconds > 180 && hlsCount < 50)?.atSeconds,
	decisionMs: {
		mean: samples.reduce((sum, { meanDecisionMs }) => sum + meanDecisionMs, 0) / samples.length,
		p95OfLongest: percentile(
			samples.map(({ longestDecisionMs }) => longestDecisionMs),
			95,
		),
		longest: Math.max(...samples.map(({ longestDecisionMs }) => longestDecisionMs)),
	},
	runSeconds: (systemClock.monotonicMs() - startedMs) / 1000,
};
writeFileSync(
	file,
	plotSimulation(
		samples,
		'0 → 1 000 000 → 800 → 0 viewers, one SFU node with room for 1000',
		`Virtual clock. At 90 s one of four workers dies. ${totals.switchCount} switches in all, ${totals.earlySwitchCount} of them planned within a minute of the last.`,
	),
);
process.stdout.write(`${JSON.stringify(figures, null, '\t')}\n`);
if (totals.overBudgetCount + totals.withoutTierCount + totals.earlySwitchCount > 0) {
	process.stdout.write('A rule was broken.\n');
	process.exitCode = 1;
}
