/** The viewers of a channel by tier, for the dashboard of its owner. */
import { Type, type Static } from 'typebox';
import { SHOWN_RUNGS } from '../ladder-choice.ts';
import { DELIVERY_TIERS, TIER_REASONS } from '../tiers.ts';
import { nullable } from './nullable.ts';

const latency = nullable(
	Type.Object(
		{ p50: Type.Number(), p95: Type.Number() },
		{ description: 'Milliseconds, from capture time to display.' },
	),
	{ description: 'Of the viewers that reported within the last 15 s; null when none did.' },
);
const tierAudience = Type.Object({
	count: Type.Integer({ minimum: 0, description: 'Viewers that are assigned to this tier.' }),
	latencyMs: latency,
});

export const audienceReportSchema = Type.Object({
	viewerCount: Type.Integer({ minimum: 0, description: 'Viewers over all servers.' }),
	isComplete: Type.Boolean({ description: 'False while the servers cannot reach each other: own viewers only.' }),
	byTier: Type.Object({ webrtc: tierAudience, 'll-hls': tierAudience }, { description: 'Viewers of this server.' }),
	reasons: Type.Array(
		Type.Object({
			tier: Type.Enum([...DELIVERY_TIERS]),
			reason: Type.Enum([...TIER_REASONS]),
			count: Type.Integer({ minimum: 1 }),
		}),
		{ maxItems: 64, description: 'Most frequent first.' },
	),
	rungs: Type.Array(
		Type.Object({
			tier: Type.Enum([...DELIVERY_TIERS]),
			rung: Type.Enum([...SHOWN_RUNGS]),
			count: Type.Integer({ minimum: 1 }),
		}),
		{ maxItems: 32, description: 'What plays, from the best down, of the viewers that reported it within 15 s.' },
	),
	waitingCount: Type.Integer({ minimum: 0, description: 'Viewers in the waiting list for WebRTC.' }),
});
export type AudienceReport = Static<typeof audienceReportSchema>;
