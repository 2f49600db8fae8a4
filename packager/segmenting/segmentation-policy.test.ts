/** Proves the part and segment rules over frame rates, jitter and hostile timing. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { VIDEO_CLOCK_RATE } from '../../core/units.ts';
import { SegmentationPolicy, type SegmentationStep } from './segmentation-policy.ts';
import { seededRandom, simulateRun } from '../testing/simulated-source.ts';

type CutPart = {
	startTicks: number;
	durationTicks: number;
	frameCount: number;
	isGap: boolean;
	isIndependent: boolean;
};
type CutSegment = { parts: CutPart[]; isForced: boolean; startsIndependent: boolean };
type Frame = { ticks: number; isKeyFrame: boolean };

// expect() is too slow to be called for every step of an hour.
function mustBe(actual: unknown, expected: unknown): void {
	if (actual !== expected) {
		throw new Error(`got ${String(actual)} instead of ${String(expected)}`);
	}
}

/** Carries out steps as the assembler does, and checks that their order makes sense. */
class Cutter {
	readonly segments: CutSegment[] = [];
	readonly starts: number[] = [];
	#parts: CutPart[] = [];
	#part: CutPart | undefined;
	#openSampleTicks: number | undefined;
	#cursorTicks: number | undefined;

	apply(steps: readonly SegmentationStep[], isKeyFrame: boolean): void {
		for (const step of steps) {
			if (step.kind === 'start-sample') {
				mustBe(this.#openSampleTicks, undefined);
				// Continuous to the tick (L-33).
				mustBe(step.startTicks, this.#cursorTicks ?? step.startTicks);
				this.#openSampleTicks = step.startTicks;
				this.starts.push(step.startTicks);
				this.#part ??= {
					startTicks: step.startTicks,
					durationTicks: 0,
					frameCount: 0,
					isGap: false,
					isIndependent: false,
				};
				this.#part.frameCount++;
				this.#part.isIndependent ||= isKeyFrame;
			} else if (step.kind === 'finish-sample') {
				mustBe(step.durationTicks > 0 && Number.isInteger(step.durationTicks), true);
				this.#cursorTicks = this.#openSampleTicks! + step.durationTicks;
				this.#openSampleTicks = undefined;
				this.#part!.durationTicks += step.durationTicks;
			} else if (step.kind === 'finish-part') {
				mustBe(this.#openSampleTicks, undefined);
				const part = this.#part!;
				if (step.durationTicks !== undefined) {
					this.#cursorTicks! -= part.durationTicks - step.durationTicks;
					part.durationTicks = step.durationTicks;
				}
				this.#parts.push(part);
				this.#part = undefined;
			} else if (step.kind === 'hold-part' || step.kind === 'gap-part') {
				const isGap = step.kind === 'gap-part';
				mustBe(step.startTicks, isGap ? (this.#cursorTicks ?? step.startTicks) : this.#cursorTicks);
				this.#parts.push({ ...step, frameCount: 0, isGap, isIndependent: false });
				this.#cursorTicks = step.startTicks + step.durationTicks;
			} else {
				mustBe(this.#part, undefined);
				this.segments.push({
					parts: this.#parts,
					isForced: step.isForced,
					startsIndependent: this.#parts[0]!.isIndependent,
				});
				this.#parts = [];
			}
		}
	}
}

function cut(frames: readonly Frame[], timescale = VIDEO_CLOCK_RATE): CutSegment[] {
	const policy = new SegmentationPolicy(timescale);
	const cutter = new Cutter();
	for (const frame of frames) {
		cutter.apply(policy.addFrame(frame.ticks, frame.isKeyFrame), frame.isKeyFrame);
	}
	cutter.apply(policy.flush(), false);
	return cutter.segments;
}

function cutRun(
	video: NonNullable<Parameters<typeof simulateRun>[0]['video']>,
	seed: number,
	durationSeconds = 20,
): CutSegment[] {
	const units = simulateRun({ startSeconds: 100, durationSeconds, video, random: seededRandom(seed) });
	return cut(units.map((unit) => ({ ticks: unit.decodeTimeTicks, isKeyFrame: unit.isKeyFrame })));
}

function ruleFaults(segments: readonly CutSegment[], timescale = VIDEO_CLOCK_RATE): string[] {
	const faults: string[] = [];
	for (const [number, segment] of segments.entries()) {
		const seconds = segment.parts.reduce((sum, part) => sum + part.durationTicks, 0) / timescale;
		if (Math.round(seconds) > 3) {
			faults.push(`L-1 segment ${number} lasts ${seconds} s`);
		}
		segment.parts.forEach((part, index) => {
			const partSeconds = part.durationTicks / timescale;
			const isExcepted =
				part.isIndependent || part.isGap || index === segment.parts.length - 1 || segment.parts[index + 1]!.isGap;
			if (partSeconds > 0.21) {
				faults.push(`L-9 part ${number}.${index} lasts ${partSeconds} s`);
			}
			if (!isExcepted && partSeconds < 0.1785) {
				faults.push(`L-10 part ${number}.${index} lasts ${partSeconds} s`);
			}
		});
	}
	return faults;
}

const FRAME_RATES = [15, 20, 24_000 / 1001, 24, 25, 30_000 / 1001, 30, 50, 60] as const;

describe('SegmentationPolicy with video', () => {
	it.each(FRAME_RATES)(
		'keeps L-1, L-9 and L-10 at %f frames a second in whole milliseconds, for any GOP',
		(frameRate) => {
			fc.assert(
				fc.property(fc.integer(), fc.double({ min: 0.3, max: 2.5, noNaN: true }), (seed, gopSeconds) => {
					const gopFrames = Math.max(1, Math.floor(gopSeconds * frameRate));
					const segments = cutRun({ frameRate, gopFrames, jitterMs: 1, isMilliseconds: true }, seed);
					expect(ruleFaults(segments)).toEqual([]);
					expect(segments.every((segment) => segment.startsIndependent && !segment.isForced)).toBe(true);
				}),
				{ numRuns: 15 },
			);
		},
	);

	it.each(FRAME_RATES)(
		'keeps L-9 and L-10 at %f frames a second when capture times jitter by a third of a frame',
		(frameRate) => {
			fc.assert(
				fc.property(fc.integer(), (seed) => {
					const segments = cutRun({ frameRate, gopFrames: Math.round(2 * frameRate), jitterMs: 333 / frameRate }, seed);
					expect(ruleFaults(segments)).toEqual([]);
				}),
				{ numRuns: 15 },
			);
		},
	);

	it('cuts 30 frames a second into parts of six frames and segments of one GOP', () => {
		const segments = cutRun({ frameRate: 30, gopFrames: 60, isMilliseconds: true }, 1, 6);
		expect(segments.map((segment) => segment.parts.map((part) => part.frameCount))).toEqual([
			[6, 6, 6, 6, 6, 6, 6, 6, 6, 6],
			[6, 6, 6, 6, 6, 6, 6, 6, 6, 6],
			[6, 6, 6, 6, 6, 6, 6, 6, 6, 6],
		]);
	});

	it('publishes a part with its last frame, not with the next one', () => {
		const policy = new SegmentationPolicy(VIDEO_CLOCK_RATE);
		const kinds: string[][] = [];
		for (let index = 0; index < 12; index++) {
			kinds.push(policy.addFrame(Math.round(index * 33.333) * 90, index === 0).map((step) => step.kind));
		}
		expect(kinds[4]).toEqual(['finish-sample', 'start-sample']);
		expect(kinds[5]).toEqual(['finish-sample', 'start-sample', 'finish-sample', 'finish-part']);
		expect(kinds[6]).toEqual(['start-sample']);
		expect(kinds[11]).toEqual(['finish-sample', 'start-sample', 'finish-sample', 'finish-part']);
	});

	it('never lets predictions add up: frames stay within a frame of their own times for an hour of RTMP', () => {
		const policy = new SegmentationPolicy(VIDEO_CLOCK_RATE);
		const cutter = new Cutter();
		let worstTicks = 0;
		for (let index = 0; index < 30 * 3600; index++) {
			const ticks = Math.round((index * 1001) / 30) * 90;
			const steps = policy.addFrame(ticks, index % 60 === 0);
			const start = steps.find((step) => step.kind === 'start-sample')!;
			worstTicks = Math.max(worstTicks, Math.abs(start.startTicks - ticks));
			cutter.apply(steps, index % 60 === 0);
		}
		expect(worstTicks).toBeLessThanOrEqual(3 * 90);
	});

	it.each([
		[0.5, 2],
		[1, 2],
		[1.2, 2.4],
		[1.5, 1.5],
		[1.9, 1.9],
		[2.5, 2.5],
	])('ends segments at the key frame nearest to 2 s: GOP %f s → %f s', (gopSeconds, segmentSeconds) => {
		const segments = cutRun({ frameRate: 50, gopFrames: Math.round(gopSeconds * 50) }, 1, 30);
		// The first cut knows only one GOP; from the third segment on all are alike.
		const lengths = segments
			.slice(2, -1)
			.map((segment) => segment.parts.reduce((sum, part) => sum + part.durationTicks, 0));
		expect(new Set(lengths.map((ticks) => Math.round((ticks / VIDEO_CLOCK_RATE) * 100) / 100))).toEqual(
			new Set([segmentSeconds]),
		);
	});

	it('cuts without a key frame, and marks the cut, before 3.45 s pass', () => {
		const segments = cutRun({ frameRate: 30, gopFrames: 300 }, 1, 20);
		expect(ruleFaults(segments)).toEqual([]);
		expect(segments.some((segment) => segment.isForced)).toBe(true);
		expect(segments.map((segment) => segment.startsIndependent).slice(0, 3)).toEqual([true, false, false]);
	});

	it('spreads the frames after a short pause over it, without a gap', () => {
		const frames = [0, 33, 66, 100, 133, 166, 566, 600, 633, 666, 700, 733, 766, 800].map((ms) => ({
			ticks: ms * 90,
			isKeyFrame: ms === 0,
		}));
		const segments = cut(frames);
		expect(ruleFaults(segments)).toEqual([]);
		expect(segments.flatMap((segment) => segment.parts).some((part) => part.isGap)).toBe(false);
	});

	it('publishes GAP parts for a pause of over half a second', () => {
		const frames = [0, 33, 66, 100, 133, 166, 1166, 1200, 1233].map((ms) => ({
			ticks: ms * 90,
			isKeyFrame: ms === 0 || ms === 1166,
		}));
		const segments = cut(frames);
		expect(ruleFaults(segments)).toEqual([]);
		const parts = segments.flatMap((segment) => segment.parts);
		expect(parts.filter((part) => part.isGap).map((part) => part.durationTicks)).toEqual([
			18_900, 18_900, 18_900, 18_900, 11_412,
		]);
		// Segments of gaps only, because hls.js does not get past a GAP among parts that it loads.
		expect(segments.map((segment) => new Set(segment.parts.map(({ isGap }) => isGap)))).toEqual([
			new Set([false]),
			new Set([true]),
			new Set([false]),
		]);
		// The frame after the gap has its own time.
		expect(parts.find((part) => part.frameCount > 0 && part.startTicks > 50_000)!.startTicks).toBe(1166 * 90);
	});

	it('keeps L-1 and L-9 and the tick continuity for any increasing times', () => {
		fc.assert(
			fc.property(
				fc.array(
					fc.record({
						gap: fc.oneof(fc.integer({ min: 1, max: 9000 }), fc.integer({ min: 1, max: 400_000 })),
						isKeyFrame: fc.boolean(),
					}),
					{ minLength: 1, maxLength: 300 },
				),
				(steps) => {
					let ticks = 1_000_000;
					const frames = steps.map(({ gap, isKeyFrame }) => ({ ticks: (ticks += gap), isKeyFrame }));
					const segments = cut(frames);
					expect(ruleFaults(segments).filter((fault) => !fault.startsWith('L-10'))).toEqual([]);
					for (const { parts } of segments) {
						expect(parts.every(({ isGap }) => isGap === parts[0]!.isGap)).toBe(true);
					}
				},
			),
			{ numRuns: 200 },
		);
	});
});

describe('SegmentationPolicy with audio', () => {
	it.each([
		[48_000, 9],
		[44_100, 9],
		[32_000, 6],
		[22_050, 4],
		[16_000, 3],
	])('cuts AAC at %d Hz into full parts of %d frames and segments of about 2 s', (sampleRate, framesPerPart) => {
		const policy = new SegmentationPolicy(sampleRate);
		const cutter = new Cutter();
		for (let index = 0; index < sampleRate / 50; index++) {
			cutter.apply(policy.addTimedSample(sampleRate * 10, 1024), true);
		}
		cutter.apply(policy.flush(), false);
		expect(ruleFaults(cutter.segments, sampleRate)).toEqual([]);
		for (const segment of cutter.segments.slice(0, -1)) {
			expect(new Set(segment.parts.map((part) => part.frameCount))).toEqual(new Set([framesPerPart]));
			const seconds = segment.parts.reduce((sum, part) => sum + part.durationTicks, 0) / sampleRate;
			expect(Math.abs(seconds - 2)).toBeLessThan(0.11);
			expect(segment.parts.every((part) => part.durationTicks / sampleRate >= 0.1785)).toBe(true);
		}
	});
});
