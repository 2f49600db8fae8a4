/** Tests of joining successive publishers' sequence numbers into one stream. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SequenceSplicer } from './splice.ts';

describe('SequenceSplicer', () => {
	it('maps nothing before the first splice', () => {
		expect(new SequenceSplicer(100).map(5)).toBeUndefined();
	});

	it('begins with the number it was given', () => {
		const splicer = new SequenceSplicer(100);
		splicer.begin(7, false);
		expect([splicer.map(7), splicer.map(8)]).toEqual([100, 101]);
		expect(splicer.highest).toBe(101);
	});

	it('keeps one offset within a splice, so that a packet sent again finds its place', () => {
		const splicer = new SequenceSplicer(100);
		splicer.begin(7, false);
		expect([7, 9, 10, 8].map((number) => splicer.map(number))).toEqual([100, 102, 103, 101]);
		expect(splicer.highest).toBe(103);
	});

	it('drops a packet from before the splice', () => {
		const splicer = new SequenceSplicer(100);
		splicer.begin(0, false);
		expect(splicer.map(65_535)).toBeUndefined();
		expect(splicer.map(0)).toBe(100);
	});

	it('continues behind the highest number with the next publisher', () => {
		const splicer = new SequenceSplicer(0);
		splicer.begin(500, false);
		splicer.map(500);
		splicer.map(503);
		splicer.begin(60_000, false);
		expect(splicer.map(60_000)).toBe(4);
	});

	it('skips one number when the last picture is not complete, for forwarded packets and for our own', () => {
		for (const firstOut of [
			(splicer: SequenceSplicer) => splicer.map(60_000),
			(splicer: SequenceSplicer) => splicer.next(),
		]) {
			const splicer = new SequenceSplicer(0);
			splicer.begin(500, false);
			splicer.map(500);
			splicer.begin(60_000, true);
			expect(firstOut(splicer)).toBe(2);
			expect(splicer.next()).toBe(3);
		}
	});

	it('gives every packet of a publisher its own place at the same distance, over wraps and with disorder', () => {
		const start = fc.integer({ min: 0, max: 65_535 });
		const runs = fc.array(
			fc.tuple(start, fc.array(fc.integer({ min: 0, max: 20 }), { minLength: 1, maxLength: 200 }), fc.boolean()),
			{ minLength: 1, maxLength: 5 },
		);
		fc.assert(
			fc.property(start, runs, (first, each) => {
				const splicer = new SequenceSplicer(first);
				let highest = first - 1;
				for (const [publisherFirst, delays, leavesGap] of each) {
					splicer.begin(publisherFirst, leavesGap);
					const base = highest + (leavesGap ? 2 : 1);
					const order = delays
						.map((delay, index) => ({ index, at: index === 0 ? -1 : index + delay }))
						.toSorted((one, other) => one.at - other.at);
					for (const { index } of order) {
						expect(splicer.map((publisherFirst + index) % 65_536)).toBe(base + index);
						highest = Math.max(highest, base + index);
					}
					expect(splicer.highest).toBe(highest);
				}
			}),
		);
	});
});
