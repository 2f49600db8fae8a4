/** Playback over simulated lines of all rates: the line delivers segments, the follower moves the playhead. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BufferFollower } from './buffer-follower.ts';

const TICK_SECONDS = 0.1;
const PART_SECONDS = 0.2;
const SEGMENT_SECONDS = 2;
const WINDOW_SECONDS = 60;
/** With this much ahead hls.js stops loading. */
const FULL_SECONDS = 12;

type Phase = { rate: number; seconds: number };

/**
 * Simulates one viewer. `rate`: media seconds that the line carries per second. While the line keeps up, parts count,
 * and a late playhead jumps to the edge, as with the rate controller; otherwise whole segments count.
 */
function watch(phases: readonly Phase[], begin: { isLineKnown?: boolean } = {}) {
	const follower = new BufferFollower();
	let [nowMs, edge, loaded, partly, playhead] = [0, 100, 99.9, 0, 99.3];
	let [jumps, standsFor, longestStand, playedFor, followedFor] = [0, 0, 0, 0, 0];
	let segmentBeganMs = 0;
	if (begin.isLineKnown === true) {
		loaded = playhead = newestSegment(edge);
		follower.begin(0);
	}
	const jumpTo = (seconds: number): void => {
		[playhead, loaded, partly, segmentBeganMs] = [seconds, seconds, 0, nowMs];
		jumps++;
	};
	const load = (mediaSeconds: number): void => {
		if (!follower.isFollowing) {
			partly += Math.min(mediaSeconds, edge - loaded - partly);
			while (partly >= PART_SECONDS) {
				partly -= PART_SECONDS;
				loaded += PART_SECONDS;
			}
			return;
		}
		if (loaded - playhead >= FULL_SECONDS || loaded + SEGMENT_SECONDS > edge) {
			[partly, segmentBeganMs] = [0, nowMs];
			return;
		}
		partly += mediaSeconds;
		if (partly >= SEGMENT_SECONDS) {
			partly -= SEGMENT_SECONDS;
			loaded += SEGMENT_SECONDS;
			follower.segmentLoaded(SEGMENT_SECONDS, Math.max(1, nowMs - segmentBeganMs));
			segmentBeganMs = nowMs;
		}
	};
	for (const { rate, seconds } of phases) {
		for (let tick = 0; tick < seconds / TICK_SECONDS - 1e-9; tick++) {
			nowMs += TICK_SECONDS * 1000;
			edge += TICK_SECONDS;
			load(rate * TICK_SECONDS);
			const wasFollowing = follower.isFollowing;
			const decision = follower.update({
				nowMs,
				behindEdgeSeconds: edge - playhead,
				bufferedAheadSeconds: Math.max(0, loaded - playhead),
				windowSeconds: WINDOW_SECONDS,
				hasStarted: true,
			});
			if (decision?.jumpsToEdge === true) {
				jumpTo(newestSegment(edge));
			} else if (wasFollowing && decision === undefined) {
				jumpTo(edge - 0.6);
			}
			if (!wasFollowing && follower.isFollowing) {
				[partly, segmentBeganMs] = [0, nowMs];
			}
			const before = playhead;
			playhead = Math.min(loaded, playhead + (decision?.playbackRate ?? 1) * TICK_SECONDS);
			const isMoving = playhead > before;
			playedFor += isMoving ? TICK_SECONDS : 0;
			followedFor += follower.isFollowing ? TICK_SECONDS : 0;
			standsFor = isMoving ? 0 : standsFor + TICK_SECONDS;
			longestStand = Math.max(longestStand, standsFor);
		}
	}
	const seconds = nowMs / 1000;
	const behind = edge - playhead;
	return {
		follower,
		jumps,
		longestStand,
		behind,
		playedShare: playedFor / seconds,
		followedShare: followedFor / seconds,
	};
}

/** The start of the newest complete segment. */
function newestSegment(edge: number): number {
	return Math.floor(edge / SEGMENT_SECONDS) * SEGMENT_SECONDS - SEGMENT_SECONDS;
}

