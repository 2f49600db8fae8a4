/** Disturbances at a change of the picture's size, counted in logs of pictures and silences. */
import { describe, expect, it } from 'vitest';
import type { ShownFrame } from '../../clients/chromium/bench-page.ts';
import { measureDisturbance, measureRungChange } from './rung-change-measures.ts';

const INTERVAL_MS = 40;

/** 25 pictures a second, the change of the size at 2 s; `numbers` replaces the numbers of pictures from there on. */
function log(numbers: readonly number[] = []): ShownFrame[] {
	return Array.from({ length: 100 }, (_, index): ShownFrame => {
		const frameNumber = numbers[index - 50] ?? index;
		return {
			frameNumber,
			captureTimeMs: frameNumber * INTERVAL_MS,
			shownAtMs: index * INTERVAL_MS,
			presentedCount: index,
			elementIndex: 0,
			widthPixels: index < 50 ? 1280 : 640,
			heightPixels: index < 50 ? 720 : 360,
		};
	});
}

const ASKED = { atMs: 1600, heightPixels: 360 };

describe('measureRungChange', () => {
	it('finds nothing at a change without a hole', () => {
		expect(measureRungChange(log(), [], ASKED)).toEqual({
			tookMs: 400,
			missingAtChangeCount: 0,
			gapMs: INTERVAL_MS,
			missingCount: 0,
			repeatedCount: 0,
			quietMs: 0,
		});
	});

	it('is undefined when the size does not come', () => {
		expect(measureRungChange(log(), [], { ...ASKED, heightPixels: 160 })).toBeUndefined();
	});

	it('counts repeated pictures, and the time without a new one', () => {
		const change = measureRungChange(log([48, 49, 50]), [], ASKED)!;
		expect(change.repeatedCount).toBe(1);
		expect(change.gapMs).toBe(3 * INTERVAL_MS);
	});

	it('counts pictures that were skipped, and not those that only the reader missed', () => {
		const later = Array.from({ length: 50 }, (_, index) => 53 + index);
		const skipped = log(later);
		expect(measureRungChange(skipped, [], ASKED)).toMatchObject({ missingAtChangeCount: 3, missingCount: 3 });
		const unread = skipped.map((frame, index) => ({ ...frame, presentedCount: index < 50 ? index : index + 2 }));
		expect(measureRungChange(unread, [], ASKED)).toMatchObject({ missingAtChangeCount: 1, missingCount: 1 });
	});
});

it('measures silences that touch the second before and after', () => {
	const quiet = [
		{ fromMs: 500, durationMs: 90 },
		{ fromMs: 900, durationMs: 150 },
		{ fromMs: 2900, durationMs: 60 },
	];
	expect(measureDisturbance(log(), quiet, 2000).quietMs).toBe(150);
});
