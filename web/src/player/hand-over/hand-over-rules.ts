/** The rules of a change of tiers as two tables, each read from above: the first rule that holds decides. Pure. */
import type { DeliveryTier } from '../../../../core/protocol/tiers.ts';
import type { LegReading } from './hand-over-types.ts';
import { shouldSwap, type SwapInput, type SwapKind } from './hand-over-state.ts';

/** A second leg that shows nothing for so long is given up. */
const OPENING_DEADLINE_MS = 12_000;

type Rules<Facts, Verdict> = ReadonlyArray<{ then: Verdict; when: (facts: Facts) => boolean }>;

/** What a wish for a tier meets. @internal for tests */
export type ChoiceFacts = {
	tier: DeliveryTier;
	isEmergency: boolean;
	isPaused: boolean;
	/** What was shown was closed, and its last picture stands. */
	isResting: boolean;
	shown: Pick<LegReading, 'tier' | 'state' | 'timeShift' | 'fillsScreen'> | undefined;
	pending: { tier: DeliveryTier; kind: SwapKind } | undefined;
};

/**
 * `rest`: the seat is given up. `ignore`: nothing happens. `raise`: the second leg that is on its way counts as wished.
 * `stay`: what is shown is in that tier. `refuse`: the line is too poor. `show`: at once. `hold`: later. `open`: a
 * second leg.
 */
export type Choice = 'rest' | 'ignore' | 'raise' | 'stay' | 'refuse' | 'show' | 'hold' | 'open';

const CHOICE_RULES: Rules<ChoiceFacts, Choice> = [
	// No second leg beside one that stands still: what takes the seat's place begins with playing on.
	{
		then: 'rest',
		when: ({ tier, isPaused, isResting, shown }) =>
			isPaused && tier === 'll-hls' && shown?.tier === 'webrtc' && !isResting,
	},
	{ then: 'ignore', when: ({ isPaused, shown }) => isPaused && shown !== undefined },
	{ then: 'raise', when: ({ tier, pending }) => pending?.tier === tier },
	// They want what is past, which only LL-HLS has.
	{ then: 'ignore', when: ({ pending }) => pending?.kind === 'resume' },
	{ then: 'stay', when: ({ tier, shown, isResting }) => shown?.tier === tier && !isResting },
	// What carries less than LL-HLS carries less than WebRTC, and both at once even less.
	{ then: 'refuse', when: ({ shown }) => shown?.timeShift?.isStarved === true },
	{
		then: 'show',
		when: ({ shown, isEmergency, isResting }) =>
			shown === undefined || (shown.state !== 'playing' && !isEmergency && !isResting),
	},
	{ then: 'hold', when: ({ shown, isEmergency }) => shown?.fillsScreen === true && !isEmergency },
	{ then: 'open', when: () => true },
];

/** What becomes of a wish for a tier. */
export function judgeChoice(facts: ChoiceFacts): Choice {
	return CHOICE_RULES.find(({ when }) => when(facts))!.then;
}

/** What the second leg has come to. @internal for tests */
export type PendingFacts = SwapInput & {
	/** A WebRTC leg on a line that is too poor for it: it takes what the one that is watched needs. */
	isTrialFailing: boolean;
	hasPlayed: boolean;
	openForMs: number;
	/** There is nothing better to go back to. */
	isAwaited: boolean;
	/** What was to be replaced has stopped by itself, and the second leg is not behind its last picture. */
	hasFirstStopped: boolean;
};

/** `end-trial`: closed for the line's sake. */
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

/** What becomes of the second leg. */
export function judgePending(facts: PendingFacts): PendingVerdict {
	return PENDING_RULES.find(({ when }) => when(facts))!.then;
}

/** True when nothing presses: the second leg is swapped in when both show the same. */
export function isPlanned(kind: SwapKind): boolean {
	return kind === 'to-webrtc' || kind === 'to-hls';
}
