/** Tests of the queue whose entries leave later. */
import { expect, it } from 'vitest';
import { FakeClock } from '../../../core/testing/fake-clock.ts';
import { DelayLine } from './delay-line.ts';

function lineOf() {
	const clock = new FakeClock(0);
	const line = new DelayLine(clock);
	const left: string[] = [];
	const add = (name: string, delayMs: number, overtakenForMs?: number): boolean =>
		line.add(1, () => left.push(`${name} ${clock.monotonicMs()}`), delayMs, overtakenForMs);
	return { clock, line, left, add };
}

it('delays each entry', async () => {
	const { clock, left, add } = lineOf();
	add('a', 20);
	await clock.advance(5);
	add('b', 20);
	await clock.advance(100);
	expect(left).toEqual(['a 20', 'b 25']);
});

it('keeps the order when the delay becomes smaller', async () => {
	const { clock, left, add } = lineOf();
	add('a', 50);
	await clock.advance(10);
	add('b', 5);
	await clock.advance(100);
	expect(left).toEqual(['a 50', 'b 50']);
});

it('lets later entries overtake one that is to be overtaken, and only that one', async () => {
	const { clock, left, add } = lineOf();
	add('a', 20, 10);
	add('b', 20);
	await clock.advance(5);
	add('c', 20);
	await clock.advance(100);
	expect(left).toEqual(['b 20', 'c 25', 'a 30']);
});

it('refuses what is beyond its bound, and drops what waits when it is cleared', async () => {
	const { clock, line, left, add } = lineOf();
	expect(line.add(64_000_001, () => left.push('large'), 1)).toBe(false);
	add('a', 20);
	line.clear();
	await clock.advance(100);
	expect(left).toEqual([]);
	expect(clock.pendingCount).toBe(0);
	add('b', 20);
	await clock.advance(100);
	expect(left).toEqual(['b 120']);
});
