/** The tier controller: keeps viewers in order, so that the cost of a run depends on what changed. */
import type { WishedRung } from '../../../core/protocol/ladder-choice.ts';
import { DeadlineQueue } from './deadline-queue.ts';
import { HeldPictures, type PictureGroup } from './held-pictures.ts';
import { OrderedSet } from './ordered-set.ts';
import {
	allocate,
	COOL_DOWN_MS,
	demotionVerdict,
	PROMOTION_WINDOW_MS,
	standingReason,
	type Allocation,
	type AllocationView,
	type Claimant,
} from './tier-allocation.ts';
import {
	nextDecided,
	pictureGroup,
	type DecidedTier,
	type TierConditions,
	type TierVerdict,
	type TierViewer,
} from './tier-input.ts';
import { tierLimits, type TierLimits } from './tier-limits.ts';
import { comparePrecedence, viewerStanding, type ViewerStanding } from './tier-standing.ts';

/** The facts about a viewer that may change. The controller itself keeps `decided`. */
export type TierViewerChange = Partial<Omit<TierViewer, 'id' | 'joinedAtMs' | 'decided'>>;

/** A viewer's first tier, or a hand-over. @internal for tests */
export type TierChange = { id: string; verdict: TierVerdict };

/** As of the last {@link TierController.decide}. */
type TierCounts = {
	viewerCount: number;
	/** Decided WebRTC. */
	webRtcCount: number;
	/** Decided LL-HLS but with a transport still open. */
	leavingCount: number;
	/** Want WebRTC and are not in it. */
	waitingCount: number;
	/** Undefined before the first run. */
	limits: TierLimits | undefined;
};

type Entry = Claimant & {
	viewer: TierViewer;
	/** As of the last classification; undefined: not in any list. */
	standing: ViewerStanding | undefined;
	isLeaver: boolean;
	isGone: boolean;
	/** How they are counted in the held pictures; undefined: they hold nothing. */
	held: { group: PictureGroup; best: WishedRung } | undefined;
};
type Summary = Omit<Allocation<unknown>, 'promoted'>;
type Switch = { entry: Entry; decided: DecidedTier };

/**
 * Gives the answers of `decideTiers` (testing/decide-tiers.ts; a property test compares them). The caller sends each
 * {@link TierChange}, and calls `decide` after changes and at least once a second. After a change of the channel's mode
 * a run examines every viewer.
 */
export class TierController {
	#mode: TierConditions['policy']['mode'] = 'automatic';
	readonly #entries = new Map<string, Entry>();
	readonly #dirty = new Set<Entry>();
	readonly #deadlines = new DeadlineQueue<Entry>();
	readonly #incumbents = new OrderedSet<Entry>(comparePrecedence);
	readonly #lateIncumbents = new OrderedSet<Entry>(comparePrecedence);
	readonly #candidates = new OrderedSet<Entry>(comparePrecedence);
	readonly #lateCandidates = new OrderedSet<Entry>(comparePrecedence);
	readonly #held = new HeldPictures();
	#leaverCount = 0;
	#recentPromotions: Switch[] = [];
	#recentDemotions: Switch[] = [];
	#emergencies = new Set<Entry>();
	#lastChanges = new Map<string, TierVerdict>();
	#summary: Summary | undefined;
	#limits: TierLimits | undefined;

	/** Adds a viewer, with their last decision after a reconnect. Throws for a known viewer: misuse. */
	join(viewer: TierViewer): void {
		if (this.#entries.has(viewer.id)) {
			throw new TypeError(`viewer ${viewer.id} is there already`);
		}
		const entry: Entry = {
			id: viewer.id,
			joinedAtMs: viewer.joinedAtMs,
			viewerClass: 0,
			holdsWebRtc: viewer.holdsWebRtc,
			isNewcomer: viewer.decided === undefined,
			viewer: { ...viewer },
			standing: undefined,
			isLeaver: false,
			isGone: false,
			held: undefined,
		};
		this.#entries.set(viewer.id, entry);
		this.#dirty.add(entry);
		this.#recordSwitch(entry);
	}

	/** Applies changed facts about a viewer. Unknown ids are ignored. */
	update(id: string, change: TierViewerChange): void {
		const entry = this.#entries.get(id);
		if (entry !== undefined) {
			Object.assign(entry.viewer, change);
			this.#dirty.add(entry);
		}
	}

