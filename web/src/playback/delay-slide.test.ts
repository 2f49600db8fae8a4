/** Sliding plans, against a model of what Chromium was seen to do. */
import { describe, expect, it } from 'vitest';
import { DelaySlide, SLIDE_INTERVAL_MS, startDelayMs } from './delay-slide.ts';

/** The picture obeys at once; the sound creeps by 45 ms a second, towards its own target. */
class ModelLeg {
	pictureMs: number;
	soundMs: number;

	constructor(delayMs: number) {
		this.pictureMs = delayMs;
		this.soundMs = delayMs;
	}

	apply(target: { pictureMs: number; soundMs: number }): void {
		this.pictureMs = target.pictureMs;
		const step = (45 * SLIDE_INTERVAL_MS) / 1000;
		this.soundMs += Math.max(-step, Math.min(step, target.soundMs - this.soundMs));
	}
}

describe('startDelayMs', () => {
	it.each([
		[700, 660],
		[20, 0],
		[4040, 4000],
		[undefined, 660],
		// After a pause of ten seconds; a receiver would refuse the target.
		[10_700, 660],
	])('for LL-HLS of %s ms is %d ms', (latencyMs, delayMs) => {
		expect(startDelayMs(latencyMs)).toBe(delayMs);
	});
});

describe('DelaySlide', () => {
	it('leads a watched picture back to LL-HLS beside its sound, in steps that are not seen', () => {
		const slide = new DelaySlide(0);
		const leg = new ModelLeg(0);
		const aimMs = 900;
		let steps = 0;
		let worstSkewMs = 0;
		let previousMs = 0;
		while ((aimMs - leg.pictureMs > 40 || aimMs - leg.soundMs > 60) && steps < 300) {
			leg.apply(slide.lead({ pictureAheadMs: aimMs - leg.pictureMs, soundAheadMs: aimMs - leg.soundMs }));
			expect(Math.abs(leg.pictureMs - previousMs)).toBeLessThanOrEqual(15);
			previousMs = leg.pictureMs;
			worstSkewMs = Math.max(worstSkewMs, Math.abs(leg.pictureMs - leg.soundMs));
			steps++;
		}
		expect((steps * SLIDE_INTERVAL_MS) / 1000).toBeLessThan(25);
		expect(worstSkewMs).toBeLessThanOrEqual(60);
	});

	it('relaxes to live and then says so', () => {
		const slide = new DelaySlide(900);
		const leg = new ModelLeg(900);
		let steps = 0;
		while (!slide.isRelaxed && steps < 400) {
			leg.apply(slide.relax(leg.soundMs - leg.pictureMs));
			expect(leg.soundMs - leg.pictureMs).toBeLessThanOrEqual(130);
			steps++;
		}
		expect(slide.isRelaxed).toBe(true);
		expect(slide.target).toEqual({ pictureMs: 0, soundMs: 0 });
	});

	it('goes its own way without sound', () => {
		const slide = new DelaySlide(0);
		expect(slide.lead({ pictureAheadMs: 500, soundAheadMs: undefined }).pictureMs).toBe(15);
		expect(slide.lead({ pictureAheadMs: -10, soundAheadMs: undefined }).pictureMs).toBe(5);
	});

	it('jumps while nobody sees it, unless it is near already, and within what browsers accept', () => {
		const slide = new DelaySlide(860);
		expect(slide.jump({ pictureAheadMs: 10, soundAheadMs: undefined }).pictureMs).toBe(860);
		expect(slide.jump({ pictureAheadMs: -100, soundAheadMs: undefined })).toEqual({ pictureMs: 760, soundMs: 760 });
		expect(slide.jump({ pictureAheadMs: 9000, soundAheadMs: 0 }).pictureMs).toBe(4000);
		expect(new DelaySlide(-50).target.pictureMs).toBe(0);
	});
});
