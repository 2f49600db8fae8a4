/** Any piece of any stream has exactly the wanted pictures, and each copied one has all that it may refer to. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { placePictures, planClip, type ClipPlan, type SourcePicture } from './clip-plan.ts';

const FRAME_TICKS = 3000;

type Stream = { gopFrames: number; bFrames: number; isPyramid: boolean; gopCount: number; jitterTicks: number };

/** In decode order. The pictures of a GOP are shown before the next one. */
function makeStream({ gopFrames, bFrames, isPyramid, gopCount, jitterTicks }: Stream): SourcePicture[] {
	return Array.from({ length: gopCount }, (_, gop) => {
		const order = [0];
		for (let first = 1; first < gopFrames; first += bFrames + 1) {
			const anchor = Math.min(first + bFrames, gopFrames - 1);
			const between = Array.from({ length: anchor - first }, (_picture, index) => first + index);
			const middle = between[between.length >> 1];
			order.push(anchor);
			order.push(
				...(isPyramid && middle !== undefined ? [middle, ...between.filter((one) => one !== middle)] : between),
			);
		}
		return order.map((place): SourcePicture => {
			const number = gop * gopFrames + place;
			const jitter = jitterTicks === 0 ? 0 : ((number * 7919) % (2 * jitterTicks)) - jitterTicks;
			return { presentationTicks: 90_000 + number * FRAME_TICKS + jitter, isIdr: place === 0, run: 0 };
		});
	}).flat();
}

const streams = fc.record({
	gopFrames: fc.integer({ min: 1, max: 20 }),
	bFrames: fc.integer({ min: 0, max: 4 }),
	isPyramid: fc.boolean(),
	gopCount: fc.integer({ min: 1, max: 5 }),
	jitterTicks: fc.integer({ min: 0, max: 400 }),
});

function plan(
	pictures: readonly SourcePicture[],
	startTicks: number,
	endTicks: number,
	canCopy = true,
): ClipPlan | undefined {
	return planClip(pictures, { startTicks, endTicks, canCopy, usualFrameTicks: FRAME_TICKS });
}

describe('planClip', () => {
	it('has exactly the wanted pictures, and copies only what decodes', () => {
		fc.assert(
			fc.property(streams, fc.nat(100), fc.nat(100), fc.boolean(), (stream, first, length, canCopy) => {
				const pictures = makeStream(stream);
				const shown = pictures.toSorted((one, other) => one.presentationTicks - other.presentationTicks);
				const wanted = shown.slice(first % shown.length).slice(0, 1 + length);
				const startTicks = wanted[0]!.presentationTicks;
				const endTicks = wanted.at(-1)!.presentationTicks + FRAME_TICKS;
				const made = plan(pictures, startTicks, endTicks, canCopy)!;
				const kept = made.pictures.map(({ index }) => pictures[index]!);
				expect(kept.toSorted((one, other) => one.presentationTicks - other.presentationTicks)).toEqual(wanted);
				checkDecodable(made, pictures);
				if (!canCopy) {
					expect(made.pictures.every(({ isEncoded }) => isEncoded)).toBe(true);
				}
			}),
			{ numRuns: 1000 },
		);
	});

	it('copies all when it begins with a key frame and has no B-frames', () => {
		const pictures = makeStream({ gopFrames: 10, bFrames: 0, isPyramid: false, gopCount: 4, jitterTicks: 0 });
		const made = plan(pictures, 90_000 + 10 * FRAME_TICKS, 90_000 + 27 * FRAME_TICKS)!;
		expect(made.feeds).toEqual([]);
		expect(made.pictures.map(({ index }) => index)).toEqual(Array.from({ length: 17 }, (_, index) => 10 + index));
	});

	it('encodes the pictures before the first key frame, and at the end those that need one behind the end', () => {
		const pictures = makeStream({ gopFrames: 10, bFrames: 2, isPyramid: false, gopCount: 3, jitterTicks: 0 });
		// Shown: 4 to 21. In decode order the third GOP is 20, 23, 21, 22, …
		const made = plan(pictures, 90_000 + 4 * FRAME_TICKS, 90_000 + 22 * FRAME_TICKS)!;
		const encoded = made.pictures.filter(({ isEncoded }) => isEncoded);
		const numbers = encoded.map(({ index }) => (pictures[index]!.presentationTicks - 90_000) / FRAME_TICKS);
		expect(numbers).toEqual([4, 5, 6, 7, 8, 9, 21]);
		expect(made.feeds).toEqual([
			{ first: 0, end: 10 },
			{ first: 20, end: 23 },
		]);
	});

	it('takes what is nearest to its ends, by half a picture', () => {
		const pictures = makeStream({ gopFrames: 10, bFrames: 0, isPyramid: false, gopCount: 1, jitterTicks: 0 });
		const at = (picture: number): number => 90_000 + picture * FRAME_TICKS;
		const shown = (from: number, to: number): number[] =>
			plan(pictures, at(from), at(to))?.pictures.map(({ index }) => index) ?? [];
		expect(shown(2.49, 4.51)).toEqual([2, 3, 4].slice(0, 3));
		expect(shown(2.51, 4.49)).toEqual([3]);
		expect(shown(2, 2.4)).toEqual([]);
		expect(shown(20, 30)).toEqual([]);
	});

	it('encodes all where a run begins before the one before has ended', () => {
		const [one, other] = [0, 1].map((run) =>
			makeStream({ gopFrames: 10, bFrames: 0, isPyramid: false, gopCount: 1, jitterTicks: 0 }).map((picture) => ({
				...picture,
				run,
				presentationTicks: picture.presentationTicks + run * 7 * FRAME_TICKS,
			})),
		) as [SourcePicture[], SourcePicture[]];
		const made = plan([...one, ...other], 90_000, 90_000 + 17 * FRAME_TICKS)!;
		expect(made.pictures.map(({ index }) => index)).toEqual([
			0, 1, 2, 3, 4, 5, 6, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19,
		]);
		expect(made.pictures.every(({ isEncoded }) => isEncoded)).toBe(true);
	});
});

