/** Tests of a small run of the simulation, and of its plot. The large run is simulate.ts. */
import { describe, expect, it } from 'vitest';
import { AudienceSimulation } from './audience-simulation.ts';
import { plotSimulation } from './simulation-plot.ts';

function smallRun(seed: number): AudienceSimulation {
	const simulation = new AudienceSimulation({
		seed,
		curve: [
			{ atSeconds: 0, viewerCount: 0 },
			{ atSeconds: 20, viewerCount: 5000 },
			{ atSeconds: 60, viewerCount: 5000 },
			{ atSeconds: 80, viewerCount: 60 },
			{ atSeconds: 240, viewerCount: 60 },
			{ atSeconds: 250, viewerCount: 0 },
		],
		budget: { maxConsumers: 200, maxBitrateBps: 4e8, maxWorkerCpu: 0.85 },
		cpuPerViewer: 0.006,
		workerLostAtSeconds: 40,
		machineMs: () => 0,
	});
	simulation.run();
	return simulation;
}

describe('AudienceSimulation', () => {
	it('keeps every rule while a crowd joins, a worker dies and the crowd leaves, and fills up again', () => {
		const { samples, totals } = smallRun(7);
		expect(totals).toMatchObject({ overBudgetCount: 0, withoutTierCount: 0, earlySwitchCount: 0 });
		const at = (seconds: number): (typeof samples)[number] => samples.find(({ atSeconds }) => atSeconds === seconds)!;
		expect(at(30).viewerCount).toBe(5000);
		expect(at(40).emergencyCount).toBeGreaterThan(5);
		expect(at(80).webRtcCount).toBeLessThan(40);
		expect(at(230).webRtcCount).toBeGreaterThan(50);
		expect(samples.at(-1)).toMatchObject({ viewerCount: 0, heldCount: 0 });
	});

	it('repeats a run for an equal seed', () => {
		expect(smallRun(3).samples).toEqual(smallRun(3).samples);
	});
});

describe('plotSimulation', () => {
	it('draws four panels with every line and escapes its texts', () => {
		const svg = plotSimulation(smallRun(7).samples, 'a < b', 'c & d');
		expect(svg.match(/stroke-width="1.5"/g)).toHaveLength(10);
		expect(svg).toContain('a &lt; b');
		expect(svg).toContain('c &amp; d');
		expect(svg).not.toContain('NaN');
	});
});
