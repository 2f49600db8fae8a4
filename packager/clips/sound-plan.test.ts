/** Any piece of sound covers its range, to the sample. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isContinuous, planSound } from './sound-plan.ts';

describe('planSound', () => {
	it('covers the range from its first to its last sample, with a frame before where there is one', () => {
		fc.assert(
			fc.property(
				fc.integer({ min: 1, max: 30 }),
				fc.nat(40_000),
				fc.integer({ min: 1, max: 20_000 }),
				(count, start, length) => {
					const frames = Array.from({ length: count }, (_, index) => ({
						startTicks: 5000 + index * 1024,
						durationTicks: 1024,
					}));
					const range = { startTicks: start + 0.25, endTicks: start + 0.25 + length };
					const plan = planSound(frames, range);
					if (plan === undefined) {
						expect(range.startTicks > 5000 + count * 1024 || range.endTicks <= 5000).toBe(true);
						return;
					}
					const own = plan.frames.findIndex(({ index }) => index !== undefined);
					const firstTicks = frames[plan.frames[own]!.index!]!.startTicks - own * 1024;
					expect(Math.abs(firstTicks + plan.startTicks - range.startTicks)).toBeLessThanOrEqual(0.5);
					const totalTicks = plan.frames.reduce((sum, { durationTicks }) => sum + durationTicks, 0);
					expect(plan.startTicks).toBeGreaterThanOrEqual(0);
					expect(firstTicks + totalTicks).toBeGreaterThanOrEqual(range.endTicks - 0.01);
					if (range.startTicks > 5000 + 1024 && own === 0 && plan.frames[0]!.index! > 0) {
						expect(plan.startTicks).toBeGreaterThanOrEqual(1024);
					}
				},
			),
		);
	});

	it('knows holes and overlaps of more than a millisecond', () => {
		const after = (startTicks: number): boolean =>
			isContinuous(
				[
					{ startTicks: 0, durationTicks: 1024 },
					{ startTicks, durationTicks: 1024 },
				],
				48_000,
			);
		expect([1024, 1072, 976, 1073, 975].map(after)).toEqual([true, true, true, false, false]);
	});
});