/** Of a copied picture all since its IDR picture are copied before it, and of an encoded one all are fed. */
function checkDecodable({ pictures: kept, feeds }: ClipPlan, source: readonly SourcePicture[]): void {
	const idrBefore = (index: number): number => source.slice(0, index + 1).findLastIndex(({ isIdr }) => isIdr);
	const latest = { copied: -1, ticks: -Infinity };
	kept.forEach(({ index, isEncoded }, place) => {
		if (isEncoded) {
			expect(feeds.some(({ first, end }) => first <= idrBefore(index) && index < end)).toBe(true);
		} else {
			const needed = index === idrBefore(index) ? undefined : index - 1;
			expect(needed === undefined || (kept[place - 1]!.index === needed && !kept[place - 1]!.isEncoded)).toBe(true);
		}
		// Stretches follow one another: where encoded meets copied, all before is shown before all behind.
		if (place > 0 && kept[place - 1]!.isEncoded !== isEncoded) {
			expect(kept.slice(place).every((later) => source[later.index]!.presentationTicks > latest.ticks)).toBe(true);
		}
		latest.ticks = Math.max(latest.ticks, source[index]!.presentationTicks);
	});
}

describe('placePictures', () => {
	it('keeps every time, decodes in order, and none after it is shown', () => {
		fc.assert(
			fc.property(fc.uniqueArray(fc.nat(1_000_000), { minLength: 1, maxLength: 40 }), (times) => {
				const { durationsTicks, compositionOffsetsTicks, delayTicks, totalTicks } = placePictures(times, 1_000_001);
				let decodeTicks = 0;
				const first = Math.min(...times);
				times.forEach((ticks, index) => {
					expect(decodeTicks + compositionOffsetsTicks[index]! - delayTicks).toBe(ticks - first);
					expect(compositionOffsetsTicks[index]).toBeGreaterThanOrEqual(0);
					expect(durationsTicks[index]).toBeGreaterThan(0);
					decodeTicks += durationsTicks[index]!;
				});
				expect(decodeTicks).toBe(totalTicks);
				expect(totalTicks).toBe(1_000_001 - first);
			}),
		);
	});
});
