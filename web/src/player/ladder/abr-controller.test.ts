/** The choices that do not depend on a line: the viewer, the screen, and the channel. Lines: abr-lines.test.ts. */
import { describe, expect, it } from 'vitest';
import { AbrController } from './abr-controller.ts';

const RUNGS = [6_000_000, 3_000_000, 1_000_000, 300_000].map((bandwidthBps) => ({ bandwidthBps }));
const LADDER = { rungs: RUNGS, hasSoundOnly: true };
const SOUND_ONLY = 4;

function setUp(options: { ladder?: typeof LADDER; knownBps?: number | undefined } = {}) {
	const { ladder, knownBps } = { ladder: LADDER, knownBps: 50e6, ...options };
	const controller = new AbrController(ladder, { startedAtMs: 0, knownBps });
	let nowMs = 0;
	/** The next part of a line that carries everything, one each 0.2 s. */
	function next(isSegmentStart = nowMs % 2000 < 200): number {
		nowMs += 200;
		controller.transferred({ startMs: nowMs - 100, endMs: nowMs - 70, bytes: 150_000 });
		return controller.next({ nowMs, isSegmentStart, bufferedAheadSeconds: 0.5 }).rung;
	}
	function play(ms: number): number {
		for (let untilMs = nowMs + ms; nowMs < untilMs;) {
			next();
		}
		return controller.rung;
	}
	return { controller, next, play, now: () => nowMs };
}

describe('AbrController', () => {
	it.each([
		[undefined, 2],
		[50e6, 0],
		// The source's key frames are two seconds apart, those of rungs one.
		[10e6, 1],
		[1e6, 3],
		[1000, 3],
	])('begins over a line of %f with rung %i', (knownBps, rung) => {
		expect(setUp({ knownBps }).controller.rung).toBe(rung);
	});

	it('plays what the viewer chooses: worse at once, better from the next segment on', () => {
		const { controller, next } = setUp();
		controller.choose(3);
		expect(next(false)).toBe(3);
		controller.choose(1);
		expect(next(false)).toBe(3);
		expect(next(true)).toBe(1);
		controller.choose(SOUND_ONLY);
		expect(next(false)).toBe(SOUND_ONLY);
		controller.choose(2);
		expect(next(false)).toBe(2);
	});

	it('does not leave the choice of a viewer, whatever the line carries', () => {
		const { controller } = setUp();
		controller.choose(0);
		const part = { rung: 0, durationSeconds: 0.2, bufferedAheadSeconds: 0 };
		const loading = { ...part, nowMs: 9000, requestedAtMs: 0, firstByteAtMs: 10, loadedBytes: 10, lineBytes: 10 };
		expect(controller.whileLoading({ ...loading, totalBytes: 150_000 })).toBeUndefined();
		for (let nowMs = 0; nowMs < 5000; nowMs += 500) {
			controller.loaded({ ...part, nowMs, bytes: 150_000, tookMs: 500 });
		}
		expect(controller.next({ nowMs: 5000, isSegmentStart: true, bufferedAheadSeconds: 0 }).rung).toBe(0);
	});

	it('shows no more than the screen does, and more when it becomes larger', () => {
		const { controller, next, play } = setUp();
		controller.setCeiling(2);
		expect(next(false)).toBe(0);
		expect(next(true)).toBe(2);
		expect(controller.isAtBest).toBe(true);
		expect(play(10_000)).toBe(2);
		controller.setCeiling(0);
		expect(controller.isAtBest).toBe(false);
		// What the line carries is known.
		expect(play(4000)).toBe(0);
	});

	it('plays the lowest rung on a hidden page, later the sound only, and returns to what was shown', () => {
		const { controller, next, play, now } = setUp();
		controller.setHidden(now(), true);
		expect(next(false)).toBe(3);
		expect(play(50_000)).toBe(3);
		expect(play(15_000)).toBe(SOUND_ONLY);
		controller.setHidden(now(), false);
		expect(next(false)).toBe(0);
	});

	it('returns to what was shown from the next segment on, where a picture plays', () => {
		const { controller, next, now } = setUp();
		controller.setHidden(now(), true);
		expect(next(false)).toBe(3);
		controller.setHidden(now(), false);
		expect(next(false)).toBe(3);
		expect(next(true)).toBe(0);
	});

	it('has no sound alone in a channel without sound, or with one picture', () => {
		for (const ladder of [
			{ rungs: RUNGS, hasSoundOnly: false },
			{ rungs: RUNGS.slice(0, 1), hasSoundOnly: true },
		]) {
			const { controller, play, now } = setUp({ ladder });
			controller.setHidden(now(), true);
			expect(play(80_000)).toBe(ladder.rungs.length - 1);
			expect(controller.isAtWorst).toBe(true);
		}
	});

	it('begins with the lowest picture over a poor line, unless another one was chosen', () => {
		const { controller } = setUp();
		const before = controller.rung;
		controller.choose(0);
		controller.expectPoorLine();
		expect(controller.rung).toBe(before);
		controller.choose(undefined);
		controller.expectPoorLine();
		expect(controller.rung).toBe(RUNGS.length - 1);
	});

	it('continues with the same picture when the ladder changes', () => {
		const { controller, next } = setUp();
		controller.setLadder({ rungs: RUNGS.slice(2), hasSoundOnly: true }, 1);
		expect(controller.rung).toBe(1);
		expect(next(false)).toBe(1);
		controller.setLadder({ rungs: RUNGS.slice(3), hasSoundOnly: true }, 3);
		expect(controller.rung).toBe(0);
	});

	it('uses another rung when one has no media, and does not try it again at once', () => {
		const { controller, play, now } = setUp();
		controller.failed(now(), 0, 1);
		expect(controller.rung).toBe(1);
		controller.failed(now(), 0, 2);
		expect(controller.rung).toBe(1);
		expect(play(8000)).toBe(1);
		expect(play(6000)).toBe(0);
	});

	it('takes a measurement of the server for its own', () => {
		const { controller, now } = setUp();
		controller.measured(now(), 2_000_000);
		expect(controller.estimateBps(now())).toBe(2_000_000);
	});
});
