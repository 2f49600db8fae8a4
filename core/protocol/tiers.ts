/** The two tiers that a broadcast is delivered in, and why a viewer is in one of them. */

/** The two ways a channel is delivered. */
export const DELIVERY_TIERS = ['webrtc', 'll-hls'] as const;
/** One of {@link DELIVERY_TIERS}. */
export type DeliveryTier = (typeof DELIVERY_TIERS)[number];

/**
 * Why a viewer is in their tier. `pinned`: they chose LL-HLS themselves. `mass-only`, `waiting-list`: the channel's
 * policy. `fits`: there is room for everybody. `priority`: in spite of the crowd. `seats-full`: the channel's own
 * number of seats. `budget-consumers`, `budget-bitrate`, `budget-cpu`: what ran out. `webrtc-unsupported`: the browser
 * cannot. `webrtc-blocked`: the network does not let it through. `line-too-poor`: the line does not carry the picture.
 * `switched-lately`: at most one switch a minute. `worker-lost`, `sfu-unavailable`: on our side.
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
	'sfu-unavailable',
] as const;
/** One of {@link TIER_REASONS}. */
export type TierReason = (typeof TIER_REASONS)[number];
