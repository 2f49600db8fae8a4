/** Tests of the queue: turns, ranks, displacement. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FairQueue } from './fair-queue.ts';

function drain<Item>(queue: FairQueue<Item>): Item[] {
	const items: Item[] = [];
	for (let item = queue.next(); item !== undefined; item = queue.next()) {
		items.push(item);
	}
	return items;
}

describe('FairQueue', () => {
	it('lets groups take turns, each in its own order', () => {
		const queue = new FairQueue<string>({ maxEntries: 10, maxPerGroup: 4 });
		for (const item of ['a1', 'a2', 'a3', 'b1', 'c1', 'b2']) {
			queue.add(item, item[0]!, 0);
		}
		expect(drain(queue)).toEqual(['a1', 'b1', 'c1', 'a2', 'b2', 'a3']);
	});

	it('serves higher ranks first, and displaces lower ones for them', () => {
		const queue = new FairQueue<string>({ maxEntries: 3, maxPerGroup: 3 });
		for (const item of ['a1', 'b1', 'c1']) {
			queue.add(item, item[0]!, 0);
		}
		expect(queue.add('d1', 'd', 0)).toEqual({ isAdded: false });
		expect(queue.add('k1', 'k', 1)).toEqual({ isAdded: true, displaced: 'c1' });
		expect(drain(queue)).toEqual(['k1', 'a1', 'b1']);
	});

	it('displaces an entry of the largest group for a group with fewer entries', () => {
		const queue = new FairQueue<string>({ maxEntries: 4, maxPerGroup: 4 });
		for (const item of ['a1', 'a2', 'a3', 'a4']) {
			queue.add(item, 'a', 0);
		}
		expect(queue.add('b1', 'b', 0)).toEqual({ isAdded: true, displaced: 'a4' });
		expect(queue.add('b2', 'b', 0)).toEqual({ isAdded: true, displaced: 'a3' });
		expect(queue.add('b3', 'b', 0)).toEqual({ isAdded: false });
	});

	it('keeps its bounds and all entries, and gives no group two turns while another of its rank waits', () => {
		const entry = fc.record({ group: fc.integer({ min: 0, max: 4 }), rank: fc.integer({ min: 0, max: 2 }) });
		fc.assert(
			fc.property(fc.array(fc.option(entry), { maxLength: 80 }), (steps) => {
				const queue = new FairQueue<{ id: number; group: number; rank: number }>({ maxEntries: 8, maxPerGroup: 3 });
				const waiting = new Set<{ id: number; group: number; rank: number }>();
				let last: { group: number; rank: number; others: Set<number> } | undefined;
				for (const [id, step] of steps.entries()) {
					if (step === null) {
						const served = queue.next();
						expect(served === undefined).toBe(waiting.size === 0);
						if (served !== undefined) {
							expect(Math.max(...[...waiting].map(({ rank }) => rank))).toBe(served.rank);
							waiting.delete(served);
							// A group of the same rank that waited at the turn before is not passed over again.
							const isPassedOver =
								last?.group === served.group &&
								last.rank === served.rank &&
								[...waiting].some(({ rank, group }) => rank === served.rank && last!.others.has(group));
							expect(isPassedOver).toBe(false);
							const others = [...waiting].filter((item) => item.rank === served.rank && item.group !== served.group);
							last = { ...served, others: new Set(others.map(({ group }) => group)) };
						}
						continue;
					}
					const item = { id, ...step };
					const result = queue.add(item, String(step.group), step.rank);
					if (result.isAdded) {
						waiting.add(item);
						expect((result.displaced?.rank ?? -1) <= step.rank).toBe(true);
						waiting.delete(result.displaced!);
					}
					expect(queue.size).toBe(waiting.size);
					expect(queue.size).toBeLessThanOrEqual(8);
					expect([...waiting].filter(({ group }) => group === step.group).length).toBeLessThanOrEqual(3);
				}
			}),
			{ numRuns: 200 },
		);
	});
});
