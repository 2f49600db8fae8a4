/** The rules of a hand-over as two tables, in each of which the first matching rule decides. Pure. */
import type { DeliveryTier } from '../../../../core/protocol/tiers.ts';
import type { LegReading } from './hand-over-types.ts';
import { shouldSwap, type SwapInput, type SwapKind } from './hand-over-state.ts';

/** A second leg that shows nothing for this long is given up. */
const OPENING_DEADLINE_MS = 12_000;

type Rules<Facts, Verdict> = ReadonlyArray<{ then: Verdict; when: (facts: Facts) => boolean }>;

/** The facts when a tier is chosen. @internal for tests */
export type ChoiceFacts = {
	tier: DeliveryTier;
	isEmergency: boolean;
	isPaused: boolean;
	/** The shown leg was closed, and only its last picture is left. */
	isResting: boolean;
	shown:
		| (Pick<LegReading, 'tier' | 'state' | 'fillsScreen'> & {
				timeShift: Pick<NonNullable<LegReading['timeShift']>, 'isShifted' | 'isStarved'> | undefined;
		  })
		| undefined;
	pending: { tier: DeliveryTier; kind: SwapKind } | undefined;
};

/**
 * `rest`: give up the seat. `ignore`: do nothing. `raise`: the second leg under way counts as ordered. `stay`: the
 * shown leg is in that tier. `refuse`: the line is too poor. `show`: play at once. `hold`: change later. `open`: open a
 * second leg.
 */
export type Choice = 'rest' | 'ignore' | 'raise' | 'stay' | 'refuse' | 'show' | 'hold' | 'open';

const CHOICE_RULES: Rules<ChoiceFacts, Choice> = [
	// No second leg during a pause: its replacement opens when the viewer plays on.
	{
		then: 'rest',
		when: ({ tier, isPaused, isResting, shown }) =>
			isPaused && tier === 'll-hls' && shown?.tier === 'webrtc' && !isResting,
	},
	{ then: 'ignore', when: ({ isPaused, shown }) => isPaused && shown !== undefined },
	{ then: 'raise', when: ({ tier, pending }) => pending?.tier === tier },
	// The viewer plays on from a pause, or rewinds, which only LL-HLS can do.
	{ then: 'ignore', when: ({ pending }) => pending?.kind === 'resume' },
	// Only the viewer ends it, who then goes to live.
	{
		then: 'ignore',
		when: ({ tier, shown, isResting }) => tier === 'webrtc' && shown?.timeShift?.isShifted === true && !isResting,
	},
	{ then: 'stay', when: ({ tier, shown, isResting }) => shown?.tier === tier && !isResting },
	// A line too poor for LL-HLS is too poor for WebRTC, and even more so for both at once.
	{ then: 'refuse', when: ({ shown }) => shown?.timeShift?.isStarved === true },
	{
		then: 'show',
		when: ({ shown, isEmergency, isResting }) =>
			shown === undefined || (shown.state !== 'playing' && !isEmergency && !isResting),
	},
	{ then: 'hold', when: ({ shown, isEmergency }) => shown?.fillsScreen === true && !isEmergency },
	{ then: 'open', when: () => true },
];

export function judgeChoice(facts: ChoiceFacts): Choice {
	return CHOICE_RULES.find(({ when }) => when(facts))!.then;
}

/** The facts about the second leg. @internal for tests */
export type PendingFacts = SwapInput & {
	/** A WebRTC leg on a line that is too poor for it, which starves the shown leg. */
	isTrialFailing: boolean;
	hasPlayed: boolean;
	openForMs: number;
	/** There is nothing better to return to. */
	isAwaited: boolean;
	/** The first leg has stopped by itself, and the second one is not behind its last picture. */
	hasFirstStopped: boolean;
};

/** `end-trial`: closed because the line is too poor. */
type PendingVerdict = 'end-trial' | 'give-up' | 'wait' | 'swap' | 'align';

const PENDING_RULES: Rules<PendingFacts, PendingVerdict> = [
	{ then: 'end-trial', when: ({ isTrialFailing }) => isTrialFailing },
	{
		then: 'give-up',
		when: ({ hasPlayed, openForMs, isAwaited }) => !hasPlayed && openForMs > OPENING_DEADLINE_MS && !isAwaited,
	},
	{ then: 'wait', when: ({ hasPlayed }) => !hasPlayed },
	{ then: 'swap', when: ({ kind, hasFirstStopped }) => isPlanned(kind) && hasFirstStopped },
	{ then: 'swap', when: shouldSwap },
	{ then: 'align', when: ({ kind }) => isPlanned(kind) },
	{ then: 'wait', when: () => true },
];

export function judgePending(facts: PendingFacts): PendingVerdict {
	return PENDING_RULES.find(({ when }) => when(facts))!.then;
}

/** True when there is no hurry: the second leg is swapped in when both show the same. */
export function isPlanned(kind: SwapKind): boolean {
	return kind === 'to-webrtc' || kind === 'to-hls';
}
