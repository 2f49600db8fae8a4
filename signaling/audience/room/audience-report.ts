/** Summarises viewers for their streamer: counts by tier, reasons, latency. Pure. */
import type { AudienceReport } from '../../../core/protocol/api/audience-report.ts';
import type {
	TierDecision,
	ViewerPicture,
	ViewerStatistics,
} from '../../../core/protocol/signaling/signaling-messages.ts';
import { SHOWN_RUNGS } from '../../../core/protocol/ladder-choice.ts';
import { percentile } from '../../../core/percentiles.ts';
import { DELIVERY_TIERS, type DeliveryTier } from '../../../core/protocol/tiers.ts';

type ReportedViewer = {
	decision: TierDecision | undefined;
	statistics: ViewerStatistics | undefined;
	/** Of the WebRTC transport. */
	picture: ViewerPicture | undefined;
};

/** Reports the viewers of one server. */
export function reportAudience(
	viewers: Iterable<ReportedViewer>,
	total: { viewerCount: number; isComplete: boolean },
): AudienceReport {
	const counts: Record<DeliveryTier, number> = { webrtc: 0, 'll-hls': 0 };
	const latencies: Record<DeliveryTier, number[]> = { webrtc: [], 'll-hls': [] };
	const reasons = new Map<string, AudienceReport['reasons'][number]>();
	const shown = new Map<string, number>();
	let waitingCount = 0;
	for (const { decision, statistics, picture } of viewers) {
		if (decision !== undefined) {
			const { tier, reason } = decision;
			counts[tier]++;
			waitingCount += decision.waitingPosition === undefined ? 0 : 1;
			const row = reasons.get(`${tier} ${reason}`) ?? { tier, reason, count: 0 };
			row.count++;
			reasons.set(`${tier} ${reason}`, row);
		}
		if (statistics?.state === 'playing' && statistics.latencyMs !== undefined) {
			latencies[statistics.tier].push(statistics.latencyMs);
		}
		// The server knows best what it sends; what an LL-HLS player shows is known only to the player.
		const rung = statistics?.tier === 'webrtc' ? picture?.shown : statistics?.rung;
		if (statistics?.state === 'playing' && rung !== undefined && rung !== null) {
			const key = `${statistics.tier} ${rung}`;
			shown.set(key, (shown.get(key) ?? 0) + 1);
		}
	}
	const describe = (tier: DeliveryTier): AudienceReport['byTier'][DeliveryTier] => ({
		count: counts[tier],
		latencyMs:
			latencies[tier].length === 0
				? null
				: { p50: Math.round(percentile(latencies[tier], 50)), p95: Math.round(percentile(latencies[tier], 95)) },
	});
	return {
		...total,
		byTier: { webrtc: describe('webrtc'), 'll-hls': describe('ll-hls') },
		reasons: [...reasons.values()].sort((one, other) => other.count - one.count),
		rungs: DELIVERY_TIERS.flatMap((tier) =>
			SHOWN_RUNGS.map((rung) => ({ tier, rung, count: shown.get(`${tier} ${rung}`) ?? 0 })),
		).filter(({ count }) => count > 0),
		waitingCount,
	};
}
