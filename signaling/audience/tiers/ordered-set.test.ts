/** Tests of the ordered set and of the deadline queue against sorted arrays. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DeadlineQueue } from './deadline-queue.ts';
import { OrderedSet } from './ordered-set.ts';

const byNumber = (a: number, b: number): number => a - b;

describe('OrderedSet', () => {
	it('matches a sorted array with ranks after any additions and deletions', () => {
		fc.assert(
			fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(200)), { maxLength: 300 }), (steps) => {
				const set = new OrderedSet(byNumber);
				const model = new Set<number>();
				for (const [isAdding, value] of steps) {
					if (isAdding && !model.has(value)) {
						set.add(value);
						model.add(value);
					} else if (!isAdding) {
						expect(set.delete(value)).toBe(model.delete(value));
					}
				}
				const sorted = [...model].sort(byNumber);
				expect([...set.ascending()]).toEqual(sorted);
				expect([...set.descending()]).toEqual(sorted.toReversed());
				expect(set.size).toBe(sorted.length);
				expect(set.rankOf(100)).toBe(sorted.filter((value) => value < 100).length);
			}),
		);
	});

	it('keeps its order over many blocks', () => {
		const set = new OrderedSet(byNumber);
		for (let index = 0; index < 20_000; index++) {
			// 7919 is prime to 20 000: each number once, unordered.
			set.add((index * 7919) % 20_000);
		}
		expect([...set.ascending()].every((value, index) => value === index)).toBe(true);
		expect(set.rankOf(12_345)).toBe(12_345);
		for (let value = 0; value < 20_000; value += 2) {
			set.delete(value);
		}
		expect([set.size, set.rankOf(10_001), set.descending().next().value]).toEqual([10_000, 5000, 19_999]);
	});
});

describe('DeadlineQueue', () => {
	it('returns what is due, the nearest first, and keeps the rest', () => {
		fc.assert(
			fc.property(fc.array(fc.nat(1000), { maxLength: 100 }), fc.nat(1000), (times, nowMs) => {
				const queue = new DeadlineQueue<string>();
				times.forEach((atMs) => queue.add(atMs, 'x'));
				const taken: number[] = [];
				for (let due = queue.takeDue(nowMs); due !== undefined; due = queue.takeDue(nowMs)) {
					taken.push(due.atMs);
				}
				expect(taken).toEqual(times.filter((atMs) => atMs <= nowMs).sort(byNumber));
				expect(queue.size).toBe(times.length - taken.length);
			}),
		);
	});
});
