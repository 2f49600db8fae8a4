/** Tests of what one step of a track's times means. */
import { describe, expect, it } from 'vitest';
import { judgeStep, type Step } from './step-judge.ts';

const HOUR_MS = 3_600_000;

const judge = (step: Partial<Step> & { stepMs: number }): string =>
	judgeStep({
		cadenceMs: 33,
		elapsedMs: step.stepMs,
		earlyMs: 0,
		otherAheadMs: undefined,
		smallStepBackMs: 1000,
		...step,
	});

describe('judgeStep', () => {
	it.each([
		['a usual step', { stepMs: 33 }, 'continues'],
		['some lost pictures', { stepMs: 200 }, 'continues'],
		['no step at all', { stepMs: 0 }, 'smoothed'],
		['a small step back', { stepMs: -7 }, 'smoothed'],
		['a large step back', { stepMs: -1001 }, 'broken'],
		['an hour back', { stepMs: -HOUR_MS }, 'broken'],
		['a hole that arrivals confirm', { stepMs: 5000 }, 'paused'],
		['a hole of a day that arrivals confirm', { stepMs: 24 * HOUR_MS }, 'paused'],
		['a hole that the other track confirms', { stepMs: 5000, earlyMs: 5000, otherAheadMs: -20 }, 'paused'],
		['a jump that the other track did not make', { stepMs: 5000, earlyMs: 4967, otherAheadMs: -4900 }, 'broken'],
		['a jump that nothing confirms', { stepMs: HOUR_MS, elapsedMs: 33, earlyMs: HOUR_MS - 33 }, 'broken'],
		['a unit that is late, as after a line has stood still', { stepMs: 2000, elapsedMs: 0, earlyMs: -9000 }, 'paused'],
		['a pause somewhat longer by the encoder', { stepMs: 12_000, elapsedMs: 10_000, earlyMs: 2000 }, 'paused'],
		['no number', { stepMs: NaN }, 'broken'],
		['no end', { stepMs: Infinity }, 'broken'],
	])('classifies %s', (_name, step, verdict) => {
		expect(judge(step)).toBe(verdict);
	});

	it('measures by the track’s own cadence, from one picture in ten seconds to 120 a second', () => {
		for (const cadenceMs of [1000 / 120, 1000 / 60, 33, 200, 1000, 10_000]) {
			// A burst: only the cadence shows that these are usual.
			expect(judge({ stepMs: cadenceMs, cadenceMs, elapsedMs: 0, earlyMs: cadenceMs })).toBe('continues');
			expect(judge({ stepMs: cadenceMs * 1.4, cadenceMs, elapsedMs: 0, earlyMs: cadenceMs })).toBe('continues');
			expect(judge({ stepMs: HOUR_MS, cadenceMs, elapsedMs: cadenceMs, earlyMs: HOUR_MS })).toBe('broken');
		}
	});
});
