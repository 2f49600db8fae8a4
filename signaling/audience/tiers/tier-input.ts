/**
 * What the tier controller is told and what it answers: plain data. The rules are in tier-standing, -limits,
 * -allocation.
 */
import type { ChannelPolicy } from '../../../core/protocol/api/channel-description.ts';
import type { ClientMessage } from '../../../core/protocol/signaling/signaling-messages.ts';
import type { DeliveryTier, TierReason } from '../../../core/protocol/tiers.ts';

/** What this node's SFU may carry, all channels together. */
export type SfuBudget = {
	/** Consumers of viewers; 0 while no worker runs. */
	maxConsumers: number;
	/** Bits per second towards viewers. */
	maxBitrateBps: number;
	/** CPU of the busiest worker, 0–1 of a core. */
	maxWorkerCpu: number;
};

/** What the SFU's CPU does now. */
export type SfuLoad = {
	/** Of the busiest worker, 0–1 of a core, smoothed. */
	workerCpu: number;
	/** Viewers' consumers, all channels, smoothed just as `workerCpu` is; undefined: taken from what is held now. */
	consumersMeasured?: number | undefined;
};

/** What a viewer is for the channel. */
export type ViewerRole = 'broadcaster' | 'moderator' | 'guest' | 'subscriber' | 'viewer';

/** Why WebRTC failed, as the player says. */
type WebRtcFailureCause = Extract<ClientMessage, { type: 'tier-failed' }>['cause'];

/** What a viewer was told last. Kept by {@link nextDecided}. */
export type DecidedTier = {
	tier: DeliveryTier;
	/** With which they came into this tier; a reason that changes later without the tier does not replace it. */
	reason: TierReason;
	/** Since when they are in this tier. */
	sinceMs: number;
	/**
	 * When they were last moved from one tier to the other; undefined: never, the tier is the one that they joined in.
	 */
	switchedAtMs: number | undefined;
	isOverload?: true;
};

/** One viewer, as the controller sees them. Times are the clock's `nowMs`. */
export type TierViewer = {
	/** Decides between viewers who joined in the same millisecond. */
	id: string;
	joinedAtMs: number;
	role: ViewerRole;
	lastChatAtMs: number | undefined;
	canWebRtc: boolean;
	canHls: boolean;
	isPinnedToHls: boolean;
	/** When WebRTC failed last; undefined: it never did, or has played well for a while since. */
	webRtcFailedAtMs: number | undefined;
	/** Failures in a row. */
	failureCount: number;
	failureCause: WebRtcFailureCause | undefined;
	/** Undefined: a newcomer. */
	decided: DecidedTier | undefined;
	/** A WebRTC transport of theirs is open or being opened: it counts against the budget until it is closed. */
	holdsWebRtc: boolean;
	/** Has claimed WebRTC without connecting, for long or in a crowd of such: gives way to anybody else. */
	isUnproven: boolean;
};

/** All that is the same for every viewer of a channel. */
export type TierConditions = {
	/**
	 * `interactive-only`: who finds no place waits in a list (and watches LL-HLS meanwhile). `mass-only`: LL-HLS for all.
	 */
	policy: ChannelPolicy;
	/** Of one WebRTC viewer; 0: not known yet, does not limit. */
	bitrateBps: number;
	/** Two for sound and picture. */
	consumersPerViewer: number;
	budget: SfuBudget;
	load: SfuLoad;
	/** What the rest of the node holds: other channels, and WHEP players without a socket. */
	otherChannelsHeld: { consumers: number; bitrateBps: number };
};

/** Everything that `decideTiers` (testing/decide-tiers.ts) looks at. @internal for tests */
export type TierInput = TierConditions & {
	nowMs: number;
	viewers: readonly TierViewer[];
	/** Viewers whose worker has just died: LL-HLS at once. */
	isEmergency?: ReadonlySet<string>;
};

/** The answer for one viewer. */
export type TierVerdict = {
	tier: DeliveryTier;
	reason: TierReason;
	/** Jump at once instead of handing over softly. Set only with the switch itself. */
	isEmergency: boolean;
	/** From 1; only with `waiting-list`. */
	waitingPosition?: number;
	/** Sent away because the budget was exceeded: for a while nobody is promoted. Not for the viewer. */
	isOverload?: true;
};

/** What to keep as `decided` once a viewer has been told: callers never make it up themselves. */
export function nextDecided(
	decided: DecidedTier | undefined,
	verdict: Pick<TierVerdict, 'tier' | 'reason' | 'isOverload'>,
	nowMs: number,
): DecidedTier {
	if (decided === undefined) {
		return { tier: verdict.tier, reason: verdict.reason, sinceMs: nowMs, switchedAtMs: undefined };
	}
	if (decided.tier === verdict.tier) {
		return decided;
	}
	const { tier, reason, isOverload } = verdict;
	return { tier, reason, sinceMs: nowMs, switchedAtMs: nowMs, ...(isOverload ? { isOverload } : {}) };
}
