/** The states of a change of tiers and what moves them; and when two playbacks are near enough to be swapped. Pure. */
import type { TransitionTable } from '../../../../core/lifecycle/state-machine.ts';

/**
 * `settled`: one tier plays. `opening`: the second one connects, hidden and muted. `aligning`: it shows frames, and the
 * both are moved until they play the same content. `relaxing`: swapped, and the new WebRTC leg goes back to live.
 */
export type HandOverState = 'settled' | 'opening' | 'aligning' | 'relaxing' | 'closed';

/** What happens to a change. */
export type HandOverEvent =
	'chosen' | 'second-plays' | 'swapped' | 'swapped-behind' | 'given-up' | 'relaxed' | 'closed';

/**
 * `swapped-behind`: to a WebRTC leg that is held back. `chosen` in `relaxing`: the next change begins before it is
 * live.
 */
export const HAND_OVER_TRANSITIONS = {
	settled: { chosen: 'opening', closed: 'closed' },
	opening: {
		chosen: 'opening',
		'second-plays': 'aligning',
		swapped: 'settled',
		'given-up': 'relaxing',
		closed: 'closed',
	},
	aligning: {
		chosen: 'opening',
		swapped: 'settled',
		'swapped-behind': 'relaxing',
		'given-up': 'relaxing',
		closed: 'closed',
	},
	relaxing: { chosen: 'opening', relaxed: 'settled', closed: 'closed' },
	closed: {},
} as const satisfies TransitionTable<HandOverState, HandOverEvent>;

/** The picture is off by no more than a frame at 25 a second. */
const NEAR_PICTURE_MS = 40;
/** A word is not cut by this; closer, the slide of the sound takes seconds more. */
const NEAR_SOUND_MS = 60;
/**
 * From then on what is near enough grows, up to {@link MOST_GIVE_MS}: where the machine or the network is too busy to
 * be brought nearer, a jump that few notice is better than one that is left to chance when patience ends.
 */
const GIVE_FROM_MS = 15_000;
/** Milliseconds per millisecond: 10 ms a second. */
const GIVE_RATE = 0.01;
const MOST_GIVE_MS = 200;
/**
 * To WebRTC the second leg starts at the right delay; what is left after this is sound that creeps, and is not waited
 * for.
 */
const HIDDEN_SOUND_PATIENCE_MS = 8000;
/** To LL-HLS the leg that is watched slides by a second at 45 ms a second. */
const PATIENCE_MS = 45_000;
/** The tiers' capture times agree within this: less is the same frame. */
const SEEN_BEFORE_MS = 50;
/** Nearer than this to the frame where it was paused is there. */
const RESUME_NEAR_MS = 500;
const RESUME_PATIENCE_MS = 4000;
/** Where no capture times are known, an emergency believes a second leg that has played for so long. */
const EMERGENCY_TRUST_MS = 500;

/** Why a second leg is opened. `resume`: LL-HLS from the frame where a WebRTC leg was paused. */
export type SwapKind = 'to-webrtc' | 'to-hls' | 'emergency' | 'resume';

/** What decides on a swap. Milliseconds. */
export type SwapInput = {
	kind: SwapKind;
	/** Since the second one plays. */
	alignedForMs: number;
	/** Second minus first: positive skips content, negative repeats it; undefined while not known. */
	pictureAheadMs: number | undefined;
	soundAheadMs: number | undefined;
	/** The second one's picture goes on at the pace of the clock: see PlayedMoments.isSteady(). */
	isSteady: boolean;
};

/** True when the time has come to swap. */
export function shouldSwap({ kind, alignedForMs, pictureAheadMs, soundAheadMs, isSteady }: SwapInput): boolean {
	if (kind === 'emergency') {
		// The first stands still at its last frame: newer ones prove that the broadcast goes on without it, and that it
		// is not the publisher who was lost.
		return pictureAheadMs === undefined ? alignedForMs > EMERGENCY_TRUST_MS : pictureAheadMs > SEEN_BEFORE_MS;
	}
	if (kind === 'resume') {
		// At first it may still be at the live edge, before it has jumped.
		const isThere = pictureAheadMs !== undefined && pictureAheadMs > -RESUME_NEAR_MS && pictureAheadMs < RESUME_NEAR_MS;
		return isThere || alignedForMs > RESUME_PATIENCE_MS;
	}
	if (alignedForMs > PATIENCE_MS) {
		return true;
	}
	const isSoundAwaited =
		soundAheadMs !== undefined && !(kind === 'to-webrtc' && alignedForMs > HIDDEN_SOUND_PATIENCE_MS);
	const giveMs = Math.min(MOST_GIVE_MS, Math.max(0, alignedForMs - GIVE_FROM_MS) * GIVE_RATE);
	return (
		isSteady &&
		pictureAheadMs !== undefined &&
		Math.abs(pictureAheadMs) <= NEAR_PICTURE_MS + giveMs &&
		(!isSoundAwaited || Math.abs(soundAheadMs) <= NEAR_SOUND_MS + giveMs)
	);
}
