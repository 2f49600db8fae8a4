/** The two tiers that a broadcast is delivered in, and why a viewer is in one of them. */

export const DELIVERY_TIERS = ['webrtc', 'll-hls'] as const;
export type DeliveryTier = (typeof DELIVERY_TIERS)[number];

/**
 * Why a viewer is in their tier. `pinned`: they chose LL-HLS. `mass-only`, `waiting-list`: the channel's mode. `fits`:
 * there is room for all viewers. `priority`: the viewer has a seat before others. `seats-full`: the channel's limit of
 * seats. `budget-consumers`, `budget-bitrate`, `budget-cpu`: the resource that is used up. `webrtc-unsupported`: the
 * browser lacks it. `webrtc-blocked`: the network blocks it. `line-too-poor`: the viewer's line is too slow.
 * `switched-lately`: at most one hand-over a minute. `worker-lost`, `sfu-unavailable`: a failure of the server.
 * `session-ended`: the server ended the viewer's session, most often with its broadcast, and the next one failed.
 */
export const TIER_REASONS = [
	'fits',
	'priority',
	'pinned',
	'mass-only',
	'waiting-list',
	'seats-full',
	'budget-consumers',
	'budget-bitrate',
	'budget-cpu',
	'webrtc-unsupported',
	'webrtc-blocked',
	'line-too-poor',
	'switched-lately',
	'worker-lost',
	'session-ended',
	'sfu-unavailable',
] as const;
export type TierReason = (typeof TIER_REASONS)[number];
