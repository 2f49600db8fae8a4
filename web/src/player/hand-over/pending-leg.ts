/** The second leg during a change of tiers, from its opening to the swap. */
import type { SwapKind } from './hand-over-state.ts';
import type { Playback } from '../playback/playback.ts';
import type { Screen } from './screen.ts';

/** See above. */
export type PendingLeg = {
	screen: Screen;
	kind: SwapKind;
	reason: string;
	/** Opened because the first one seemed to fail, by nobody's order: given up when it recovers. */
	isPrecaution: boolean;
	playsSinceMs: number | undefined;
};

/** What it has turned out to be: when the frame that was paused has left the window, the front is all that there is to go on with. */
export function kindOf({ kind, screen }: PendingLeg): SwapKind {
	return kind === 'resume' && screen.playback.timeShift?.isShifted !== true ? 'emergency' : kind;
}

/** True when nothing presses: it is swapped in when both show the same. */
export function isPlanned({ kind }: PendingLeg): boolean {
	return kind === 'to-webrtc' || kind === 'to-hls';
}

/** True for a WebRTC leg on a line that is too poor for it: it takes what the one that is watched needs. */
export function isTrialFailing(
	{ screen }: PendingLeg,
	watched: Screen | undefined,
	sourceFrameRate: number | undefined,
): boolean {
	return (
		screen.tier === 'webrtc' &&
		(screen.playback.lineVerdict(sourceFrameRate) === 'line-too-poor' ||
			watched?.playback.timeShift?.isStarved === true)
	);
}

/** LL-HLS takes over, whyever it was opened, and does not wait to find out for itself what the line is like. */
export function leavePoorLineFor(pending: PendingLeg): void {
	Object.assign(pending, { kind: 'emergency', isPrecaution: false } satisfies Partial<PendingLeg>);
	pending.screen.playback.timeShift?.expectPoorLine();
}

/** Unseen, LL-HLS may hurry. */
export function setWatched({ timeShift }: Playback, isWatched: boolean): void {
	if (timeShift !== undefined) {
		timeShift.isWatched = isWatched;
	}
}
