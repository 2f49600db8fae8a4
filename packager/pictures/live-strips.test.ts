/** Strips of small pictures stay within what can be rewound and within their bytes, whatever is added. */
import { describe, expect, it } from 'vitest';
import type { BroadcastId } from '../../core/ids.ts';
import { LiveStrips, MAX_ALL_STRIPS_BYTES, MAX_STRIP_BYTES } from './live-strips.ts';

const ONE = 'one' as BroadcastId;
const SIZE_BYTES = 32 * 1024;

function fill(strips: LiveStrips, id: BroadcastId, count: number, sizeBytes = SIZE_BYTES): void {
	for (let index = 0; index < count; index++) {
		strips.add(id, { capturedAtMs: index * 10_000, bytes: new Uint8Array(sizeBytes) }, -Infinity);
	}
}

describe('LiveStrips', () => {
	const times = (strips: LiveStrips, id = ONE): number[] => strips.pictures(id).map(({ capturedAtMs }) => capturedAtMs);

	it('drop what cannot be rewound, but for the picture that shows the oldest moment', () => {
		const strips = new LiveStrips();
		fill(strips, ONE, 5);
		strips.add(ONE, { capturedAtMs: 50_000, bytes: new Uint8Array(1) }, 25_000);
		expect(times(strips)).toEqual([20_000, 30_000, 40_000, 50_000]);
		strips.add(ONE, { capturedAtMs: 60_000, bytes: new Uint8Array(1) }, 30_000);
		expect(times(strips)[0]).toBe(30_000);
	});

	it('leave out what is not newer, and what is no small picture', () => {
		const strips = new LiveStrips();
		fill(strips, ONE, 2);
		strips.add(ONE, { capturedAtMs: 10_000, bytes: new Uint8Array(1) }, 0);
		strips.add(ONE, { capturedAtMs: 20_000, bytes: new Uint8Array(2 ** 17) }, 0);
		expect(times(strips)).toEqual([0, 10_000]);
		expect(strips.sizeBytes).toBe(2 * SIZE_BYTES);
	});

	it('keep the newest pictures within the bytes of a broadcast', () => {
		const strips = new LiveStrips();
		const count = MAX_STRIP_BYTES / SIZE_BYTES;
		fill(strips, ONE, count + 3);
		expect(strips.sizeBytes).toBe(MAX_STRIP_BYTES);
		expect(times(strips)[0]).toBe(30_000);
	});

	it('shorten the longest one when all together are too large, and forget what is removed', () => {
		const strips = new LiveStrips();
		const perStrip = MAX_STRIP_BYTES / SIZE_BYTES;
		const ids = Array.from({ length: Math.ceil(MAX_ALL_STRIPS_BYTES / MAX_STRIP_BYTES) + 2 }, (_, index) => {
			const id = `b${index}` as BroadcastId;
			fill(strips, id, index === 0 ? 3 : perStrip);
			return id;
		});
		expect(strips.sizeBytes).toBeLessThanOrEqual(MAX_ALL_STRIPS_BYTES);
		expect(times(strips, ids[0]).length).toBe(3);
		const lengths = ids.slice(1).map((id) => strips.pictures(id).length);
		expect(Math.max(...lengths)).toBeLessThan(perStrip);
		expect(Math.min(...lengths)).toBeGreaterThan(perStrip / 2);
		ids.forEach((id) => strips.remove(id));
		strips.remove(ONE);
		expect(strips.sizeBytes).toBe(0);
		expect(times(strips, ids[1])).toEqual([]);
	});
});