describe('BufferFollower', () => {
	it('does not follow while the line keeps up, nor after one late part', () => {
		const { follower, followedShare } = watch([
			{ rate: 1, seconds: 20 },
			{ rate: 0.1, seconds: 1 },
			{ rate: 3, seconds: 20 },
		]);
		expect([follower.isFollowing, followedShare]).toEqual([false, 0]);
	});

	it.each([0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])('shows what a line of %f of the bit rate carries', (rate) => {
		const known = watch([{ rate, seconds: 300 }], { isLineKnown: true });
		const found = watch([{ rate, seconds: 300 }]);
		expect(known.follower.isFollowing).toBe(true);
		for (const { playedShare, longestStand } of [known, found]) {
			// A jump discards what is loading, and the last media that arrived are not played yet.
			expect(playedShare).toBeGreaterThan(rate - 0.06);
			// One segment, or the longest wait and a segment that just misses it.
			expect(longestStand).toBeLessThan(Math.max(SEGMENT_SECONDS / rate + 0.5, 6));
		}
	});

	it('shows a picture on a known poor line as soon as one segment is loaded', () => {
		expect(watch([{ rate: 0.6, seconds: 3.2 }], { isLineKnown: true }).playedShare).toBe(0);
		expect(watch([{ rate: 0.6, seconds: 5.4 }], { isLineKnown: true }).playedShare).toBeGreaterThan(0.35);
	});

	it.each([2, 4, 20])('ends when the line carries %f times the bit rate', (rate) => {
		const { follower, behind, longestStand } = watch([
			{ rate: 0.6, seconds: 40 },
			{ rate, seconds: 20 },
		]);
		expect(follower.isFollowing).toBe(false);
		expect(behind).toBeLessThan(1);
		expect(longestStand).toBeLessThan(6);
	});

	it('ends on a line that is just good enough when plenty is buffered', () => {
		const { follower } = watch([
			{ rate: 0.8, seconds: 40 },
			{ rate: 1.1, seconds: 120 },
		]);
		expect(follower.isFollowing).toBe(false);
	});

	it('needs more proof after each relapse', () => {
		const phases = Array.from({ length: 8 }, () => [
			{ rate: 0.5, seconds: 12 },
			{ rate: 2, seconds: 12 },
		]).flat();
		// Each return to the edge is a jump; without doubling, every round has one.
		expect(watch(phases).jumps).toBeLessThanOrEqual(4);
	});

	it('jumps nearer to the edge before the window ends', () => {
		const { jumps, behind } = watch([{ rate: 0.3, seconds: 120 }]);
		expect(jumps).toBeGreaterThan(0);
		expect(behind).toBeLessThan(WINDOW_SECONDS);
	});

	it('jumps earlier with a shorter playlist', () => {
		const follower = new BufferFollower();
		follower.begin(0);
		const at = { behindEdgeSeconds: 13, windowSeconds: 18, hasStarted: true };
		expect(follower.update({ ...at, nowMs: 100, bufferedAheadSeconds: 2 })?.jumpsToEdge).toBe(false);
		expect(follower.update({ ...at, nowMs: 200, bufferedAheadSeconds: 0 })?.jumpsToEdge).toBe(true);
	});

	it('does not wait for what the publisher has not sent', () => {
		const follower = new BufferFollower();
		for (let nowMs = 0; nowMs < 20_000; nowMs += 100) {
			const waiting = { nowMs, behindEdgeSeconds: 0.2, bufferedAheadSeconds: 0, hasStarted: true };
			expect(follower.update({ ...waiting, windowSeconds: WINDOW_SECONDS })).toBeUndefined();
		}
	});

	it('waits longer for the first buffer', () => {
		const follower = new BufferFollower();
		const loading = { behindEdgeSeconds: 3, bufferedAheadSeconds: 0, windowSeconds: WINDOW_SECONDS, hasStarted: false };
		for (let nowMs = 0; nowMs <= 5000; nowMs += 100) {
			expect(follower.update({ ...loading, nowMs })).toBeUndefined();
		}
		for (let nowMs = 5100; nowMs <= 6500; nowMs += 100) {
			follower.update({ ...loading, nowMs });
		}
		expect(follower.isFollowing).toBe(true);
	});

	it('never freezes for long, however the line changes', () => {
		const phase = fc.record({
			rate: fc.double({ min: 0.3, max: 3, noNaN: true }),
			seconds: fc.integer({ min: 1, max: 30 }),
		});
		fc.assert(
			fc.property(fc.array(phase, { minLength: 1, maxLength: 8 }), (phases) => {
				// The worst case: a return to the edge, 2 s until the relapse is detected, and a segment that takes 7 s.
				expect(watch(phases).longestStand).toBeLessThan(12);
			}),
			{ numRuns: 200 },
		);
	});
});
