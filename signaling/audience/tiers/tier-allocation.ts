/** Decides which viewers enter and leave the WebRTC tier. Reads viewers lazily from ordered lists. */
import { withoutReserve, type TierLimits } from './tier-limits.ts';
import type { TierConditions, TierVerdict } from './tier-input.ts';
import { VIEWER_CLASSES, type Precedence, type ViewerStanding } from './tier-standing.ts';
import type { TierReason } from '../../../core/protocol/tiers.ts';

/** The part of the target (at least one) that is promoted within a second: each promotion bursts a GOP. */
const PROMOTION_RATIO = 0.02;
/** With {@link PROMOTION_RATIO}, promotions fill an empty tier of any size above 50 in 50 s. */
export const PROMOTION_WINDOW_MS = 1000;
/** No viewer is promoted for this long after the budget was exceeded: the load must settle first. */
export const COOL_DOWN_MS = 30_000;

export type Claimant = Precedence & {
	/** A transport of theirs already counts against the budget. */
	holdsWebRtc: boolean;
	/** They have no tier yet, so a place costs no hand-over. */
	isNewcomer: boolean;
};

/** The audience in order. The lists must not change while they are read. */
export interface AllocationView<Viewer extends Claimant> {
	readonly incumbentCount: number;
	/** Viewers decided LL-HLS, or without a decision, who hold a transport. */
	readonly leaverCount: number;
	/** Viewers who want WebRTC and are not in it, including those who cannot be moved yet. */
	readonly candidateCount: number;
	/** Incumbents who were promoted less than {@link PROMOTION_WINDOW_MS} ago. */
	readonly recentPromotionCount: number;
	/** A viewer was demoted because the budget was exceeded, less than {@link COOL_DOWN_MS} ago. */
	readonly isCoolingDown: boolean;
	/** Candidates who can be moved, best claim first. */
	candidates(): Iterable<Viewer>;
	/** Incumbents who can be moved, weakest claim first. */
	weakestIncumbents(): Iterable<Viewer>;
	/** Incumbents who were moved less than a minute ago, weakest claim first: for emergencies only. */
	weakestLateIncumbents(): Iterable<Viewer>;
}

/** The viewers who change tier, and the reasons of all others. */
export type Allocation<Viewer> = {
	promoted: Viewer[];
	/** `isOverload`: the budget was exceeded. Otherwise a better claim or a lower number of seats took their place. */
	demoted: ({ viewer: Viewer } & Demotion)[];
	/** For viewers in the WebRTC tier. */
	webRtcReason: 'fits' | 'priority';
	/** For candidates who stay outside. */
	waitingReason: TierReason;
	/** For candidates who stay outside despite a free place, because they were moved less than a minute ago. */
	lateReason: TierReason;
};

/** Demotes viewers beyond the limits, then fills the free places. */
export function allocate<Viewer extends Claimant>(
	view: AllocationView<Viewer>,
	limits: TierLimits,
	mode: TierConditions['policy']['mode'],
): Allocation<Viewer> {
	const crowdReason = mode === 'interactive-only' ? 'waiting-list' : limits.reason;
	const run = new AllocationRun(view, limits, crowdReason);
	run.reduce();
	const vacancyCount = run.fill();
	const waitingCount = view.candidateCount - run.promoted.length + run.demoted.length;
	return {
		promoted: run.promoted,
		demoted: run.demoted,
		webRtcReason: waitingCount === 0 ? 'fits' : 'priority',
		waitingReason: crowdReason,
		lateReason: vacancyCount > 0 ? 'switched-lately' : crowdReason,
	};
}

type Demotion = { reason: TierReason; isEmergency: boolean; isOverload: boolean };

export function demotionVerdict({ reason, isEmergency, isOverload }: Demotion): TierVerdict {
	return { tier: 'll-hls', reason, isEmergency, ...(isOverload ? { isOverload } : {}) };
}

/** The reason of a viewer who keeps their tier. */
export function standingReason(
	standing: ViewerStanding,
	allocation: Omit<Allocation<unknown>, 'promoted'>,
): TierReason {
	switch (standing.kind) {
		case 'excluded':
			return standing.reason;
		case 'incumbent':
			return standing.overstays ? 'switched-lately' : allocation.webRtcReason;
		case 'candidate':
			return standing.keptReason ?? (standing.canMove ? allocation.waitingReason : allocation.lateReason);
	}
}

class AllocationRun<Viewer extends Claimant> {
	readonly promoted: Viewer[] = [];
	readonly demoted: Allocation<Viewer>['demoted'] = [];
	readonly #view: AllocationView<Viewer>;
	readonly #limits: TierLimits;
	readonly #crowdReason: TierReason;
	readonly #weakest: Iterator<Viewer>;
	#peeked: Viewer | undefined;
	#incumbentCount: number;
	/** Transports that are open or promised. */
	#usedCount: number;
	#promotionsLeft: number;

