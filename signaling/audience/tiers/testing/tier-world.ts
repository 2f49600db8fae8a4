/** An audience for tests of the tier controller: moves time, opens and closes transports like players, checks rules. */
import { decideTiers, heldPictures } from './decide-tiers.ts';
import { nextDecided, type TierConditions, type TierVerdict, type TierViewer } from '../tier-input.ts';
import { tierLimits } from '../tier-limits.ts';
import { TIER_REASONS, type TierReason } from '../../../../core/protocol/tiers.ts';

/** Wishes of a viewer and failures of their connection. */
const OWN_REASONS: readonly TierReason[] = [
	'pinned',
	'webrtc-unsupported',
	'webrtc-blocked',
	'line-too-poor',
	'session-ended',
];

export function testViewer(id: string, joinedAtMs: number, change: Partial<TierViewer> = {}): TierViewer {
	return {
		id,
		joinedAtMs,
		role: 'viewer',
		lastChatAtMs: undefined,
		canWebRtc: true,
		canHls: true,
		isPinnedToHls: false,
		webRtcFailedAtMs: undefined,
		failureCount: 0,
		failureCause: undefined,
		isLineShort: false,
		decided: undefined,
		holdsWebRtc: false,
		isUnproven: false,
		bestPicture: 'source',
		...change,
	};
}

/** Room for `places` viewers, a tenth of it for hand-overs; enough bits and CPU. */
export function testConditions(places: number, change: Partial<TierConditions> = {}): TierConditions {
	return {
		policy: { mode: 'automatic', interactiveSeats: null },
		bitrateBps: 3_000_000,
		soundBps: 100_000,
		consumersPerViewer: 2,
		budget: { maxConsumers: places * 2, maxBitrateBps: 1e15, maxWorkerCpu: 0.85 },
		load: { workerCpu: 0.1, consumersMeasured: undefined },
		otherChannelsHeld: { consumers: 0, bitrateBps: 0 },
		...change,
	};
}

export type SeenSwitch = { id: string; atMs: number; verdict: TierVerdict; isOwn: boolean };

/** Runs `decideTiers` and acts for the players. Throws when an invariant is broken. */
export class TierWorld {
	nowMs = 1_000_000;
	conditions: TierConditions;
	readonly viewers = new Map<string, TierViewer>();
	readonly switches: SeenSwitch[] = [];
	verdicts = new Map<string, TierVerdict>();
	/** How long a hand-over takes before the viewer's transport closes. */
	readonly #slideMs: (id: string) => number;
	readonly #closeAtMs = new Map<string, number>();

	constructor(conditions: TierConditions, slideMs: (id: string) => number = () => 20_000) {
		this.conditions = conditions;
		this.#slideMs = slideMs;
	}

	join(id: string, change: Partial<TierViewer> = {}): void {
		this.viewers.set(id, testViewer(id, this.nowMs, change));
	}

	leave(id: string): void {
		this.viewers.delete(id);
		this.#closeAtMs.delete(id);
	}

	change(id: string, change: Partial<TierViewer>): void {
		const viewer = this.viewers.get(id);
		if (viewer !== undefined) {
			Object.assign(viewer, change);
		}
	}

	/** WebRTC fails for a viewer, as their player reports it. */
	fail(id: string, failureCause: TierViewer['failureCause']): void {
		const viewer = this.viewers.get(id);
		if (viewer !== undefined) {
			const failureCount = viewer.failureCount + 1;
			this.change(id, { webRtcFailedAtMs: this.nowMs, failureCount, failureCause, holdsWebRtc: false });
		}
	}

	/** Advances time with a run every `stepMs`. */
	pass(durationMs: number, stepMs = 1000): void {
		for (let passedMs = 0; passedMs < durationMs; passedMs += stepMs) {
			this.nowMs += stepMs;
			this.decide();
		}
	}

	/** Closes the transports that are due, and those of dead workers. Part of {@link decide}. */
	settleTransports(isEmergency: ReadonlySet<string>): void {
		for (const [id, atMs] of this.#closeAtMs) {
			if (atMs <= this.nowMs) {
				this.#closeAtMs.delete(id);
				this.change(id, { holdsWebRtc: false });
			}
		}
		for (const id of isEmergency) {
			this.change(id, { holdsWebRtc: false });
		}
	}

