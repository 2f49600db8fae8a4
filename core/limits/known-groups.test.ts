/** Tests of the known groups: how long, how many. */
import { describe, expect, it } from 'vitest';
import { FakeClock } from '../testing/fake-clock.ts';
import { KnownGroups } from './known-groups.ts';

describe('KnownGroups', () => {
	it('has a group for some time after it was last added', async () => {
		const clock = new FakeClock();
		const groups = new KnownGroups(clock, { memoryMs: 1000, maxGroups: 10 });
		expect(groups.has('a')).toBe(false);
		groups.remember('a');
		await clock.advance(600);
		groups.remember('a');
		await clock.advance(600);
		expect(groups.has('a')).toBe(true);
		await clock.advance(400);
		expect(groups.has('a')).toBe(false);
	});

	it('keeps a bounded number, and evicts the group that was added longest ago', () => {
		const groups = new KnownGroups(new FakeClock(), { memoryMs: 1000, maxGroups: 2 });
		['a', 'b', 'a', 'c'].forEach((group) => groups.remember(group));
		expect(['a', 'b', 'c'].map((group) => groups.has(group))).toEqual([true, false, true]);
	});
});
