/** Tests of work-budget.ts: which broadcasts are admitted together, and that acquired capacity is released. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SpillwayError } from '../../core/errors/errors.ts';
import { admitBroadcast, EncoderBudget, pixelsPerSecond, workLimits, type BroadcastOwner } from './work-budget.ts';

const UNSET = { maxBroadcasts: 0, maxBroadcastsPerOwner: 1, maxEncoderPixelsPerSecond: 0, maxPublisherBitrateBps: 1e7 };
const FULL_HD_60 = pixelsPerSecond({ widthPixels: 1920, heightPixels: 1080 }, 60);

const unknown = (id: string): BroadcastOwner => ({ id, isKnown: false, isAdministrator: false });
const approved = (id: string): BroadcastOwner => ({ id, isKnown: true, isAdministrator: false });
const administrator: BroadcastOwner = { id: 'admin', isKnown: true, isAdministrator: true };
const unknowns = (count: number): BroadcastOwner[] => Array.from({ length: count }, (_, index) => unknown(`s${index}`));

describe('workLimits', () => {
	it('carries on two cores eight broadcasts and one re-encoded picture of 1080p60', () => {
		expect(workLimits(UNSET, 2)).toEqual({
			...UNSET,
			maxBroadcasts: 8,
			maxEncoderPixelsPerSecond: FULL_HD_60,
			encoderCoreCount: 2,
		});
	});

	it('keeps configured values', () => {
		const configured = { ...UNSET, maxBroadcasts: 3, maxEncoderPixelsPerSecond: 5 };
		expect(workLimits(configured, 64)).toEqual(configured);
	});
});

describe('admitBroadcast', () => {
	const limits = { maxBroadcasts: 8, maxBroadcastsPerOwner: 1 };
	const codeOf = (running: readonly BroadcastOwner[], newcomer: BroadcastOwner): string => {
		try {
			admitBroadcast(limits, running, newcomer);
			return 'admitted';
		} catch (error) {
			return (error as SpillwayError).code;
		}
	};

	it.each([
		['the eighth unknown account', unknowns(7), unknown('new'), 'admitted'],
		['the ninth unknown account', unknowns(8), unknown('new'), 'BROADCASTS_FULL'],
		['an approved account after eight unknown ones', unknowns(8), approved('new'), 'admitted'],
		['an administrator after nine', [...unknowns(8), approved('x')], administrator, 'admitted'],
		['an administrator after ten', [...unknowns(8), approved('x'), approved('y')], administrator, 'BROADCASTS_FULL'],
		['a second broadcast of one account', [unknown('a')], unknown('a'), 'LIMIT_REACHED'],
		['a second broadcast of an approved account', [approved('a')], approved('a'), 'LIMIT_REACHED'],
		['a third broadcast of an administrator', [administrator, administrator], administrator, 'admitted'],
		['channels without owner', [{ ...unknown(''), id: undefined }], { ...unknown(''), id: undefined }, 'admitted'],
	] as const)('decides on %s', (_what, running, newcomer, expected) => {
		expect(codeOf(running, newcomer)).toBe(expected);
	});

	it('names the limit and what to do', () => {
		expect(() => admitBroadcast(limits, [unknown('a')], unknown('a'))).toThrow(/on air once already.*End the other/);
		expect(() => admitBroadcast(limits, unknowns(8), unknown('a'))).toThrow(/carries 8 at once.*ingest.maxBroadcasts/);
	});
});

describe('EncoderBudget', () => {
	it('reserves half as much again for known owners', () => {
		const budget = new EncoderBudget(100);
		expect(budget.grantsFor(unknown('a')).acquire(100)).toBeDefined();
		expect(budget.grantsFor(unknown('b')).acquire(1)).toBeUndefined();
		expect(budget.grantsFor(approved('c')).acquire(51)).toBeUndefined();
		expect(budget.grantsFor(approved('c')).acquire(50)).toBeDefined();
	});

	it('never grants unknown owners more than the limit, and gets all of it back', () => {
		const actions = fc.array(
			fc.record({ owner: fc.boolean(), pixels: fc.integer({ min: 0, max: 80 }), releases: fc.nat({ max: 3 }) }),
			{ maxLength: 60 },
		);
		fc.assert(
			fc.property(actions, (steps) => {
				const budget = new EncoderBudget(100);
				const leases = [];
				for (const { owner, pixels, releases } of steps) {
					const before = budget.usedPixelsPerSecond;
					const lease = budget.grantsFor({ isKnown: owner }).acquire(pixels);
					expect(lease !== undefined).toBe(before + pixels <= (owner ? 150 : 100));
					if (lease !== undefined) {
						leases.push(lease);
					}
					for (const released of leases.splice(0, releases)) {
						released.release();
						released.release();
						released.resize(1000);
					}
					expect(budget.usedPixelsPerSecond).toBeLessThanOrEqual(150);
				}
				for (const lease of leases) {
					lease.release();
				}
				expect(budget.usedPixelsPerSecond).toBe(0);
			}),
		);
	});

	it('lets a running encoder grow, and refuses new ones for it', () => {
		const budget = new EncoderBudget(100);
		const lease = budget.grantsFor(unknown('a')).acquire(40)!;
		lease.resize(90);
		expect(budget.grantsFor(unknown('b')).acquire(20)).toBeUndefined();
		lease.resize(70);
		expect(budget.grantsFor(unknown('b')).acquire(20)).toBeDefined();
	});
});
