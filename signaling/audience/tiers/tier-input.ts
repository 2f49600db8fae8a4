/** Input and answers of the tier controller: plain data. The rules are in tier-standing, -limits and -allocation. */
import type { ChannelPolicy } from '../../../core/protocol/api/channel-description.ts';
import type { ClientMessage } from '../../../core/protocol/signaling/signaling-messages.ts';
import type { WishedRung } from '../../../core/protocol/ladder-choice.ts';
import type { DeliveryTier, TierReason } from '../../../core/protocol/tiers.ts';
import type { PictureCost, PictureGroup } from './held-pictures.ts';

/** The capacity of this node's SFU, all channels together. */
export type SfuBudget = {
	/** Consumers of viewers; 0 while no worker runs. */
	maxConsumers: number;
	/** Bits per second towards viewers. */
	maxBitrateBps: number;
	/** CPU of the busiest worker, 0–1 of a core. */
	maxWorkerCpu: number;
};

export type SfuLoad = {
	/** Of the busiest worker, 0–1 of a core, smoothed. */
	workerCpu: number;
	/** Viewers' consumers, all channels, smoothed like `workerCpu`; undefined: use the consumers held now. */
	consumersMeasured?: number | undefined;
};

export type ViewerRole = 'broadcaster' | 'moderator' | 'guest' | 'subscriber' | 'viewer';

/** As the player reports it; `session-ended`: just after the server had ended their session. */
type WebRtcFailureCause = Extract<ClientMessage, { type: 'tier-failed' }>['cause'] | 'session-ended';

/** The last decision for a viewer, updated by {@link nextDecided}. */
export type DecidedTier = {
	tier: DeliveryTier;
	/** Why they entered this tier; a later reason for the same tier does not replace it. */
	reason: TierReason;
	/** Since when they are in this tier. */
	sinceMs: number;
	/** When they were last moved between the tiers; undefined: they are in the tier that they joined in. */
	switchedAtMs: number | undefined;
	isOverload?: true;
};

/** One viewer. Times are the clock's `nowMs`. */
export type TierViewer = {
	/** Orders viewers who joined in the same millisecond. */
	id: string;
	joinedAtMs: number;
	role: ViewerRole;
	lastChatAtMs: number | undefined;
	canWebRtc: boolean;
	canHls: boolean;
	isPinnedToHls: boolean;
	/** When WebRTC failed last; undefined: never, or it has played well since. */
	webRtcFailedAtMs: number | undefined;
	/** Failures in a row. */
	failureCount: number;
	failureCause: WebRtcFailureCause | undefined;
	/** Their player says that the line does not carry the smallest picture over LL-HLS at the live edge. */
	isLineShort: boolean;
	/** Undefined: a newcomer. */
	decided: DecidedTier | undefined;
	/** A WebRTC transport of theirs is open or being opened: it counts against the budget until it is closed. */
	holdsWebRtc: boolean;
	/** Claims WebRTC without connecting, for too long or as one of too many: gives way to every other viewer. */
	isUnproven: boolean;
	/**
	 * The best picture that their line, their screen and their choice allow now or at their next step up; `audio`: none.
	 */
	bestPicture: WishedRung;
};

/** Whose pictures get smaller last. */
export function pictureGroup({ role }: Pick<TierViewer, 'role'>): PictureGroup {
	return role === 'viewer' ? 'ordinary' : 'priority';
}

/** The facts that are the same for every viewer of a channel. */
export type TierConditions = {
	/** `interactive-only`: viewers without a place watch LL-HLS and wait in a list. `mass-only`: LL-HLS for all. */
	policy: ChannelPolicy;
	/** Of one WebRTC viewer of the source; 0: unknown, no limit. */
	bitrateBps: number;
	/** Of these, the sound's. */
	soundBps: number;
	/** Of the pictures that viewers may get, lowest first, the source last; undefined without smaller ones. */
	pictures?: readonly PictureCost[] | undefined;
	/** Two for sound and picture. */
	consumersPerViewer: number;
	budget: SfuBudget;
	load: SfuLoad;
	/**
	 * Held by the rest of the node: other channels, and WHEP players without a socket. Bits with the smallest pictures
	 * that the budget may ask for, because pictures get smaller before a viewer is moved.
	 */
	otherChannelsHeld: { consumers: number; bitrateBps: number };
};

/** The input of `decideTiers` (testing/decide-tiers.ts). @internal for tests */
export type TierInput = TierConditions & {
	nowMs: number;
	viewers: readonly TierViewer[];
	/** Viewers whose worker has just died: LL-HLS at once. */
	isEmergency?: ReadonlySet<string>;
};

export type TierVerdict = {
	tier: DeliveryTier;
	reason: TierReason;
	/** An emergency hand-over instead of a planned one. Set only with the hand-over itself. */
	isEmergency: boolean;
	/** From 1; only with `waiting-list`. */
	waitingPosition?: number;
	/** Demoted because the budget was exceeded: no viewer is promoted for a while. Not sent to the viewer. */
	isOverload?: true;
};

/** The value of `decided` after a verdict; callers never construct it themselves. */
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
