/** What a pause does to a player, and what playing on brings. Pure. */
import type { DeliveryTier } from '../../../../core/protocol/tiers.ts';
import type { LegReading } from './hand-over-types.ts';

/**
 * After a pause up to this long the viewer is back at the front: what they missed is less than what they would be
 * behind for good. After a longer one they go on where they paused. A WebRTC seat is kept for so long, because somebody
 * else may want it.
 * @internal for tests
 */
export const SHORT_PAUSE_MS = 10_000;

/** A pause, from its first moment on. */
export type Pause = {
	sinceMs: number;
	/** What was on screen then, the server's epoch milliseconds; undefined where it is not known. */
	captureTimeMs: number | undefined;
	/** They watched what is past already. */
	wasBehindLive: boolean;
	/** The browser paused a page that nobody saw; when it is seen again, it plays. */
	isOfHiddenPage: boolean;
};

/**
 * True when the viewer's WebRTC leg is to be closed. `isElsewhere`: its element is in a window of its own, which would
 * die with it.
 * @internal for tests
 */
export function givesUpSeat(facts: { tier: DeliveryTier; pausedForMs: number; canHls: boolean; isElsewhere: boolean }) {
	return facts.tier === 'webrtc' && facts.canHls && !facts.isElsewhere && facts.pausedForMs > SHORT_PAUSE_MS;
}

/**
 * `go-on`: what is shown plays on from where it stands. `go-live`: it plays on, at the front. `second-leg-live`,
 * `second-leg-from-pause`: it was closed meanwhile; LL-HLS takes its place, at the front or from the picture that
 * stands.
 */
export type PlayOn = 'go-on' | 'go-live' | 'second-leg-live' | 'second-leg-from-pause';

/** How to play on. `isResting`: what was shown was closed, and only its last picture is left. */
export function playOn(pause: Pause, nowMs: number, tier: DeliveryTier, isResting: boolean): PlayOn {
	const isShort = nowMs - pause.sinceMs <= SHORT_PAUSE_MS && !pause.wasBehindLive;
	if (isResting) {
		return isShort || pause.captureTimeMs === undefined ? 'second-leg-live' : 'second-leg-from-pause';
	}
	// A WebRTC leg that is still there knows only the front.
	return isShort || tier === 'webrtc' ? 'go-live' : 'go-on';
}

/** What is due while a pause lasts. */
export function duringPause(
	pause: Pause | undefined,
	{ tier, state, isElsewhere }: LegReading,
	facts: { nowMs: number; canHls: boolean; isPageVisible: boolean },
): 'play' | 'give-up-seat' | 'wait' {
	if (pause === undefined) {
		return 'wait';
	}
	if (pause.isOfHiddenPage && facts.isPageVisible) {
		return 'play';
	}
	const pausedForMs = facts.nowMs - pause.sinceMs;
	const isDue = state !== 'stopped' && givesUpSeat({ tier, pausedForMs, canHls: facts.canHls, isElsewhere });
	return isDue ? 'give-up-seat' : 'wait';
}
