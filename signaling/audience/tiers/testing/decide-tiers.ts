/** The tier controller's rules as a pure function, the reference for `TierController`, which gives the same answers. */
import {
	allocate,
	COOL_DOWN_MS,
	demotionVerdict,
	PROMOTION_WINDOW_MS,
	standingReason,
	type Allocation,
	type AllocationView,
	type Claimant,
} from '../tier-allocation.ts';
import { HeldPictures } from '../held-pictures.ts';
import { nextDecided, pictureGroup, type TierInput, type TierVerdict, type TierViewer } from '../tier-input.ts';
import { tierLimits } from '../tier-limits.ts';
import { comparePrecedence, viewerStanding, type ViewerStanding } from '../tier-standing.ts';

type Placed = Claimant & { standing: ViewerStanding; index: number };

/**
 * Decides a tier and a reason for every viewer of a channel, in O(n log n). Keeps no state: the caller updates
 * `decided` with {@link nextDecided} after each run.
 */
export function decideTiers(input: TierInput): Map<string, TierVerdict> {
	const { mode } = input.policy;
	const placed = input.viewers.map((viewer, index): Placed => {
		const standing = viewerStanding(viewer, input.nowMs, mode, input.isEmergency?.has(viewer.id) ?? false);
		return {
			id: viewer.id,
			joinedAtMs: viewer.joinedAtMs,
			viewerClass: standing.kind === 'excluded' ? 0 : standing.viewerClass,
			holdsWebRtc: viewer.holdsWebRtc,
			isNewcomer: viewer.decided === undefined,
			standing,
			index,
		};
	});
	const view = audienceView(placed, input.viewers, input.nowMs);
	const holders = placed.filter(({ holdsWebRtc, standing }) => holdsWebRtc || standing.kind === 'incumbent');
	const limits = tierLimits(input, holders.length, heldPictures(holders.map(({ index }) => input.viewers[index]!)));
	const allocation = allocate(view, limits, mode);
	return verdicts(placed, allocation, (demoted) => {
		const viewer = input.viewers[demoted.viewer.index]!;
		const decided = nextDecided(viewer.decided, { tier: 'll-hls', reason: demoted.reason }, input.nowMs);
		const standing = viewerStanding({ ...viewer, decided }, input.nowMs, mode, false);
		return standing.kind === 'excluded' ? demoted.viewer.viewerClass : standing.viewerClass;
	});
}

/** The pictures of viewers who hold a transport or are assigned WebRTC. */
export function heldPictures(holders: readonly TierViewer[]): HeldPictures {
	const held = new HeldPictures();
	holders.forEach((viewer) => held.add(pictureGroup(viewer), viewer.bestPicture));
	return held;
}

function audienceView(
	placed: readonly Placed[],
	viewers: readonly TierViewer[],
	nowMs: number,
): AllocationView<Placed> {
	const incumbents = placed.filter(({ standing }) => standing.kind === 'incumbent');
	const candidates = placed.filter(({ standing }) => standing.kind === 'candidate');
	const canMove = ({ standing }: Placed): boolean => standing.kind !== 'excluded' && standing.canMove;
	const weakestFirst = (a: Placed, b: Placed): number => comparePrecedence(b, a);
	const isWithin = (atMs: number | undefined, windowMs: number): boolean =>
		atMs !== undefined && nowMs - atMs < windowMs;
	return {
		incumbentCount: incumbents.length,
		leaverCount: placed.filter(({ holdsWebRtc, standing }) => holdsWebRtc && standing.kind !== 'incumbent').length,
		candidateCount: candidates.length,
		recentPromotionCount: viewers.filter(
			({ decided }, index) =>
				placed[index]!.standing.kind === 'incumbent' && isWithin(decided!.switchedAtMs, PROMOTION_WINDOW_MS),
		).length,
		isCoolingDown: viewers.some(
			({ decided }) => decided?.isOverload === true && isWithin(decided.switchedAtMs, COOL_DOWN_MS),
		),
		candidates: () => candidates.filter(canMove).sort(comparePrecedence),
		weakestIncumbents: () => incumbents.filter(canMove).sort(weakestFirst),
		weakestLateIncumbents: () => incumbents.filter((viewer) => !canMove(viewer)).sort(weakestFirst),
	};
}

// `queueClass`: the class of a demoted viewer in the queue, which may differ from their class in the tier.
function verdicts(
	placed: readonly Placed[],
	allocation: Allocation<Placed>,
	queueClass: (demotion: Allocation<Placed>['demoted'][number]) => number,
): Map<string, TierVerdict> {
	const promoted = new Set(allocation.promoted.map(({ id }) => id));
	const demoted = new Map(allocation.demoted.map((demotion) => [demotion.viewer.id, demotion]));
	const answers = new Map<string, TierVerdict>();
	const waiting: Placed[] = [];
	for (const viewer of placed) {
		const { id, standing } = viewer;
		const demotion = demoted.get(id);
		if (promoted.has(id)) {
			answers.set(id, { tier: 'webrtc', reason: allocation.webRtcReason, isEmergency: false });
		} else if (demotion !== undefined) {
			answers.set(id, demotionVerdict(demotion));
			waiting.push({ ...viewer, viewerClass: queueClass(demotion) });
		} else {
			const isEmergency = standing.kind === 'excluded' && standing.isEmergency;
			const tier = standing.kind === 'incumbent' ? 'webrtc' : 'll-hls';
			answers.set(id, { tier, reason: standingReason(standing, allocation), isEmergency });
			if (standing.kind === 'candidate') {
				waiting.push(viewer);
			}
		}
	}
	if (allocation.waitingReason === 'waiting-list') {
		waiting.sort(comparePrecedence).forEach(({ id }, index) => {
			const answer = answers.get(id)!;
			if (answer.reason === 'waiting-list') {
				answer.waitingPosition = index + 1;
			}
		});
	}
	return answers;
}
