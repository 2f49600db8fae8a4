/** The choice of rungs over simulated lines: steps, noise, jitter, losses, and starts at any moment. */
import { describe, expect, it } from 'vitest';
import { seeded } from './testing/seeded.ts';
import { simulate, type Simulation } from './testing/simulate.ts';
import { PART_SECONDS, SIMULATED_TRACKS } from './testing/simulated-origin.ts';

const START_MS = 30_000;
/** What is left of a line for the contents of answers. */
const PAYLOAD_SHARE = 0.95;
const SOUND_ONLY = 5;
/** Of the simulated rungs, with their sound. */
const NEEDS_BPS = SIMULATED_TRACKS.filter(({ heightPixels }) => heightPixels !== undefined).map(
	({ bps }) => (bps + (bps < 1_000_000 ? 48_000 : 128_000)) * 1.1,
);

type Shown = { atMs: number; rung: number };

function shownAt(shown: readonly Shown[], ms: number): number | undefined {
	return shown.findLast(({ atMs }) => atMs <= ms)?.rung;
}

/** Rungs on the screen, with the seconds since the start. */
function story({ player }: Simulation): string {
	return player.shown.map(({ atMs, rung }) => `${((atMs - START_MS) / 1000).toFixed(1)}:${rung}`).join(' ');
}

async function play(simulation: Simulation, ms: number): Promise<void> {
	await simulation.clock.advance(ms);
	simulation.player.stop();
	expect(simulation.player.failed).toBeUndefined();
}

