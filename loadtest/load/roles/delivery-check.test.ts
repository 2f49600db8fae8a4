/** Tests of the delivery check. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DeliveryCheck, formatTestMessage, parseTestMessage } from './delivery-check.ts';

function countsOf(numbers: readonly number[], last?: number): object {
	const check = new DeliveryCheck();
	numbers.forEach((number) => check.receive(1, number));
	if (last !== undefined) {
		check.finish(1, last);
	}
	return check.counts;
}

describe('DeliveryCheck', () => {
	it.each([
		[[1, 2, 3], 3, { lostCount: 0, doubledCount: 0, reorderedCount: 0 }],
		[[5, 6], 6, { lostCount: 0, doubledCount: 0, reorderedCount: 0 }],
		[[1, 4], 4, { lostCount: 2, doubledCount: 0, reorderedCount: 0 }],
		[[1, 2], 4, { lostCount: 2, doubledCount: 0, reorderedCount: 0 }],
		[[1, 2, 2, 3], 3, { lostCount: 0, doubledCount: 1, reorderedCount: 0 }],
		[[1, 3, 2, 4], 4, { lostCount: 0, doubledCount: 0, reorderedCount: 1 }],
		[[1, 3, 2, 2], 3, { lostCount: 0, doubledCount: 1, reorderedCount: 1 }],
	])('judges %j, sent up to %i', (numbers, last, counts) => {
		expect(countsOf(numbers, last)).toEqual(counts);
	});

	it('finds exactly the lost and the doubled messages', () => {
		fc.assert(
			fc.property(fc.uniqueArray(fc.integer({ min: 2, max: 99 })), fc.nat(5), (lost, doubled) => {
				const sent = Array.from({ length: 100 }, (_, index) => index + 1);
				const arrived = sent.filter((number) => !lost.includes(number));
				arrived.push(...arrived.slice(0, doubled));
				expect(countsOf(arrived, 100)).toEqual({ lostCount: lost.length, doubledCount: doubled, reorderedCount: 0 });
			}),
		);
	});
});

describe('the text of a test message', () => {
	it('is read back as it was written', () => {
		const message = { runId: 'a1', sender: 3, number: 77, dueAtMs: 1_900_000_000_000.5 };
		expect(parseTestMessage(formatTestMessage(message))).toEqual(message);
	});

	it('is not found in other messages', () => {
		fc.assert(
			fc.property(fc.string(), (text) => {
				expect(parseTestMessage(text)).toBeUndefined();
			}),
		);
		expect(parseTestMessage('lt a b c d')).toBeUndefined();
	});
});
