/** Tests of pace-watch.ts. */
import { describe, expect, it } from 'vitest';
import { PaceWatch, paceText } from './pace-watch.ts';

/** Units each `stepMs` of real time, with times that go at `pace`. */
function watched(pace: number, durationMs: number, stepMs = 40): PaceWatch {
	const watch = new PaceWatch();
	for (let atMs = 0; atMs <= durationMs; atMs += stepMs) {
		watch.observe(5000 + atMs * pace, 70_000 + atMs);
	}
	return watch;
}

describe('PaceWatch', () => {
	it.each([0, 0.001, 0.5, 0.8, 1.25, 2, 30, 90])(
		'reports a pace of %s within half a minute, and keeps the report',
		(pace) => {
			for (const stepMs of [8, 40, 1000, 5000]) {
				expect(watched(pace, 10_000, stepMs).wrongPace).toBeUndefined();
				expect(watched(pace, 30_000, stepMs).wrongPace).toBeCloseTo(pace, 1);
				expect(watched(pace, 300_000, stepMs).wrongPaceAtEnd).toBeCloseTo(pace, 1);
			}
		},
	);

	it.each([0.9, 0.99, 1, 1.01, 1.1])('accepts a pace of %s', (pace) => {
		for (const stepMs of [8, 40, 1000, 5000]) {
			expect(watched(pace, 120_000, stepMs).wrongPace).toBeUndefined();
		}
	});

	it('ignores a line that is held up, a jump and a pause', () => {
		const watch = new PaceWatch();
		let [jumpMs, wrongCount] = [0, 0];
		for (let atMs = 0; atMs < 180_000; atMs += 20) {
			if (atMs === 60_000) {
				jumpMs = 3_600_000;
			}
			if (atMs === 100_000) {
				jumpMs = -100_000;
			}
			const isPaused = atMs > 130_000 && atMs < 155_000;
			const heldUpUntilMs = atMs > 20_000 && atMs < 28_000 ? 28_000 : atMs;
			if (!isPaused) {
				watch.observe(atMs + jumpMs, heldUpUntilMs);
				wrongCount += watch.wrongPace === undefined ? 0 : 1;
			}
		}
		expect(wrongCount).toBe(0);
	});

	it('reports a file that is sent at once, when it has ended', () => {
		const file = new PaceWatch();
		for (let atMs = 0; atMs < 24_000; atMs += 40) {
			file.observe(atMs, 1000 + atMs / 100);
		}
		expect(file.wrongPace).toBeUndefined();
		expect(file.wrongPaceAtEnd).toBeGreaterThan(50);
		expect(watched(1, 4000).wrongPaceAtEnd).toBeUndefined();
		expect(new PaceWatch().wrongPaceAtEnd).toBeUndefined();
	});

	it('clears the report when the pace is right', () => {
		const watch = watched(0.5, 30_000);
		for (let atMs = 0; atMs <= 20_000; atMs += 40) {
			watch.observe(20_000 + atMs, 100_000 + atMs);
		}
		expect(watch.wrongPace).toBeUndefined();
	});
});

describe('paceText', () => {
	it.each([
		[0, 'stand still'],
		[0.5, 'run slower than the clock'],
		[90, 'run faster than the clock'],
	])('describes %s as: %s', (pace, text) => {
		expect(paceText(pace)).toBe(text);
	});
});
