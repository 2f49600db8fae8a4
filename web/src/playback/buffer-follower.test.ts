/** Playing over lines of every width: a simulated download feeds the buffer, the follower moves the playhead. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BufferFollower } from './buffer-follower.ts';

const TICK_SECONDS = 0.1;

/** Media seconds downloaded per second, for so long; `starts` counts how often the playhead began to move. */
function watch(phases: ReadonlyArray<{ rate: number; seconds: number }>) {
	const follower = new BufferFollower();
	let [nowMs, edge, loaded, playhead, starts, jumps, longestDrySeconds, drySeconds] = [0, 10, 10, 9.3, 0, 0, 0, 0];
	let wasMoving = true;
	for (const { rate, seconds } of phases) {
		for (let tick = 0; tick < seconds / TICK_SECONDS; tick++) {
			nowMs += TICK_SECONDS * 1000;
			edge += TICK_SECONDS;
			loaded = Math.min(edge, loaded + rate * TICK_SECONDS);
			const decision = follower.update({
				nowMs,
				behindEdgeSeconds: edge - playhead,
				bufferedAheadSeconds: Math.max(0, loaded - playhead),
				hasStarted: true,
			});
			if (decision?.jumpsToEdge === true) {
				jumps++;
				playhead = loaded = edge - 1;
			}
			const before = playhead;
			playhead = Math.min(loaded, playhead + (decision?.playbackRate ?? 1) * TICK_SECONDS);
			const isMoving = playhead > before;
			starts += isMoving && !wasMoving ? 1 : 0;
			drySeconds = isMoving ? 0 : drySeconds + TICK_SECONDS;
			longestDrySeconds = Math.max(longestDrySeconds, drySeconds);
			wasMoving = isMoving;
		}
	}
	return { follower, starts, jumps, longestDrySeconds, behindSeconds: edge - playhead };
}

describe('BufferFollower', () => {
	it('keeps out of it while the line keeps up, and for one late part', () => {
		const { follower } = watch([
			{ rate: 1, seconds: 20 },
			{ rate: 0.1, seconds: 1 },
			{ rate: 3, seconds: 20 },
		]);
		expect(follower.isFollowing).toBe(false);
	});

	it('plays some seconds at a time and falls behind, instead of stopping with every part', () => {
		const { follower, starts, behindSeconds } = watch([{ rate: 0.6, seconds: 60 }]);
		expect(follower.isFollowing).toBe(true);
		expect(behindSeconds).toBeGreaterThan(15);
		// Of the 24 s without media, none stops it for less than some seconds.
		expect(starts).toBeLessThanOrEqual(12);
	});

	it('ends when the line keeps up again', () => {
		const { follower } = watch([
			{ rate: 0.6, seconds: 30 },
			{ rate: 4, seconds: 20 },
		]);
		expect(follower.isFollowing).toBe(false);
	});

	it('begins anew nearer to the edge before the window ends', () => {
		expect(watch([{ rate: 0.3, seconds: 120 }]).jumps).toBeGreaterThan(0);
	});

	it('does not wait for what the publisher has not sent', () => {
		const follower = new BufferFollower();
		for (let nowMs = 0; nowMs < 20_000; nowMs += 100) {
			const waiting = { nowMs, behindEdgeSeconds: 0.2, bufferedAheadSeconds: 0, hasStarted: true };
			expect(follower.update(waiting)).toBeUndefined();
		}
	});

	it('is patient with the first buffer', () => {
		const follower = new BufferFollower();
		const loading = { behindEdgeSeconds: 3, bufferedAheadSeconds: 0, hasStarted: false };
		for (let nowMs = 0; nowMs <= 5000; nowMs += 100) {
			expect(follower.update({ ...loading, nowMs })).toBeUndefined();
		}
		for (let nowMs = 5100; nowMs <= 6500; nowMs += 100) {
			follower.update({ ...loading, nowMs });
		}
		expect(follower.isFollowing).toBe(true);
	});

	it('never waits for ever, whatever the line brings', () => {
		fc.assert(
			fc.property(
				fc.array(
					fc.record({ rate: fc.double({ min: 0.2, max: 3, noNaN: true }), seconds: fc.integer({ min: 1, max: 30 }) }),
					{
						minLength: 1,
						maxLength: 6,
					},
				),
				(phases) => {
					// 6 s of media at a fifth of the rate take 30 s, 2 s after a jump another 10, and too poor is judged by the last 10 s.
					expect(watch(phases).longestDrySeconds).toBeLessThan(55);
				},
			),
			{ numRuns: 100 },
		);
	});
});
