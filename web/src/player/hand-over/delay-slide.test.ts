/** Slides against a model of Chromium's measured behaviour. */
import { describe, expect, it } from 'vitest';
import { DelaySlide, SLIDE_INTERVAL_MS, startDelayMs } from './delay-slide.ts';

/** Of a leg above its target; any constant does, because the clock is arbitrary. */
const OWN_LATENCY_MS = 12_345;

/** The picture follows its target at once; the sound slides towards its own by 45 ms a second. */
class ModelLeg {
	pictureMs: number;
	soundMs: number;
	/** How long the picture is held back by late sound. */
	heldMs = 0;
	#appliedMs: number;

	constructor(delayMs: number) {
		this.pictureMs = delayMs;
		this.soundMs = delayMs;
		this.#appliedMs = delayMs;
	}

	against(aimMs: number) {
		return {
			pictureAheadMs: aimMs - this.pictureMs,
			soundAheadMs: aimMs - this.soundMs,
			latencyMs: this.pictureMs + OWN_LATENCY_MS,
		};
	}

	/** The next step sees the picture at the target of the step before. */
	apply(target: { pictureMs: number; soundMs: number }): void {
		this.pictureMs = this.#appliedMs + this.heldMs;
		this.#appliedMs = target.pictureMs;
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
		// After a pause of ten seconds: more than a receiver accepts.
		[10_700, 660],
	])('for LL-HLS of %s ms is %d ms', (latencyMs, delayMs) => {
		expect(startDelayMs(latencyMs)).toBe(delayMs);
	});
});

describe('DelaySlide', () => {
	it('leads a watched picture back to LL-HLS in step with its sound, by at most 15 ms at a time', () => {
		const slide = new DelaySlide(0);
		const leg = new ModelLeg(0);
		const aimMs = 900;
		let steps = 0;
		let worstSkewMs = 0;
		let previousMs = 0;
		while ((aimMs - leg.pictureMs > 40 || aimMs - leg.soundMs > 60) && steps < 300) {
			leg.apply(slide.lead(leg.against(aimMs)));
			expect(Math.abs(leg.pictureMs - previousMs)).toBeLessThanOrEqual(15);
			previousMs = leg.pictureMs;
			worstSkewMs = Math.max(worstSkewMs, Math.abs(leg.pictureMs - leg.soundMs));
			steps++;
		}
		expect((steps * SLIDE_INTERVAL_MS) / 1000).toBeLessThan(25);
		expect(worstSkewMs).toBeLessThanOrEqual(60);
	});

	it('does not follow a picture that is held back by late sound', () => {
		const slide = new DelaySlide(0);
		const leg = new ModelLeg(0);
		const aimMs = 600;
		const targets: number[] = [];
		for (let step = 0; step < 150; step++) {
			// The machine is too busy for ten seconds.
			leg.heldMs = step >= 25 && step < 75 ? 500 : 0;
			if (step === 25) {
				leg.soundMs += 500;
			}
			const target = slide.lead(leg.against(aimMs));
			targets.push(target.soundMs);
			leg.apply(target);
		}
		expect(Math.min(...targets)).toBeGreaterThan(aimMs - 20);
		expect(Math.max(...targets)).toBeLessThan(aimMs + 20);
		expect([leg.pictureMs, leg.soundMs]).toEqual([expect.closeTo(aimMs, -1.5), expect.closeTo(aimMs, -1.5)]);
	});

	it('leads on from where it is when it has not returned to live', () => {
		const slide = new DelaySlide(600);
		const leg = new ModelLeg(600);
		while (slide.target.pictureMs > 200) {
			leg.apply(slide.relax(0));
		}
		for (let step = 0; step < 60; step++) {
			leg.apply(slide.lead(leg.against(600)));
		}
		expect(slide.target).toEqual({ pictureMs: expect.closeTo(600, -1.5), soundMs: expect.closeTo(600, -1.5) });
	});

	it('relaxes to live', () => {
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

	it('leads the picture without sound', () => {
		const slide = new DelaySlide(0);
		expect(slide.lead({ pictureAheadMs: 500, soundAheadMs: undefined, latencyMs: 40 }).pictureMs).toBe(15);
		expect(slide.lead({ pictureAheadMs: -10, soundAheadMs: undefined, latencyMs: 55 }).pictureMs).toBe(5);
	});

	it('jumps while hidden, unless it is near already, and within what browsers accept', () => {
		const slide = new DelaySlide(860);
		expect(slide.jump({ pictureAheadMs: 10, soundAheadMs: undefined }).pictureMs).toBe(860);
		expect(slide.jump({ pictureAheadMs: -100, soundAheadMs: undefined })).toEqual({ pictureMs: 760, soundMs: 760 });
		expect(slide.jump({ pictureAheadMs: 9000, soundAheadMs: 0 }).pictureMs).toBe(4000);
		expect(new DelaySlide(-50).target.pictureMs).toBe(0);
	});
});

describe('the sound alone', () => {
	it.each([
		['at rest', 700, 700, 1200],
		['far above its target, on its way back to live', 0, 500, 1100],
		['below its target', 800, 300, 500],
	])('%s gets to its aim, and stays there', (_where, targetMs, soundMs, aimMs) => {
		const [slide, leg] = [new DelaySlide(targetMs), new ModelLeg(targetMs)];
		leg.soundMs = soundMs;
		const errors: number[] = [];
		for (let nowMs = 0; nowMs < 60_000; nowMs += SLIDE_INTERVAL_MS) {
			const aheadMs = aimMs - leg.soundMs;
			leg.apply(slide.creep({ aheadMs, latencyMs: leg.soundMs + OWN_LATENCY_MS, nowMs }));
			errors.push(Math.abs(aimMs - leg.soundMs));
		}
		expect(Math.max(...errors.slice(-30_000 / SLIDE_INTERVAL_MS))).toBeLessThan(20);
	});
});