	/** Removes a viewer and their transport. Unknown ids are ignored. */
	leave(id: string): void {
		const entry = this.#entries.get(id);
		if (entry !== undefined) {
			this.#withdraw(entry);
			entry.isGone = true;
			this.#entries.delete(id);
			this.#dirty.delete(entry);
			this.#lastChanges.delete(id);
		}
	}

	/** One run. Returns newcomers and those who change tier, in no particular order. */
	decide(conditions: TierConditions, nowMs: number, isEmergency: ReadonlySet<string> = new Set()): TierChange[] {
		const { mode } = conditions.policy;
		if (mode !== this.#mode) {
			this.#mode = mode;
			for (const entry of this.#entries.values()) {
				this.#dirty.add(entry);
			}
		}
		this.#collectDirty(nowMs, isEmergency);
		const changed = [...this.#dirty];
		this.#dirty.clear();
		for (const entry of changed) {
			this.#classify(entry, nowMs, isEmergency.has(entry.id));
		}
		const view = this.#view(nowMs);
		const limits = tierLimits(conditions, view.incumbentCount + view.leaverCount, this.#held);
		this.#limits = limits;
		const allocation = allocate(view, limits, mode);
		const { promoted: _promoted, ...summary } = allocation;
		this.#summary = summary;
		this.#lastChanges = new Map();
		this.#applySwitches(allocation, nowMs);
		for (const entry of changed) {
			this.#applyOther(entry, nowMs);
		}
		return [...this.#lastChanges.keys()].map((id) => ({ id, verdict: this.verdictOf(id)! }));
	}

	/** The verdict of the last run; undefined for unknown viewers and those who joined after it. */
	verdictOf(id: string): TierVerdict | undefined {
		const entry = this.#entries.get(id);
		if (entry?.standing === undefined || this.#summary === undefined || entry.viewer.decided === undefined) {
			return undefined;
		}
		const { tier } = entry.viewer.decided;
		const verdict = this.#lastChanges.get(id) ?? {
			tier,
			reason: standingReason(entry.standing, this.#summary),
			isEmergency: false,
		};
		return verdict.reason === 'waiting-list' ? { ...verdict, waitingPosition: this.#positionOf(entry) } : verdict;
	}

	viewerOf(id: string): Readonly<TierViewer> | undefined {
		return this.#entries.get(id)?.viewer;
	}

	/** Of viewers who are decided WebRTC or whose transport is still open. */
	get held(): Pick<HeldPictures, 'bitrateBps'> {
		return this.#held;
	}

	get counts(): TierCounts {
		return {
			viewerCount: this.#entries.size,
			webRtcCount: this.#incumbents.size + this.#lateIncumbents.size,
			leavingCount: this.#leaverCount,
			waitingCount: this.#candidates.size + this.#lateCandidates.size,
			limits: this.#limits,
		};
	}

	#collectDirty(nowMs: number, isEmergency: ReadonlySet<string>): void {
		for (const entry of this.#emergencies) {
			if (!entry.isGone) {
				this.#dirty.add(entry);
			}
		}
		this.#emergencies.clear();
		for (const id of isEmergency) {
			const entry = this.#entries.get(id);
			if (entry !== undefined) {
				this.#dirty.add(entry);
				this.#emergencies.add(entry);
			}
		}
		for (let due = this.#deadlines.takeDue(nowMs); due !== undefined; due = this.#deadlines.takeDue(nowMs)) {
			// The queue keeps outdated deadlines of viewers whose standing has changed since; they are skipped.
			if (!due.subject.isGone && (due.subject.standing?.validUntilMs ?? Infinity) <= nowMs) {
				this.#dirty.add(due.subject);
			}
		}
	}

	#view(nowMs: number): AllocationView<Entry> {
		const isCurrent = ({ entry, decided }: Switch): boolean => !entry.isGone && entry.viewer.decided === decided;
		const isWithin = ({ decided }: Switch, windowMs: number): boolean => nowMs - decided.switchedAtMs! < windowMs;
		this.#recentPromotions = this.#recentPromotions.filter(
			(promotion) => isCurrent(promotion) && isWithin(promotion, PROMOTION_WINDOW_MS),
		);
		this.#recentDemotions = this.#recentDemotions.filter(
			(demotion) => isCurrent(demotion) && isWithin(demotion, COOL_DOWN_MS),
		);
		return {
			incumbentCount: this.#incumbents.size + this.#lateIncumbents.size,
			leaverCount: this.#leaverCount,
			candidateCount: this.#candidates.size + this.#lateCandidates.size,
			recentPromotionCount: this.#recentPromotions.filter(({ entry }) => entry.standing?.kind === 'incumbent').length,
			isCoolingDown: this.#recentDemotions.length > 0,
			candidates: () => this.#candidates.ascending(),
			weakestIncumbents: () => this.#incumbents.descending(),
			weakestLateIncumbents: () => this.#lateIncumbents.descending(),
		};
	}

