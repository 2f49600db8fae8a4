/** Every reason has words of its own, for both. */
import { expect, it } from 'vitest';
import { sayReason, sayReasonToStreamer } from './tier-words.ts';
import { TIER_REASONS } from '../../../../core/protocol/tiers.ts';

it('has its own words for each reason', () => {
	const toViewer = TIER_REASONS.map((reason) => sayReason({ reason }));
	const toStreamer = TIER_REASONS.map(sayReasonToStreamer);
	expect(new Set(toViewer).size).toBe(TIER_REASONS.length);
	expect(new Set(toStreamer).size).toBe(TIER_REASONS.length);
	expect(toViewer.filter((words) => !/^[A-Z].*\.$/.test(words))).toEqual([]);
});

it('tells the place in the waiting list', () => {
	expect(sayReason({ reason: 'waiting-list', waitingPosition: 3 })).toContain('number 3');
});
