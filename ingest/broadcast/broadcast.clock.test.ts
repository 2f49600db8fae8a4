/** Tests of a wall clock that is set while a broadcast runs: dates follow it, and no picture is lost. */
import { expect, it } from 'vitest';
import { BroadcastBench } from '../testing/broadcast-bench.ts';

it.each([
	['an hour forwards', 3_600_000],
	['an hour back', -3_600_000],
])('follows a clock that is set %s, from the next key frame on', async (_name, stepMs) => {
	const { bench, publisher } = await BroadcastBench.withPublisher();
	await publisher.run(8000);
	const before = bench.sink.runs.length;
	const startedAt = bench.broadcast.startedAt;
	bench.clock.setWallClock(stepMs);
	await publisher.run(8000);
	expect(bench.sink.runs.length).toBe(before + 1);
	expect(bench.broadcast.startedAt).toBe(startedAt + stepMs);
	// The new run has dates of the new time, and picture follows picture across the change.
	const units = bench.sink.unitsOf('video0');
	expect(Math.abs(bench.clock.nowMs() - units.at(-1)!.captureTimeMs)).toBeLessThan(500);
	const all = bench.sink.runs.flatMap((run) => bench.sink.unitsOf('video0', run));
	const steps = all.slice(1).map((unit, index) => unit.decodeTimeTicks - all[index]!.decodeTimeTicks);
	expect(Math.max(...steps)).toBeLessThan(2 * steps[10]!);
	expect(bench.broadcast.state).toBe('live');
});

it('begins no run when the clock is slewed', async () => {
	const { bench, publisher } = await BroadcastBench.withPublisher();
	await publisher.run(4000);
	const before = bench.sink.runs.length;
	bench.clock.setWallClock(300);
	await publisher.run(4000);
	expect(bench.sink.runs.length).toBe(before);
});
