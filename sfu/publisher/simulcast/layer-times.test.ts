/** Tests of the relation between a layer's timestamps and the stream's: exact by key frames, from estimates. */
import { describe, expect, it } from 'vitest';
import { PICTURE_TICKS } from '../../testing/numbered-pictures.ts';
import { LayerTimes } from './layer-times.ts';

/** What to add to the layer's timestamps. */
const TRUE_TICKS = 5_000_000;

describe('LayerTimes', () => {
	it('is as exact as the clocks before there are key frames, and does not follow their jitter', () => {
		const times = new LayerTimes();
		expect(times.place(0, TRUE_TICKS + 300)).toBe(TRUE_TICKS + 300);
		expect(times.place(PICTURE_TICKS, TRUE_TICKS - 400)).toBe(PICTURE_TICKS + TRUE_TICKS + 300);
		expect(times.isExact).toBe(false);
	});

	it.each([
		['the layer’s key frame is first', true],
		['the stream’s key frame is first', false],
	])('is exact from key frames of one picture on, when %s', (_name, isLayerFirst) => {
		const times = new LayerTimes();
		if (isLayerFirst) {
			times.keyFrame(900, TRUE_TICKS + 2000, undefined);
			times.streamKeyFrame(900 + TRUE_TICKS);
		} else {
			times.keyFrame(900, TRUE_TICKS - 2000, 900 + TRUE_TICKS);
		}
		expect(times.isExact).toBe(true);
		expect(times.place(900 + PICTURE_TICKS, TRUE_TICKS + 2000)).toBe(900 + PICTURE_TICKS + TRUE_TICKS);
	});

	it('is exact as soon as the clocks are near enough, after a start at which they were not', () => {
		const times = new LayerTimes();
		times.keyFrame(0, TRUE_TICKS + 9000, TRUE_TICKS);
		expect(times.isExact).toBe(false);
		times.keyFrame(90_000, TRUE_TICKS + 1000, TRUE_TICKS + 90_000);
		expect(times.place(90_000, TRUE_TICKS)).toBe(90_000 + TRUE_TICKS);
	});

	it('is usable after ten seconds of key frames that are never the stream’s', () => {
		const times = new LayerTimes();
		const known = [0, 1, 2, 3, 4, 5].map((gop) => {
			times.keyFrame(gop * 180_000, TRUE_TICKS, gop * 180_000 + TRUE_TICKS - 90_000);
			return times.isKnown;
		});
		expect(known).toEqual([false, false, false, false, false, true]);
		expect(times.isExact).toBe(false);
	});

	it('keeps a proved relation through key frames of two pictures in a row, and corrects a wrong one', () => {
		const times = new LayerTimes();
		times.keyFrame(0, TRUE_TICKS, TRUE_TICKS);
		// The stream's newest key frame is that of the picture before.
		times.keyFrame(PICTURE_TICKS, TRUE_TICKS, TRUE_TICKS);
		times.streamKeyFrame(TRUE_TICKS + PICTURE_TICKS);
		expect(times.offsetTicks(TRUE_TICKS)).toBe(TRUE_TICKS);
		for (const gop of [1, 2]) {
			times.keyFrame(gop * 180_000, TRUE_TICKS, TRUE_TICKS + gop * 180_000 + 2500);
		}
		expect(times.offsetTicks(TRUE_TICKS)).toBe(TRUE_TICKS + 2500);
	});

	it('follows a layer whose clock begins again', () => {
		const times = new LayerTimes();
		times.keyFrame(0, TRUE_TICKS, TRUE_TICKS);
		expect(times.place(90_000, TRUE_TICKS + 900_000)).toBe(990_000 + TRUE_TICKS);
		expect(times.isExact).toBe(false);
	});

	it('gives all packets of a picture one time, and later pictures later times', () => {
		const times = new LayerTimes();
		times.keyFrame(0, TRUE_TICKS + 4000, undefined);
		const before = times.place(0, TRUE_TICKS + 4000);
		times.streamKeyFrame(TRUE_TICKS);
		expect(times.place(0, TRUE_TICKS)).toBe(before);
		expect(times.place(PICTURE_TICKS, TRUE_TICKS)).toBe(before + 1);
		expect(times.place(2 * PICTURE_TICKS, TRUE_TICKS)).toBe(2 * PICTURE_TICKS + TRUE_TICKS);
	});
});