	constructor(view: AllocationView<Viewer>, limits: TierLimits, crowdReason: TierReason) {
		this.#view = view;
		this.#limits = limits;
		this.#crowdReason = crowdReason;
		this.#weakest = view.weakestIncumbents()[Symbol.iterator]();
		this.#incumbentCount = view.incumbentCount;
		this.#usedCount = view.incumbentCount + view.leaverCount;
		const most = Math.max(1, Math.floor(Math.min(limits.target, 1e9) * PROMOTION_RATIO));
		this.#promotionsLeft = view.isCoolingDown ? 0 : Math.max(0, most - view.recentPromotionCount);
	}

	/** Demotes viewers beyond the limits. Leaving viewers are not counted: more demotions free no place sooner. */
	reduce(): void {
		const { hard, seats, hardReason, isSfuGone } = this.#limits;
		if (this.#incumbentCount > hard) {
			// Below the limit, or its next fluctuation would demote the next viewer.
			this.#demoteDownTo(withoutReserve(hard), { reason: hardReason, isEmergency: isSfuGone, isOverload: !isSfuGone });
			for (const viewer of this.#view.weakestLateIncumbents()) {
				if (this.#incumbentCount <= hard) {
					break;
				}
				// No other viewer is left. An exceeded budget harms every picture, so the minute does not apply.
				this.#demote(viewer, { reason: hardReason, isEmergency: true, isOverload: !isSfuGone });
			}
		}
		if (this.#incumbentCount > seats) {
			const reason = this.#crowdReason === 'waiting-list' ? 'waiting-list' : 'seats-full';
			this.#demoteDownTo(seats, { reason, isEmergency: false, isOverload: false });
		}
		// Unproven claims lose their places first, to make room for newcomers.
		while (this.#incumbentCount > this.#limits.target && this.#peekWeakest()?.viewerClass === VIEWER_CLASSES.unproven) {
			this.#demoteWeakest({ reason: this.#crowdReason, isEmergency: false, isOverload: false });
		}
	}

	/**
	 * Gives free places to the best claims; returns how many places no candidate claims. A place belongs to the first in
	 * the queue even while they wait for a release or for their turn: a newcomer does not overtake them.
	 */
	fill(): number {
		let vacancyCount = this.#limits.target - this.#incumbentCount;
		for (const candidate of this.#view.candidates()) {
			const isInTurn =
				candidate.isNewcomer || candidate.viewerClass <= VIEWER_CLASSES.guest || this.#promotionsLeft > 0;
			if (vacancyCount > 0) {
				vacancyCount--;
				if (isInTurn && this.#usedAfter(candidate) <= this.#ceilingFor(candidate)) {
					this.#promote(candidate);
				}
			} else if (!isInTurn || !this.#displaceFor(candidate)) {
				// The following candidates have no better claim.
				break;
			}
		}
		return Math.max(0, vacancyCount);
	}

	// A better claim takes a place at once from the reserve, while the displaced viewer is handed over. Without a reserve
	// (a single place, a budget that has just shrunk) the weakest is demoted first, and the place waits for the release.
	#displaceFor(candidate: Viewer): boolean {
		const weakest = this.#peekWeakest();
		if (weakest === undefined || weakest.viewerClass <= candidate.viewerClass) {
			return false;
		}
		const released = weakest.holdsWebRtc ? 0 : 1;
		const fits = this.#usedAfter(candidate) - released <= this.#limits.handOver;
		const isViewerLeaving = this.#usedCount > this.#incumbentCount;
		if (this.#limits.target === 0 || (!fits && isViewerLeaving)) {
			return false;
		}
		this.#demoteWeakest({ reason: this.#crowdReason, isEmergency: false, isOverload: false });
		if (fits) {
			this.#promote(candidate);
		}
		return fits;
	}

	#ceilingFor(candidate: Viewer): number {
		return candidate.viewerClass < VIEWER_CLASSES.plain ? this.#limits.handOver : this.#limits.target;
	}

	#usedAfter(candidate: Viewer): number {
		return this.#usedCount + (candidate.holdsWebRtc ? 0 : 1);
	}

	#promote(candidate: Viewer): void {
		this.#usedCount = this.#usedAfter(candidate);
		this.#incumbentCount++;
		this.#promotionsLeft -= candidate.isNewcomer ? 0 : 1;
		this.promoted.push(candidate);
	}

	#demoteDownTo(count: number, how: Demotion): void {
		while (this.#incumbentCount > count && this.#peekWeakest() !== undefined) {
			this.#demoteWeakest(how);
		}
	}

	#demoteWeakest(how: Demotion): void {
		const viewer = this.#peekWeakest()!;
		this.#peeked = undefined;
		this.#demote(viewer, how);
	}

	#demote(viewer: Viewer, how: Demotion): void {
		this.#incumbentCount--;
		this.#usedCount -= viewer.holdsWebRtc ? 0 : 1;
		this.demoted.push({ viewer, ...how });
	}

	#peekWeakest(): Viewer | undefined {
		if (this.#peeked === undefined) {
			const next = this.#weakest.next();
			this.#peeked = next.done === true ? undefined : next.value;
		}
		return this.#peeked;
	}
}
