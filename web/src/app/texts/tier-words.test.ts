/** Every reason has its own text, for viewers and for streamers. */
import { expect, it } from 'vitest';
import { formatReason, formatReasonToStreamer } from './tier-words.ts';
import { TIER_REASONS, type TierReason } from '../../../../core/protocol/tiers.ts';

it('has a text for each reason', () => {
	const toViewer = TIER_REASONS.map((reason) => formatReason({ reason }));
	const toStreamer = TIER_REASONS.map(formatReasonToStreamer);
	expect(new Set(toViewer).size).toBe(TIER_REASONS.length);
	expect(new Set(toStreamer).size).toBe(TIER_REASONS.length);
	expect(toViewer.filter((words) => !/^[A-Z].*\.$/.test(words))).toEqual([]);
});

it('shows the place in the waiting list', () => {
	expect(formatReason({ reason: 'waiting-list', waitingPosition: 3 })).toContain('number 3');
});

it('does not blame the audience when the channel has low latency only', () => {
	const texts = [formatReason({ reason: 'mass-only' }), formatReasonToStreamer('mass-only')];
	expect(texts.filter((text) => !text.includes('low latency only') || /crowd|seat|room/.test(text))).toEqual([]);
});

it('has a sentence for a reason that only a newer server knows', () => {
	const reason = 'moon-phase' as TierReason;
	expect(formatReason({ reason })).toMatch(/^[A-Z].*\.$/);
	expect(formatReasonToStreamer(reason)).toBe('another reason (moon-phase)');
});
