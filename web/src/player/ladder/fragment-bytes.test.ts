/** Fragments like the packager's. */
import { describe, expect, it } from 'vitest';
import { blankFragments, blankInit } from './blank-picture.ts';
import { decodeTimeTicks, firstSyncSample, lastSampleTicks, squeeze } from './fragment-bytes.ts';
import { fragmentBytes } from './testing/simulated-origin.ts';

const FRAME_TICKS = 3000;

/** `moof` boxes with others around them, as in a part and in a segment. */
function withBoxesBefore(fragment: Uint8Array): Uint8Array {
	const before = Uint8Array.of(0, 0, 0, 16, ...new TextEncoder().encode('styp'), 1, 2, 3, 4, 5, 6, 7, 8);
	return Uint8Array.of(...before, ...fragment);
}

describe('the bytes of a fragment', () => {
	it('have the time of the first picture, and of the last one', () => {
		const fragment = withBoxesBefore(fragmentBytes(900_000, 5000, true));
		expect(decodeTimeTicks(fragment)).toBe(900_000);
		expect(lastSampleTicks(fragment)).toBe(900_000 + 5 * FRAME_TICKS);
	});

	it('show where a picture decodes alone', () => {
		expect(firstSyncSample(fragmentBytes(0, 5000, true))).toBe(0);
		expect(firstSyncSample(fragmentBytes(0, 5000, false))).toBeUndefined();
	});

	it.each([
		['nothing', new Uint8Array(0)],
		['an init segment', blankInit()],
		['a box that is longer than the bytes', Uint8Array.of(0, 0, 1, 0, ...new TextEncoder().encode('moof'))],
		['text', new TextEncoder().encode('not found')],
	])('are not read as a fragment when they are %s', (_name, bytes) => {
		expect(decodeTimeTicks(bytes)).toBeUndefined();
		expect(firstSyncSample(bytes)).toBeUndefined();
		expect(lastSampleTicks(bytes)).toBeUndefined();
	});
});

describe('squeeze', () => {
	const fragments = [fragmentBytes(0, 500, true), fragmentBytes(6 * FRAME_TICKS, 500, false)];
	const times = { fromTicks: 33_000, untilTicks: 36_000 };

	it('puts all pictures right after the one that is shown, a tick apart, and the last one until the next', () => {
		const squeezed = squeeze(fragments, times)!;
		expect(squeezed.map(decodeTimeTicks)).toEqual([33_001, 33_007]);
		expect(lastSampleTicks(squeezed[1]!)).toBe(33_012);
		// All within 1 ms of the shown one, so that Chromium drops them.
		expect(33_012 - times.fromTicks).toBeLessThan(90);
		// A following picture begins where they end.
		const view = new DataView(squeezed[1]!.buffer);
		const lastDuration = view.getUint32(92 + 5 * 12);
		expect(33_012 + lastDuration).toBe(times.untilTicks);
	});

	it('leaves the given bytes as they are', () => {
		const before = fragments.map((fragment) => fragment.slice());
		squeeze(fragments, times);
		expect(fragments).toEqual(before);
	});

	it.each([
		['B-frames', [fragmentBytes(0, 500, true, { compositionOffsetTicks: 3000 })], times],
		['more pictures than fit into 1 ms', [fragmentBytes(0, 3000, true, { frames: 120 })], times],
		['no room', fragments, { fromTicks: 33_000, untilTicks: 33_010 }],
		['other bytes', [new TextEncoder().encode('not found'), ...fragments], times],
	])('is not possible with %s', (_name, given, at) => {
		expect(squeeze(given, at)).toBeUndefined();
	});
});

describe('blankFragments', () => {
	it('are pictures one after another, none longer than a quarter of a second', () => {
		const fragments = blankFragments(90_000, 180_001);
		const starts = fragments.map((fragment) => decodeTimeTicks(fragment)!);
		expect(starts[0]).toBe(90_000);
		const ends = [...starts.slice(1), 90_000 + 180_001];
		expect(Math.max(...ends.map((end, index) => end - starts[index]!))).toBeLessThanOrEqual(22_500);
		expect(fragments).toHaveLength(9);
	});

	it('have a part in one picture, which decodes alone', () => {
		const [fragment] = blankFragments(180_000 * 90_000, 18_000) as [Uint8Array];
		expect(decodeTimeTicks(fragment)).toBe(180_000 * 90_000);
		expect(lastSampleTicks(fragment)).toBe(180_000 * 90_000);
		expect(firstSyncSample(fragment)).toBe(0);
	});

	it('differs from its neighbours, as IDR pictures must', () => {
		const pictureOf = (number: number): string =>
			blankFragments(number * 18_000, 18_000)[0]!
				.slice(-10)
				.join(' ');
		expect(pictureOf(7)).not.toBe(pictureOf(8));
		expect(pictureOf(7)).toBe(pictureOf(9));
	});
});
