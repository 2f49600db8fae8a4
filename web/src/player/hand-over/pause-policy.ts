/** What happens during a pause, and how playback continues after it. Pure. */
import type { DeliveryTier } from '../../../../core/protocol/tiers.ts';
import type { LegReading } from './hand-over-types.ts';

/**
 * After a pause up to this long the viewer returns to the live edge. They miss little, and otherwise stay behind for
 * the rest of the broadcast. After a longer one they play on from the paused picture.
 * @internal for tests
 */
export const SHORT_PAUSE_MS = 1000;
/** A WebRTC seat is kept for no longer, because another viewer may want it. @internal for tests */
export const SEAT_KEPT_MS = 10_000;

export type Pause = {
	sinceMs: number;
	/** Of the paused picture, the server's epoch milliseconds; undefined where it is unknown. */
	captureTimeMs: number | undefined;
	/** The viewer was behind the live edge already. */
	wasBehindLive: boolean;
	/** The browser paused a hidden page, which plays when it is visible again. */
	isOfHiddenPage: boolean;
};

/**
 * `continue`: the shown leg plays on from the paused picture. `go-live`: it plays on at the live edge.
 * `second-leg-live`, `second-leg-from-pause`: LL-HLS replaces it, at the live edge or from the paused picture.
 */
export type PlayOn = 'continue' | 'go-live' | 'second-leg-live' | 'second-leg-from-pause';

type PlayOnFacts = {
	nowMs: number;
	tier: DeliveryTier;
	/** The shown leg was closed, and only its last picture is left. */
	isResting: boolean;
	/** The shown leg still has the paused picture. */
	isReached: boolean;
	/** LL-HLS can begin behind live. */
	canRewind: boolean;
};

export function playOn(pause: Pause, { nowMs, tier, isResting, isReached, canRewind }: PlayOnFacts): PlayOn {
	// A viewer who did not pause wants to be live.
	const shortMs = pause.isOfHiddenPage ? SEAT_KEPT_MS : SHORT_PAUSE_MS;
	const isShort = nowMs - pause.sinceMs <= shortMs && !pause.wasBehindLive;
	const hasPlace = canRewind && pause.captureTimeMs !== undefined;
	if (isResting) {
		return isShort || !hasPlace ? 'second-leg-live' : 'second-leg-from-pause';
	}
	if (isShort) {
		return 'go-live';
	}
	// WebRTC can only play at the live edge.
	if (tier === 'll-hls' && (isReached || !hasPlace)) {
		return 'continue';
	}
	return hasPlace ? 'second-leg-from-pause' : 'go-live';
}

/**
 * What to do while a pause lasts. `isElsewhere`: the element is in a picture-in-picture window, which closes with its
 * leg, so a seat is kept for it.
 */
export function duringPause(
	pause: Pause | undefined,
	{ tier, state, isElsewhere }: Pick<LegReading, 'tier' | 'state' | 'isElsewhere'>,
	{ nowMs, canHls, isPageVisible }: { nowMs: number; canHls: boolean; isPageVisible: boolean },
): 'play' | 'give-up-seat' | 'wait' {
	if (pause === undefined) {
		return 'wait';
	}
	if (pause.isOfHiddenPage && isPageVisible) {
		return 'play';
	}
	const hasSeat = tier === 'webrtc' && state !== 'stopped';
	const isLong = nowMs - pause.sinceMs > SEAT_KEPT_MS;
	return hasSeat && isLong && canHls && !isElsewhere ? 'give-up-seat' : 'wait';
}
