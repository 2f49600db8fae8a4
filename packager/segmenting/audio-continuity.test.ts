/** Audio stays gapless over jitter, drift, holes and repeats. */
import { describe, expect, it } from 'vitest';
import { planAudioFrame } from './audio-continuity.ts';

const place = (errorTicks: number): Parameters<typeof planAudioFrame>[0] => ({
	expectedTicks: 100_000,
	sourceTicks: 100_000 + errorTicks,
	frameTicks: 1024,
	sampleRate: 48_000,
});

describe('planAudioFrame', () => {
	it.each([
		[0, { kind: 'keep', durationTicks: 1024 }],
		[48, { kind: 'keep', durationTicks: 1024 }],
		[-144, { kind: 'keep', durationTicks: 1024 }],
		[500, { kind: 'keep', durationTicks: 1026 }],
		[-500, { kind: 'keep', durationTicks: 1022 }],
		[1500, { kind: 'keep', durationTicks: 1040 }],
		[-1500, { kind: 'keep', durationTicks: 1008 }],
		[2048, { kind: 'fill', frameCount: 2 }],
		[48_000, { kind: 'fill', frameCount: 47 }],
		[-2048, { kind: 'drop' }],
	])('for a frame %d ticks off: %j', (errorTicks, plan) => {
		expect(planAudioFrame(place(errorTicks))).toEqual(plan);
	});

	it('follows a clock that is 0.05 % fast for an hour without a hole', () => {
		let expectedTicks = 0;
		let worstTicks = 0;
		for (let index = 0; index < 3600 * 47; index++) {
			const sourceTicks = Math.round(index * 1024 * 1.0005);
			const plan = planAudioFrame({ expectedTicks, sourceTicks, frameTicks: 1024, sampleRate: 48_000 });
			if (plan.kind !== 'keep') {
				throw new Error(`${plan.kind} at frame ${index}`);
			}
			expectedTicks += plan.durationTicks;
			worstTicks = Math.max(worstTicks, Math.abs(sourceTicks - expectedTicks));
		}
		expect(worstTicks).toBeLessThan(1300);
	});
});
