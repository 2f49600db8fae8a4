/** The states of a hand-over, and when two playbacks are close enough to be swapped. Pure. */
import type { TransitionTable } from '../../../../core/lifecycle/state-machine.ts';

/**
 * `settled`: one tier plays. `opening`: the second one connects, hidden and silent. `aligning`: it shows frames, and
 * both are moved until they play the same content. `relaxing`: swapped, and the new WebRTC leg returns to live.
 */
export type HandOverState = 'settled' | 'opening' | 'aligning' | 'relaxing' | 'closed';

export type HandOverEvent =
	'chosen' | 'second-plays' | 'swapped' | 'swapped-behind' | 'given-up' | 'relaxed' | 'closed';

/** `swapped-behind`: to a WebRTC leg that is held back. `chosen` in `relaxing`: a next change before it is live. */
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

/** The length of a frame at 25 per second. */
const NEAR_PICTURE_MS = 40;
/** This cuts no word; closer, the slide of the sound takes seconds longer. */
const NEAR_SOUND_MS = 60;
/**
 * After this the tolerance grows, up to {@link MOST_GIVE_MS}. A machine or network may be too busy for less. Then a
 * jump that few notice is better than the jump of any size when {@link PATIENCE_MS} ends.
 */
const GIVE_FROM_MS = 15_000;
/** Milliseconds per millisecond: 10 ms a second. */
const GIVE_RATE = 0.01;
const MOST_GIVE_MS = 200;
/** To WebRTC the second leg starts at the right delay; after this only sliding sound is left, and not awaited. */
const HIDDEN_SOUND_PATIENCE_MS = 8000;
/** To LL-HLS the watched leg slides by a second at 45 ms a second. */
const PATIENCE_MS = 45_000;
/** The tiers' capture times agree within this: a smaller difference is the same frame. */
const SEEN_BEFORE_MS = 50;
/** Within this distance of the wanted picture it has arrived. */
const RESUME_NEAR_MS = 250;
const RESUME_PATIENCE_MS = 4000;
/** To live, a steady pace is not awaited on a busy machine. */
const LIVE_PATIENCE_MS = 400;
/** Without capture times, an emergency swaps to a second leg that has played for this long. */
const EMERGENCY_TRUST_MS = 500;

/**
 * Why a second leg is opened. `resume`: LL-HLS from a picture behind live, such as the one where WebRTC was paused.
 * `to-live`: from behind live to either tier; the content jumps, as the viewer wants.
 */
export type SwapKind = 'to-webrtc' | 'to-hls' | 'emergency' | 'resume' | 'to-live';

export type SwapInput = {
	kind: SwapKind;
	/** How long the second one has played. */
	alignedForMs: number;
	/**
	 * Second minus first: positive skips content, negative repeats it; undefined while unknown. `resume`: second minus
	 * the wanted picture.
	 */
	pictureAheadMs: number | undefined;
	soundAheadMs: number | undefined;
	/** The second one's picture plays at a steady pace: see PlayedMoments.isSteady(). */
	isSteady: boolean;
};

export function shouldSwap({ kind, alignedForMs, pictureAheadMs, soundAheadMs, isSteady }: SwapInput): boolean {
	if (kind === 'emergency') {
		// The first one is frozen at its last frame: newer ones prove that it is at fault, and not the publisher.
		return pictureAheadMs === undefined ? alignedForMs > EMERGENCY_TRUST_MS : pictureAheadMs > SEEN_BEFORE_MS;
	}
	if (kind === 'resume') {
		// At first it may still be at the live edge, before its jump.
		const isThere = pictureAheadMs !== undefined && pictureAheadMs > -RESUME_NEAR_MS && pictureAheadMs < RESUME_NEAR_MS;
		return isThere || alignedForMs > RESUME_PATIENCE_MS;
	}
	if (kind === 'to-live') {
		// A new WebRTC leg hurries through its first GOP.
		return isSteady || alignedForMs > LIVE_PATIENCE_MS;
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
