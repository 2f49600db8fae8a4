/** Unit tests of work-budget.ts: who is admitted beside whom, and that room that was taken comes back. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SpillwayError } from '../../core/errors/errors.ts';
import { admitBroadcast, EncoderBudget, pixelsPerSecond, workLimits, type BroadcastOwner } from './work-budget.ts';

const UNSET = { maxBroadcasts: 0, maxBroadcastsPerOwner: 1, maxEncoderPixelsPerSecond: 0, maxPublisherBitrateBps: 1e7 };
const FULL_HD_60 = pixelsPerSecond({ widthPixels: 1920, heightPixels: 1080 }, 60);

const stranger = (id: string): BroadcastOwner => ({ id, isKnown: false, isAdministrator: false });
const approved = (id: string): BroadcastOwner => ({ id, isKnown: true, isAdministrator: false });
const administrator: BroadcastOwner = { id: 'admin', isKnown: true, isAdministrator: true };
const strangers = (count: number): BroadcastOwner[] =>
	Array.from({ length: count }, (_, index) => stranger(`s${index}`));

describe('workLimits', () => {
	it('carries on two cores eight broadcasts and one re-encoded picture of 1080p60', () => {
		expect(workLimits(UNSET, 2)).toEqual({
			...UNSET,
			maxBroadcasts: 8,
			maxEncoderPixelsPerSecond: FULL_HD_60,
		});
	});

	it('takes what is configured', () => {
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
		['the eighth stranger', strangers(7), stranger('new'), 'admitted'],
		['the ninth stranger', strangers(8), stranger('new'), 'BROADCASTS_FULL'],
		['an approved account beside eight strangers', strangers(8), approved('new'), 'admitted'],
		['an administrator beside nine', [...strangers(8), approved('x')], administrator, 'admitted'],
		['an administrator beside ten', [...strangers(8), approved('x'), approved('y')], administrator, 'BROADCASTS_FULL'],
		['a second broadcast of one account', [stranger('a')], stranger('a'), 'LIMIT_REACHED'],
		['a second broadcast of an approved account', [approved('a')], approved('a'), 'LIMIT_REACHED'],
		['a third broadcast of an administrator', [administrator, administrator], administrator, 'admitted'],
		['channels of nobody', [{ ...stranger(''), id: undefined }], { ...stranger(''), id: undefined }, 'admitted'],
	] as const)('judges %s', (_what, running, newcomer, expected) => {
		expect(codeOf(running, newcomer)).toBe(expected);
	});

	it('names in its words what is full and what to do', () => {
		expect(() => admitBroadcast(limits, [stranger('a')], stranger('a'))).toThrow(/on air once already.*End the other/);
		expect(() => admitBroadcast(limits, strangers(8), stranger('a'))).toThrow(
			/carries 8 at once.*ingest.maxBroadcasts/,
		);
	});
});

describe('EncoderBudget', () => {
	it('grants known owners half as much more than strangers can fill', () => {
		const budget = new EncoderBudget(100);
		expect(budget.grantsFor(stranger('a')).take(100)).toBeDefined();
		expect(budget.grantsFor(stranger('b')).take(1)).toBeUndefined();
		expect(budget.grantsFor(approved('c')).take(51)).toBeUndefined();
		expect(budget.grantsFor(approved('c')).take(50)).toBeDefined();
	});

	it('never grants strangers more than there is, and has all of it back in the end', () => {
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
					const lease = budget.grantsFor({ isKnown: owner }).take(pixels);
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

	it('lets what runs grow, and refuses newcomers for it', () => {
		const budget = new EncoderBudget(100);
		const lease = budget.grantsFor(stranger('a')).take(40)!;
		lease.resize(90);
		expect(budget.grantsFor(stranger('b')).take(20)).toBeUndefined();
		lease.resize(70);
		expect(budget.grantsFor(stranger('b')).take(20)).toBeDefined();
	});
});
