/** Tests of putting packets back in order: which gaps are waited for, for how long, and which are given up. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../../core/testing/fake-clock.ts';
import { MAX_REORDER_MS, ReorderBuffer } from './reorder-buffer.ts';

type Released = { value: number; isAfterLoss: boolean };

function setUp(): { clock: FakeClock; buffer: ReorderBuffer<number>; released: Released[]; values: () => number[] } {
	const clock = new FakeClock();
	const released: Released[] = [];
	const release = (value: number, isAfterLoss: boolean): void => void released.push({ value, isAfterLoss });
	const buffer = new ReorderBuffer<number>({ clock, release });
	return { clock, buffer, released, values: () => released.map(({ value }) => value) };
}

function pushAll(buffer: ReorderBuffer<number>, numbers: readonly number[]): void {
	for (const number of numbers) {
		buffer.push(number, number);
	}
}

describe('ReorderBuffer', () => {
	it('releases packets in order at once, without a timer', () => {
		const { clock, buffer, values } = setUp();
		pushAll(buffer, [7, 8, 9]);
		expect(values()).toEqual([7, 8, 9]);
		expect(clock.pendingCount).toBe(0);
	});

	it('waits for a late packet and releases all behind it with it', () => {
		const { clock, buffer, released } = setUp();
		pushAll(buffer, [1, 3, 4]);
		expect(released).toHaveLength(1);
		buffer.push(2, 2);
		expect(released).toEqual([1, 2, 3, 4].map((value) => ({ value, isAfterLoss: false })));
		expect(clock.pendingCount).toBe(0);
	});

	it('drops duplicates, of released and of held packets, and packets from before the first', () => {
		const { buffer, values } = setUp();
		pushAll(buffer, [5, 5, 4, 7, 7, 6, 6, 7]);
		expect(values()).toEqual([5, 6, 7]);
	});

	it('continues over the wrap at 65535', () => {
		const { buffer, values } = setUp();
		pushAll(buffer, [65_534, 0, 65_535, 1]);
		expect(values()).toEqual([65_534, 65_535, 0, 1]);
	});

	it('gives a gap up after 150 ms and marks only the packet behind it', async () => {
		const { clock, buffer, released } = setUp();
		pushAll(buffer, [1, 4, 5]);
		await clock.advance(MAX_REORDER_MS - 1);
		expect(released).toHaveLength(1);
		await clock.advance(1);
		expect(released.slice(1)).toEqual([
			{ value: 4, isAfterLoss: true },
			{ value: 5, isAfterLoss: false },
		]);
		expect(buffer.lostCount).toBe(2);
		expect(clock.pendingCount).toBe(0);
	});

	it('drops a packet that comes after it was given up', async () => {
		const { clock, buffer, values } = setUp();
		pushAll(buffer, [1, 3]);
		await clock.advance(MAX_REORDER_MS);
		pushAll(buffer, [2, 4]);
		expect(values()).toEqual([1, 3, 4]);
	});

	it('waits for each gap from its beginning', async () => {
		const { clock, buffer, values } = setUp();
		pushAll(buffer, [1, 3]);
		await clock.advance(100);
		buffer.push(5, 5);
		await clock.advance(50);
		expect(values()).toEqual([1, 3]);
		await clock.advance(99);
		expect(values()).toEqual([1, 3]);
		await clock.advance(1);
		expect(values()).toEqual([1, 3, 5]);
		expect(buffer.lostCount).toBe(2);
	});

	it('gives a gap up early when too much is held', () => {
		const { buffer, released } = setUp();
		buffer.push(0, 0);
		for (let number = 2; number < 2 + 1024; number++) {
			buffer.push(number, number);
		}
		expect(released).toHaveLength(1);
		buffer.push(2 + 1024, 2 + 1024);
		expect(released).toHaveLength(1 + 1025);
		expect(released[1]).toEqual({ value: 2, isAfterLoss: true });
	});

	it('leaves no timer and releases nothing when closed', async () => {
		const { clock, buffer, released } = setUp();
		pushAll(buffer, [1, 3]);
		expect(clock.pendingCount).toBe(1);
		buffer.close();
		expect(clock.pendingCount).toBe(0);
		await clock.advance(1000);
		expect(released).toHaveLength(1);
	});

	it('releases any disorder within its window in order, across the wrap', async () => {
		const disorder = fc
			.tuple(
				fc.integer({ min: 0, max: 65_535 }),
				fc.array(fc.integer({ min: 0, max: 30 }), { minLength: 1, maxLength: 120 }),
			)
			.map(([first, delays]) => ({
				first,
				// Each packet is delayed by some places; the first one stays first.
				order: delays
					.map((delay, index) => ({ index, at: index === 0 ? -1 : index + delay }))
					.toSorted((one, other) => one.at - other.at),
			}));
		await fc.assert(
			fc.asyncProperty(disorder, async ({ first, order }) => {
				const { clock, buffer, released } = setUp();
				for (const { index } of order) {
					buffer.push((first + index) % 65_536, index);
					await clock.advance(1);
				}
				expect(released).toEqual(order.map((_, value) => ({ value, isAfterLoss: false })));
				expect(buffer.lostCount).toBe(0);
				expect(clock.pendingCount).toBe(0);
			}),
			{ numRuns: 60 },
		);
	});

	it('never releases out of order and never holds without end, for any numbers', async () => {
		await fc.assert(
			fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 65_535 }), { maxLength: 60 }), async (numbers) => {
				const { clock, buffer, values } = setUp();
				pushAll(buffer, numbers);
				await clock.advance(2 * MAX_REORDER_MS);
				expect(clock.pendingCount).toBe(0);
				const steps = values().map((value, index, all) =>
					index === 0 ? 1 : (value - all[index - 1]! + 65_536) % 65_536,
				);
				return steps.every((step) => step > 0 && step <= 32_768);
			}),
		);
	});
});