	#applySwitches(allocation: Allocation<Entry>, nowMs: number): void {
		for (const entry of allocation.promoted) {
			this.#apply(entry, { tier: 'webrtc', reason: allocation.webRtcReason, isEmergency: false }, nowMs);
		}
		for (const demotion of allocation.demoted) {
			this.#apply(demotion.viewer, demotionVerdict(demotion), nowMs);
		}
	}

	// Newcomers without a place, and incumbents who were excluded, such as by a pin or a failure.
	#applyOther(entry: Entry, nowMs: number): void {
		const standing = entry.standing!;
		if (this.#lastChanges.has(entry.id) || standing.kind === 'incumbent') {
			return;
		}
		if (entry.viewer.decided?.tier !== 'll-hls') {
			const isEmergency = standing.kind === 'excluded' && standing.isEmergency;
			this.#apply(entry, { tier: 'll-hls', reason: standingReason(standing, this.#summary!), isEmergency }, nowMs);
		}
	}

	#apply(entry: Entry, verdict: TierVerdict, nowMs: number): void {
		this.#lastChanges.set(entry.id, verdict);
		entry.viewer.decided = nextDecided(entry.viewer.decided, verdict, nowMs);
		entry.isNewcomer = false;
		this.#recordSwitch(entry);
		this.#classify(entry, nowMs, this.#emergencies.has(entry));
	}

	#recordSwitch(entry: Entry): void {
		const { decided } = entry.viewer;
		if (decided?.switchedAtMs === undefined) {
			return;
		}
		if (decided.tier === 'webrtc') {
			this.#recentPromotions.push({ entry, decided });
		} else if (decided.isOverload === true) {
			this.#recentDemotions.push({ entry, decided });
		}
	}

	#classify(entry: Entry, nowMs: number, isEmergency: boolean): void {
		this.#withdraw(entry);
		const standing = viewerStanding(entry.viewer, nowMs, this.#mode, isEmergency);
		entry.standing = standing;
		entry.holdsWebRtc = entry.viewer.holdsWebRtc;
		entry.viewerClass = standing.kind === 'excluded' ? 0 : standing.viewerClass;
		entry.isLeaver = entry.holdsWebRtc && standing.kind !== 'incumbent';
		this.#leaverCount += entry.isLeaver ? 1 : 0;
		this.#listOf(standing)?.add(entry);
		if (entry.isLeaver || standing.kind === 'incumbent') {
			entry.held = { group: pictureGroup(entry.viewer), best: entry.viewer.bestPicture };
			this.#held.add(entry.held.group, entry.held.best);
		}
		if (standing.validUntilMs !== Infinity) {
			this.#deadlines.add(standing.validUntilMs, entry);
		}
	}

	#withdraw(entry: Entry): void {
		if (entry.standing !== undefined) {
			this.#listOf(entry.standing)?.delete(entry);
			this.#leaverCount -= entry.isLeaver ? 1 : 0;
			entry.standing = undefined;
			entry.isLeaver = false;
		}
		if (entry.held !== undefined) {
			this.#held.remove(entry.held.group, entry.held.best);
			entry.held = undefined;
		}
	}

	#listOf(standing: ViewerStanding): OrderedSet<Entry> | undefined {
		switch (standing.kind) {
			case 'excluded':
				return undefined;
			case 'incumbent':
				return standing.canMove ? this.#incumbents : this.#lateIncumbents;
			case 'candidate':
				return standing.canMove ? this.#candidates : this.#lateCandidates;
		}
	}

	#positionOf(entry: Entry): number {
		return 1 + this.#candidates.rankOf(entry) + this.#lateCandidates.rankOf(entry);
	}
}