describe('a ladder over a line', () => {
	const atMs = [20_000, 40_000] as const;
	// The step comes at any moment of a part and of a segment.
	it.each([0, 70, 130, 260, 500, 900, 1300, 1700])(
		'plays on when 8 Mbit/s become 1.5 and 8 again (%i ms later)',
		async (phaseMs) => {
			const isPoor = (ms: number): boolean => ms >= atMs[0] + phaseMs && ms < atMs[1] + phaseMs;
			const simulation = await simulate({ bpsAt: (ms) => (isPoor(ms) ? 1.5e6 : 8e6) * PAYLOAD_SHARE });
			await play(simulation, 65_000);
			const { player } = simulation;
			const [downMs, upMs] = atMs.map((ms) => START_MS + ms + phaseMs) as [number, number];
			expect(shownAt(player.shown, downMs), story(simulation)).toBe(0);
			expect(shownAt(player.shown, downMs + 1500), story(simulation)).toBeGreaterThan(0);
			// The rung that 1.5 Mbit/s carry.
			expect(shownAt(player.shown, upMs), story(simulation)).toBe(3);
			expect(shownAt(player.shown, upMs + 12_000), story(simulation)).toBe(0);
			expect(player.stalledMs(START_MS + 1000)).toBeLessThanOrEqual(1000);
			expect(player.latencyAt(upMs + 10_000)).toBeLessThanOrEqual(player.latencyAt(downMs) + 0.1);
		},
	);

	it.each(NEEDS_BPS.map((bps) => [Math.round(bps / 1000), bps] as const))(
		'stays calm with noise of a fifth around the %i kbit/s that a rung needs',
		async (_kbps, needBps) => {
			const random = seeded(needBps);
			const noise = Array.from({ length: 800 }, () => 1 + (random() * 2 - 1) * 0.2);
			const bpsAt = (ms: number): number => (needBps + 100_000) * noise[Math.floor(Math.max(0, ms) / 500)]!;
			const minutes = 6;
			const simulation = await simulate({ bpsAt, stepMs: 5, knownBps: needBps * 0.8 });
			await play(simulation, minutes * 60_000);
			expect((simulation.player.shown.length - 1) / minutes, story(simulation)).toBeLessThanOrEqual(2);
			const stalls = simulation.player.stalls.filter(({ atMs: stalledAtMs }) => stalledAtMs > START_MS + 3000);
			expect(stalls.filter(({ forMs }) => forMs >= 250)).toEqual([]);
		},
	);

	it.each([
		[20, 0],
		[8, 0],
		[5.2, 1],
		[3, 2],
		[1.2, 3],
		[0.6, 4],
	])('plays over %f Mbit/s the rung that fits, whatever it begins with', async (mbps, rung) => {
		const simulation = await simulate({ bpsAt: () => mbps * 1e6 });
		await play(simulation, 40_000);
		expect(shownAt(simulation.player.shown, Infinity), story(simulation)).toBe(rung);
		expect(simulation.player.stalledMs(START_MS + 5000)).toBe(0);
	});

	it('plays the sound without a gap over 0.35 Mbit/s, and the picture again when it fits', async () => {
		const simulation = await simulate({ bpsAt: (ms) => (ms < 60_000 ? 350_000 : 700_000) });
		await play(simulation, 90_000);
		const { player } = simulation;
		expect(shownAt(player.shown, START_MS + 20_000), story(simulation)).toBe(SOUND_ONLY);
		expect(shownAt(player.shown, Infinity), story(simulation)).toBe(4);
		expect(player.stalledMs(START_MS + 5000)).toBeLessThan(250);
	});

	it('falls to sound alone from the best picture, and shows it again', async () => {
		const isPoor = (ms: number): boolean => ms > 15_000 && ms < 45_000;
		const simulation = await simulate({ bpsAt: (ms) => (isPoor(ms) ? 250_000 : 10e6) });
		await play(simulation, 80_000);
		expect(shownAt(simulation.player.shown, START_MS + 15_000), story(simulation)).toBe(0);
		expect(shownAt(simulation.player.shown, START_MS + 25_000), story(simulation)).toBe(SOUND_ONLY);
		expect(shownAt(simulation.player.shown, Infinity), story(simulation)).toBe(0);
		// Afterwards the sound has no gap.
		expect(simulation.player.stalledMs(START_MS + 20_000)).toBeLessThan(50);
	});

	it('does not change for jitter of a good line', async () => {
		const random = seeded(3);
		// Now and then nothing comes for up to 150 ms.
		const gaps = Array.from({ length: 100 }, (_, at) => ({ atMs: at * 600 + random() * 300, forMs: random() * 150 }));
		const isGap = (ms: number): boolean => gaps.some(({ atMs: from, forMs }) => ms >= from && ms < from + forMs);
		const simulation = await simulate({ bpsAt: (ms) => (isGap(ms) ? 0 : 12e6), knownBps: 12e6 });
		await play(simulation, 60_000);
		expect(simulation.player.shown.map(({ rung }) => rung)).toEqual([1, 0]);
		expect(simulation.player.stalledMs(START_MS + 1000)).toBeLessThan(300);
	});

	it('recovers from bursts of losses', async () => {
		// Every ten seconds a connection waits for what was lost.
		const simulation = await simulate({ bpsAt: (ms) => (ms % 10_000 < 450 ? 50_000 : 12e6), knownBps: 12e6 });
		await play(simulation, 60_000);
		expect(simulation.player.stalledMs(START_MS + 1000)).toBeLessThan(6 * 400);
		expect(simulation.player.shown.length, story(simulation)).toBeLessThan(16);
	});

	it('starts as fast at any moment of a segment', async () => {
		const starts: number[] = [];
		for (let phase = 0; phase < 10; phase++) {
			const startMs = START_MS + phase * PART_SECONDS * 1000 + 50;
			const simulation = await simulate({ bpsAt: () => 4e6, startMs });
			await play(simulation, 3000);
			starts.push(simulation.player.firstPictureAtMs! - startMs);
		}
		// A key frame each second: with what follows it up to the edge, it is loaded before the picture is complete.
		expect(Math.max(...starts)).toBeLessThan(500);
	});

	it('begins with the rung for the line of the last time', async () => {
		for (const [knownBps, rung] of [
			[20e6, 0],
			// The source's key frames are further apart, so the picture comes sooner with a rung.
			[9e6, 1],
			[1.1e6, 3],
			[100_000, 4],
		] as const) {
			const simulation = await simulate({ bpsAt: () => 9e6, knownBps });
			await play(simulation, 2000);
			expect(simulation.player.shown[0]?.rung).toBe(rung);
		}
	});

	it('plays a channel with one rung over any line, without leaving it', async () => {
		const tracks = SIMULATED_TRACKS.filter(({ name }) => name === 'video2' || name.startsWith('audio'));
		const simulation = await simulate({ bpsAt: () => 800_000, tracks });
		await play(simulation, 20_000);
		expect(new Set(simulation.player.shown.map(({ rung }) => rung))).toEqual(new Set([0]));
	});
});
