/** What is remembered of the videos that were watched. */
import { describe, expect, it } from 'vitest';
import { ResumeMemory } from './resume-memory.ts';

function setUp(stored?: string) {
	const values = new Map(stored === undefined ? [] : [['spillway.resume', stored]]);
	const storage = {
		getItem: (key: string) => values.get(key) ?? null,
		setItem: (key: string, value: string) => void values.set(key, value),
	};
	return { memory: new ResumeMemory(() => storage), values };
}

describe('ResumeMemory', () => {
	it('knows where each video stopped', () => {
		const { memory } = setUp();
		memory.note('a', 100.7, 600);
		memory.note('b', 30, 600);
		memory.note('a', 120, 600);
		expect([memory.read('a'), memory.read('b'), memory.read('c')]).toEqual([120, 30, undefined]);
	});

	it.each([
		['the start', 9, 600],
		['the end of a short video', 590, 600],
		['the end of a long video', 35_000, 36_000],
		['anywhere in a very short video', 12, 20],
	])('forgets %s', (_where, seconds, endSeconds) => {
		const { memory } = setUp();
		memory.note('a', 100, undefined);
		memory.note('a', seconds, endSeconds);
		expect(memory.read('a')).toBeUndefined();
	});

	it('knows no end of a video that grows', () => {
		const { memory } = setUp();
		memory.note('a', 599, undefined);
		expect(memory.read('a')).toBe(599);
	});

	it('keeps the newest fifty', () => {
		const { memory, values } = setUp();
		for (let number = 0; number < 200; number++) {
			memory.note(`v${number}`, 60, 600);
		}
		memory.note('v160', 90, 600);
		expect([memory.read('v149'), memory.read('v150'), memory.read('v160'), memory.read('v199')]).toEqual([
			undefined,
			60,
			90,
			60,
		]);
		expect(values.get('spillway.resume')!.length).toBeLessThan(1000);
	});

	it.each(['', 'x', '{}', '[1,["a"],["b","5"],["c",null]]', 'null'])('survives "%s" in the storage', (stored) => {
		const { memory } = setUp(stored);
		expect(memory.read('a')).toBeUndefined();
		memory.note('a', 60, 600);
		expect(memory.read('a')).toBe(60);
	});

	it('works without storage', () => {
		const memory = new ResumeMemory(() => {
			throw new DOMException('denied', 'SecurityError');
		});
		memory.note('a', 60, 600);
		expect(memory.read('a')).toBeUndefined();
	});
});
