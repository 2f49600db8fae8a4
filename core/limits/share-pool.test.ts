/** Tests of the pool: shares, the reserve, displacement. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { SharePool, type WhenFull } from './share-pool.ts';

function fill(pool: SharePool<string>, group: string, count: number, from = 0): void {
	for (let index = from; index < from + count; index++) {
		pool.admit(`${group}${index}`, group, false);
	}
}

describe('SharePool', () => {
	it('displaces the oldest of a group whose share is full, and no other group', () => {
		const pool = new SharePool<string>({ capacity: 10, reserve: 2, share: 3 }, 'displace-oldest');
		pool.admit('b0', 'b', false);
		fill(pool, 'a', 3);
		expect(pool.admit('a3', 'a', false)).toEqual({ isAdmitted: true, displaced: 'a0' });
		expect([pool.countOf('a'), pool.countOf('b')]).toEqual([3, 1]);
	});

	it('displaces the oldest of the largest group when unknown members hold all places', () => {
		const pool = new SharePool<string>({ capacity: 6, reserve: 2, share: 3 }, 'displace-oldest');
		pool.admit('honest', 'h', false);
		fill(pool, 'a', 3);
		expect(pool.admit('b0', 'b', false)).toEqual({ isAdmitted: true, displaced: 'a0' });
		expect(pool.unknownCount).toBe(4);
	});

	it('reserves places for known members, and displaces unknown ones beyond the reserve', () => {
		const pool = new SharePool<string>({ capacity: 6, reserve: 2, share: 4 }, 'displace-oldest');
		fill(pool, 'a', 2);
		fill(pool, 'b', 2);
		expect(pool.admit('k0', 'k', true)).toEqual({ isAdmitted: true, displaced: undefined });
		expect(pool.admit('k1', 'k', true)).toEqual({ isAdmitted: true, displaced: undefined });
		expect(pool.admit('k2', 'k', true)).toMatchObject({ isAdmitted: true, displaced: 'a0' });
		expect(pool.admit('c0', 'c', false)).toMatchObject({ isAdmitted: true, displaced: 'b0' });
	});

	it('never displaces a confirmed member, and refuses when all are confirmed', () => {
		const pool = new SharePool<string>({ capacity: 3, reserve: 0, share: 3 }, 'displace-oldest');
		fill(pool, 'a', 3);
		['a0', 'a1', 'a2'].forEach((member) => pool.confirm(member));
		expect(pool.countOf('a')).toBe(0);
		expect(pool.admit('a3', 'a', false)).toEqual({ isAdmitted: false, reason: 'pool-full' });
		expect(pool.admit('k0', 'k', true)).toEqual({ isAdmitted: false, reason: 'pool-full' });
		pool.release('a1');
		expect(pool.admit('a4', 'a', false)).toEqual({ isAdmitted: true, displaced: undefined });
	});

	it('refuses with `refuse`, unless another group has at least two members more', () => {
		const pool = new SharePool<string>({ capacity: 6, reserve: 1, share: 4 }, 'refuse');
		fill(pool, 'a', 4);
		expect(pool.admit('a4', 'a', false)).toEqual({ isAdmitted: false, reason: 'share-full' });
		pool.admit('b0', 'b', false);
		expect(pool.admit('c0', 'c', false)).toEqual({ isAdmitted: true, displaced: 'a3' });
		expect(pool.admit('c1', 'c', false)).toEqual({ isAdmitted: true, displaced: 'a2' });
		expect(pool.admit('c2', 'c', false)).toEqual({ isAdmitted: false, reason: 'pool-full' });
		expect(pool.admit('k0', 'k', true)).toEqual({ isAdmitted: true, displaced: undefined });
		expect(pool.admit('k1', 'k', true)).toEqual({ isAdmitted: false, reason: 'pool-full' });
	});

	const steps = fc.array(
		fc.record({
			group: fc.integer({ min: 0, max: 5 }),
			isKnown: fc.boolean(),
			action: fc.constantFrom('admit', 'admit', 'admit', 'confirm', 'release'),
		}),
		{ maxLength: 120 },
	);

	it.each<WhenFull>(['displace-oldest', 'refuse'])('keeps its bounds in any sequence, when full: %s', (whenFull) => {
		fc.assert(
			fc.property(
				steps,
				fc.integer({ min: 1, max: 12 }),
				fc.integer({ min: 0, max: 6 }),
				fc.integer({ min: 1, max: 6 }),
				(list, capacity, reserved, share) => {
					const reserve = Math.min(reserved, capacity);
					const pool = new SharePool<number>({ capacity, reserve, share }, whenFull);
					const inside = new Map<number, { group: string; rank: 'unknown' | 'known' | 'confirmed' }>();
					for (const [index, { group: number, isKnown, action }] of list.entries()) {
						const group = String(number);
						const member = [...inside].find(([, entry]) => entry.group === group)?.[0];
						if (action === 'admit') {
							const rankOfGroup = [...inside.values()].some((e) => e.group === group && e.rank === 'known');
							const rank = isKnown || rankOfGroup ? 'known' : 'unknown';
							const result = pool.admit(index, group, isKnown);
							if (result.isAdmitted) {
								const gone = result.displaced === undefined ? undefined : inside.get(result.displaced);
								// Only known members displace known ones.
								expect(gone?.rank).not.toBe('confirmed');
								expect(gone?.rank !== 'known' || rank === 'known').toBe(true);
								inside.delete(result.displaced ?? -1);
								inside.set(index, { group, rank });
							}
						} else if (member !== undefined && action === 'confirm') {
							pool.confirm(member);
							inside.get(member)!.rank = 'confirmed';
						} else if (member !== undefined) {
							pool.release(member);
							inside.delete(member);
						}
						const entries = [...inside.values()];
						expect(pool.size).toBe(inside.size);
						expect(pool.size).toBeLessThanOrEqual(capacity);
						expect(pool.unknownCount).toBe(entries.filter(({ rank }) => rank === 'unknown').length);
						expect(pool.unknownCount).toBeLessThanOrEqual(capacity - reserve);
						expect(pool.countOf(group)).toBe(
							entries.filter((entry) => entry.group === group && entry.rank !== 'confirmed').length,
						);
						expect(pool.countOf(group)).toBeLessThanOrEqual(share);
					}
				},
			),
			{ numRuns: 100 },
		);
	});

	it('keeps a member that is alone in its group during a flood from fewer groups than there are places', () => {
		fc.assert(
			fc.property(fc.array(fc.integer({ min: 0, max: 6 }), { maxLength: 300 }), (flood) => {
				const pool = new SharePool<string>({ capacity: 10, reserve: 1, share: 5 }, 'displace-oldest');
				pool.admit('honest', 'h', false);
				for (const [index, group] of flood.entries()) {
					pool.admit(`x${index}`, `x${group}`, false);
					expect(pool.countOf('h')).toBe(1);
				}
			}),
			{ numRuns: 50 },
		);
	});
});