	/** One run, applied to all viewers. */
	decide(isEmergency: ReadonlySet<string> = new Set()): void {
		this.settleTransports(isEmergency);
		const viewers = [...this.viewers.values()];
		const input = { ...this.conditions, nowMs: this.nowMs, viewers, isEmergency };
		// A write to a frozen object throws.
		viewers.forEach((viewer) => Object.freeze(viewer));
		this.verdicts = decideTiers(input);
		this.#check(viewers);
		for (const { id } of viewers) {
			const viewer = { ...this.viewers.get(id)! };
			this.viewers.set(id, viewer);
			this.#apply(viewer);
		}
	}

	count(tier: 'webrtc' | 'll-hls'): number {
		return [...this.viewers.values()].filter(({ decided }) => decided?.tier === tier).length;
	}

	/** Transports that are open or promised. */
	get heldCount(): number {
		return [...this.viewers.values()].filter(({ decided, holdsWebRtc }) => holdsWebRtc || decided?.tier === 'webrtc')
			.length;
	}

	tierOf(id: string): string {
		return this.verdicts.get(id)!.tier;
	}

	reasonOf(id: string): string {
		return this.verdicts.get(id)!.reason;
	}

	#apply(viewer: TierViewer): void {
		const verdict = this.verdicts.get(viewer.id)!;
		const before = viewer.decided;
		viewer.decided = nextDecided(before, verdict, this.nowMs);
		if (verdict.tier === 'webrtc') {
			viewer.holdsWebRtc = true;
			this.#closeAtMs.delete(viewer.id);
		} else if (viewer.holdsWebRtc && !this.#closeAtMs.has(viewer.id)) {
			this.#closeAtMs.set(viewer.id, this.nowMs + (verdict.isEmergency ? 0 : this.#slideMs(viewer.id)));
		}
		if (before !== undefined && before.tier !== verdict.tier) {
			// These do not count as moves by the controller.
			const isOwn = before.reason === 'pinned' || OWN_REASONS.includes(verdict.reason);
			const isBack = ['worker-lost', 'session-ended', 'line-too-poor'].includes(before.reason);
			const at = before.switchedAtMs;
			const isSoon = at !== undefined && this.nowMs - at < 60_000;
			mustHold(!isSoon || isOwn || isBack || verdict.isEmergency, `${viewer.id} was moved twice within a minute`);
			this.switches.push({ id: viewer.id, atMs: this.nowMs, verdict, isOwn });
		}
	}

	#check(viewers: readonly TierViewer[]): void {
		mustHold(this.verdicts.size === viewers.length, 'a viewer has no tier');
		const holders = viewers.filter(({ decided, holdsWebRtc }) => holdsWebRtc || decided?.tier === 'webrtc');
		const usedBefore = holders.length;
		const usedAfter = viewers.filter(
			({ id, holdsWebRtc }) => holdsWebRtc || this.verdicts.get(id)!.tier === 'webrtc',
		).length;
		// An excluded viewer without a transport no longer counts, so the limit is the larger of both.
		const { hard } = tierLimits(this.conditions, usedBefore, heldPictures(holders));
		mustHold(usedAfter <= Math.max(hard, usedBefore), `${usedAfter} hold or may open WebRTC, the limit is ${hard}`);
		const incumbentsAfter = viewers.filter(({ id }) => this.verdicts.get(id)!.tier === 'webrtc').length;
		mustHold(incumbentsAfter <= hard || hasStayers(viewers), `${incumbentsAfter} decided WebRTC, limit ${hard}`);
		for (const viewer of viewers) {
			this.#checkOne(viewer);
		}
	}

	#checkOne(viewer: TierViewer): void {
		const { tier, reason, waitingPosition } = this.verdicts.get(viewer.id)!;
		mustHold((TIER_REASONS as readonly string[]).includes(reason), `the reason ${reason} is not in the table`);
		mustHold((waitingPosition !== undefined) === (reason === 'waiting-list'), 'a position belongs to the waiting list');
		mustHold(tier === 'webrtc' || !['fits', 'priority'].includes(reason), `LL-HLS because of ${reason}`);
		if (!viewer.canWebRtc || (viewer.isPinnedToHls && viewer.canHls)) {
			mustHold(
				tier === 'll-hls' && ['pinned', 'webrtc-unsupported', 'worker-lost'].includes(reason),
				`${viewer.id} got ${tier}, ${reason}`,
			);
		}
	}
}

// In mass-only a viewer who was just moved stays for the rest of the minute, regardless of the budget.
function hasStayers(viewers: readonly TierViewer[]): boolean {
	return viewers.some(({ decided }) => decided?.switchedAtMs !== undefined);
}

function mustHold(condition: boolean, message: string): void {
	if (!condition) {
		throw new Error(message);
	}
}
