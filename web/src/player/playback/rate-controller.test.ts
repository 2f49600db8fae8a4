/** The rate controller against a simulated player, and the estimate of the live edge. */
import { describe, expect, it } from 'vitest';
import { LiveEdge, RateController } from './rate-controller.ts';

/** Plays for some seconds from a distance; returns the distance and rate of every tick of 100 ms. */
function simulate(controller: RateController, fromSeconds: number, durationSeconds: number) {
	let behindSeconds = fromSeconds;
	const ticks: { behindSeconds: number; rate: number }[] = [];
	for (let nowMs = 0; nowMs <= durationSeconds * 1000; nowMs += 100) {
		const { playbackRate, seekBySeconds } = controller.update({
			nowMs,
			behindEdgeSeconds: behindSeconds,
			// Too little for the jump at the start, which is not simulated here.
			bufferedAheadSeconds: Math.min(0.3, Math.max(0, behindSeconds - 0.2)),
		});
		behindSeconds -= seekBySeconds ?? (playbackRate - 1) * 0.1;
		ticks.push({ behindSeconds, rate: playbackRate });
	}
	return ticks;
}

describe('RateController', () => {
	it('catches up one second within 15 s on less than one second of buffer, and then plays at rate 1', () => {
		const ticks = simulate(new RateController(0.63), 1.63, 25);
		expect(ticks[0]!.rate).toBe(1.1);
		expect(ticks[150]!.behindSeconds).toBeLessThan(0.7);
		expect(ticks.at(-1)).toEqual({ behindSeconds: expect.closeTo(0.63, 1) as number, rate: 1 });
	});

	it('slows down when it is too near to the edge, never below 0.95', () => {
		const ticks = simulate(new RateController(0.63), 0.3, 20);
		expect(Math.min(...ticks.map((tick) => tick.rate))).toBe(0.95);
		expect(ticks.at(-1)!.behindSeconds).toBeGreaterThan(0.6);
	});

	it('arrives within three seconds while it is not watched', () => {
		const controller = new RateController(0.63);
		controller.isWatched = false;
		const ticks = simulate(controller, 1.13, 10);
		expect(ticks[0]!.rate).toBe(1.25);
		expect(ticks[30]!.behindSeconds).toBeLessThan(0.7);
		expect(ticks.at(-1)).toEqual({ behindSeconds: expect.closeTo(0.63, 1) as number, rate: 1 });
	});

	it('aligns with another playback until it is watched, but never nearer to live than the hold-back', () => {
		const controller = new RateController(0.63);
		controller.isWatched = false;
		controller.alignedDistanceSeconds = 0.4;
		expect(controller.targetSeconds).toBe(0.63);
		controller.alignedDistanceSeconds = 1.2;
		expect(simulate(controller, 0.63, 10).at(-1)!.behindSeconds).toBeCloseTo(1.2, 1);
		controller.isWatched = true;
		expect(controller.targetSeconds).toBe(0.63);
		controller.alignedDistanceSeconds = 1.2;
		expect(controller.targetSeconds).toBe(0.63);
	});

	it('does not jump once it is watched', () => {
		const controller = new RateController(0.63);
		controller.isWatched = false;
		controller.alignedDistanceSeconds = 1;
		const input = { behindEdgeSeconds: 1, bufferedAheadSeconds: 0.8 };
		expect(controller.update({ nowMs: 0, ...input })).toEqual({ playbackRate: 1, seekBySeconds: undefined });
		controller.isWatched = true;
		expect(controller.update({ nowMs: 400, ...input })).toEqual({ playbackRate: 1.1, seekBySeconds: undefined });
	});

	it('does not correct small errors', () => {
		expect(new Set(simulate(new RateController(0.63), 0.68, 5).map((tick) => tick.rate))).toEqual(new Set([1]));
	});

	it('jumps when more than 2 s late, and again only after 4 s', () => {
		const controller = new RateController(0.63);
		const input = { behindEdgeSeconds: 5, bufferedAheadSeconds: 3 };
		expect(controller.update({ nowMs: 0, ...input }).seekBySeconds).toBeCloseTo(4.37, 6);
		expect(controller.update({ nowMs: 100, ...input })).toEqual({ playbackRate: 1.1, seekBySeconds: undefined });
		expect(controller.update({ nowMs: 4100, ...input }).seekBySeconds).toBeCloseTo(4.37, 6);
	});

	it('jumps at the start when the buffer covers the jump', () => {
		const late = { nowMs: 0, behindEdgeSeconds: 1.03, bufferedAheadSeconds: 0.8 };
		expect(new RateController(0.63).update(late).seekBySeconds).toBeCloseTo(0.4, 6);
		expect(new RateController(0.63).update({ ...late, bufferedAheadSeconds: 0.5 }).seekBySeconds).toBeUndefined();
		expect(new RateController(0.63).update({ ...late, behindEdgeSeconds: 0.7 }).seekBySeconds).toBeUndefined();
	});

	it('jumps once, and only at the start, for less than 2 s', () => {
		const controller = new RateController(0.63);
		const late = { behindEdgeSeconds: 1.03, bufferedAheadSeconds: 0.8 };
		expect(controller.update({ nowMs: 0, ...late, bufferedAheadSeconds: 0.3 }).seekBySeconds).toBeUndefined();
		expect(controller.update({ nowMs: 2000, ...late }).seekBySeconds).toBeCloseTo(0.4, 6);
		expect(controller.update({ nowMs: 2100, ...late }).seekBySeconds).toBeUndefined();
		const settled = new RateController(0.63);
		settled.update({ nowMs: 0, ...late, behindEdgeSeconds: 0.63 });
		expect(settled.update({ nowMs: 2600, ...late }).seekBySeconds).toBeUndefined();
	});

	it('does not speed up into an empty buffer', () => {
		const decision = new RateController(0.63).update({ nowMs: 0, behindEdgeSeconds: 1.5, bufferedAheadSeconds: 0.05 });
		expect(decision.playbackRate).toBe(1);
	});

	it('keeps more distance after stalls, within bounds, and decays it', () => {
		const controller = new RateController(0.63);
		controller.update({ nowMs: 0, behindEdgeSeconds: 0.63, bufferedAheadSeconds: 0.4 });
		controller.stalled(1000);
		expect(controller.targetSeconds).toBeCloseTo(0.75, 6);
		controller.stalled(2000);
		expect(controller.targetSeconds).toBeCloseTo(0.75, 6);
		for (let count = 1; count <= 50; count++) {
			controller.stalled(1000 + count * 5000);
		}
		expect(controller.targetSeconds).toBeCloseTo(1.83, 6);
		controller.update({ nowMs: 300_000, behindEdgeSeconds: 0.63, bufferedAheadSeconds: 0.4 });
		expect(controller.targetSeconds).toBe(0.63);
	});
});

describe('LiveEdge', () => {
	it('is undefined before the first playlist', () => {
		expect(new LiveEdge().edgeSeconds(1000)).toBeUndefined();
	});

	it('advances between playlists, unaffected by a late one', () => {
		const edge = new LiveEdge();
		edge.add(1000, 10);
		edge.add(1210, 10.21);
		edge.add(1570, 10.42);
		expect(edge.edgeSeconds(1570)).toBeCloseTo(10.57, 6);
	});

	it('stops when playlists stop, so that a lost publisher does not make the player jump', () => {
		const edge = new LiveEdge();
		edge.add(1000, 10);
		expect(edge.edgeSeconds(60_000)).toBeCloseTo(11, 6);
	});

	it('drops old samples when the timeline jumps', () => {
		const edge = new LiveEdge();
		edge.add(1000, 500);
		edge.add(1200, 3);
		expect(edge.edgeSeconds(1200)).toBeCloseTo(3, 6);
	});

	it('follows to within half a second when the timeline lost a few seconds', () => {
		const edge = new LiveEdge();
		edge.add(1000, 10);
		edge.add(4000, 10.2);
		expect(edge.edgeSeconds(4000)).toBeCloseTo(10.7, 6);
	});
});
