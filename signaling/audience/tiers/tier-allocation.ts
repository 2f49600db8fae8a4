/**
 * Decides who comes into the WebRTC tier and who leaves it now. Sees viewers only through ordered lists, read lazily.
 */
import { withoutReserve, type TierLimits } from './tier-limits.ts';
import type { TierConditions, TierVerdict } from './tier-input.ts';
import { VIEWER_CLASSES, type Precedence, type ViewerStanding } from './tier-standing.ts';
import type { TierReason } from '../../../core/protocol/tiers.ts';

/**
 * Most of the target (but at least one) that is promoted within a second: each promotion opens a transport and bursts a
 * GOP.
 */
const PROMOTION_RATIO = 0.02;
/** See {@link PROMOTION_RATIO}: an empty tier of any size above 50 is filled by promotions in 50 s. */
export const PROMOTION_WINDOW_MS = 1000;
/**
 * After viewers were sent away because the budget was exceeded, nobody is promoted for this long: what was too much
 * must show first.
 */
export const COOL_DOWN_MS = 30_000;

/** A viewer in one of the lists. */
export type Claimant = Precedence & {
	/** A transport of theirs counts against the budget already. */
	holdsWebRtc: boolean;
	/** No tier decided yet: a place now costs no hand-over. */
	isNewcomer: boolean;
};

/** The audience in order. The lists must not change while they are read. */
export interface AllocationView<Viewer extends Claimant> {
	readonly incumbentCount: number;
	/** Viewers decided LL-HLS, or without a decision, who hold a transport. */
	readonly leaverCount: number;
	/** Viewers who want WebRTC and are not in it, those who cannot be moved yet included. */
	readonly candidateCount: number;
	/** Incumbents who were promoted less than {@link PROMOTION_WINDOW_MS} ago. */
	readonly recentPromotionCount: number;
	/** Somebody was sent away because the budget was exceeded less than {@link COOL_DOWN_MS} ago. */
	readonly isCoolingDown: boolean;
	/** Who can be moved, best claim first. */
	candidates(): Iterable<Viewer>;
	/** Who can be moved, weakest claim first. */
	weakestIncumbents(): Iterable<Viewer>;
	/** Who was moved less than a minute ago, weakest claim first: for emergencies only. */
	weakestLateIncumbents(): Iterable<Viewer>;
}

/** Who changes, and what is told to all the others. */
export type Allocation<Viewer> = {
	promoted: Viewer[];
	/**
	 * `isOverload`: the budget was exceeded; otherwise their place is for somebody with a better claim, or a seat was
	 * taken back.
	 */
	demoted: ({ viewer: Viewer } & Demotion)[];
	/** For those in the WebRTC tier. */
	webRtcReason: 'fits' | 'priority';
	/** For candidates who stay outside. */
	waitingReason: TierReason;
	/** For candidates who stay outside though there is a place, because they were moved less than a minute ago. */
	lateReason: TierReason;
};

/** Sends away whom the limits no longer hold, then fills what is free. */
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

/** What a viewer is told who is sent away. */
export function demotionVerdict({ reason, isEmergency, isOverload }: Demotion): TierVerdict {
	return { tier: 'll-hls', reason, isEmergency, ...(isOverload ? { isOverload } : {}) };
}

/** What a viewer is told who neither comes nor goes now. */
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

	/** Sends away what is too much. Those who are leaving already are not counted: sending more would not help sooner. */
	reduce(): void {
		const { hard, seats, hardReason, isSfuGone } = this.#limits;
		if (this.#incumbentCount > hard) {
			// Not only down to the limit: otherwise its next waver would send away the next one.
			this.#demoteDownTo(withoutReserve(hard), { reason: hardReason, isEmergency: isSfuGone, isOverload: !isSfuGone });
			for (const viewer of this.#view.weakestLateIncumbents()) {
				if (this.#incumbentCount <= hard) {
					break;
				}
				// Nobody else is left: a budget that is exceeded harms everybody's picture, so the minute has to yield.
				this.#demote(viewer, { reason: hardReason, isEmergency: true, isOverload: !isSfuGone });
			}
		}
		if (this.#incumbentCount > seats) {
			const reason = this.#crowdReason === 'waiting-list' ? 'waiting-list' : 'seats-full';
			this.#demoteDownTo(seats, { reason, isEmergency: false, isOverload: false });
		}
		// Places that are claimed and not taken are the first to be given up: they would be in the way of newcomers.
		while (this.#incumbentCount > this.#limits.target && this.#peekWeakest()?.viewerClass === VIEWER_CLASSES.unproven) {
			this.#demoteWeakest({ reason: this.#crowdReason, isEmergency: false, isOverload: false });
		}
	}

	/**
	 * Gives free places to those with the best claims; returns how many stay free for nobody in particular. A place is
	 * owned by the first in the queue even while they wait for a release or for their turn: a newcomer does not overtake
	 * them.
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
				// Whoever follows has no better claim.
				break;
			}
		}
		return Math.max(0, vacancyCount);
	}

	// Somebody with a better claim takes a place at once, while the one they displace slides back: that is what the
	// reserve is for. Without a reserve (a single place, a budget that has just shrunk) one is sent away first, and the
	// place waits for the release.
	#displaceFor(candidate: Viewer): boolean {
		const weakest = this.#peekWeakest();
		if (weakest === undefined || weakest.viewerClass <= candidate.viewerClass) {
			return false;
		}
		const released = weakest.holdsWebRtc ? 0 : 1;
		const fits = this.#usedAfter(candidate) - released <= this.#limits.handOver;
		const isSomebodyLeaving = this.#usedCount > this.#incumbentCount;
		if (this.#limits.target === 0 || (!fits && isSomebodyLeaving)) {
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
