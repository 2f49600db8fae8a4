/** Tests of lost and overtaken packets. */
import { describe, expect, it } from 'vitest';
import { LossModel, type PacketFate, seededChance } from './loss-model.ts';

const COUNT = 200_000;

function fates(line: { lossRatio: number; lossBurst: number; reorderRatio: number }, seed = 1): PacketFate[] {
	const model = new LossModel(seededChance(seed));
	return Array.from({ length: COUNT }, () => model.next(line));
}

function lossRuns(list: readonly PacketFate[]): number[] {
	const text = list.map((fate) => (fate === 'lost' ? 'x' : '.')).join('');
	return [...text.matchAll(/x+/g)].map(([run]) => run.length);
}

describe('LossModel', () => {
	const ratios = [0, 0.02, 0.05, 0.1, 0.5, 1];
	it.each(ratios.flatMap((lossRatio) => [1, 3, 10].map((lossBurst) => ({ lossRatio, lossBurst }))))(
		'loses the ratio of the packets: %o',
		({ lossRatio, lossBurst }) => {
			const lost = fates({ lossRatio, lossBurst, reorderRatio: 0 }).filter((fate) => fate === 'lost').length;
			expect(Math.abs(lost / COUNT - lossRatio)).toBeLessThan(0.01);
		},
	);

	it('loses whole bursts', () => {
		const runs = lossRuns(fates({ lossRatio: 0.05, lossBurst: 3, reorderRatio: 0 }));
		expect(runs.slice(0, -1).every((length) => length % 3 === 0)).toBe(true);
		expect(runs.filter((length) => length === 3).length / runs.length).toBeGreaterThan(0.9);
	});

	it('lets the ratio of the others be overtaken', () => {
		const overtaken = fates({ lossRatio: 0, lossBurst: 1, reorderRatio: 0.1 }).filter((fate) => fate === 'overtaken');
		expect(Math.abs(overtaken.length / COUNT - 0.1)).toBeLessThan(0.01);
	});

	it('ends a burst when the line loses nothing any more', () => {
		const model = new LossModel(() => 0);
		expect(model.next({ lossRatio: 0.1, lossBurst: 3, reorderRatio: 0 })).toBe('lost');
		expect(model.next({ lossRatio: 0, lossBurst: 3, reorderRatio: 0 })).toBe('passes');
	});

	it('repeats itself with the same seed, and not with another', () => {
		const line = { lossRatio: 0.3, lossBurst: 1, reorderRatio: 0.3 };
		expect(fates(line, 7)).toEqual(fates(line, 7));
		expect(fates(line, 7)).not.toEqual(fates(line, 8));
	});
});
