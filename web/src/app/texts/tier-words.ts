/** Why a viewer is in a tier: texts for the viewer, and for the streamer about their viewers. Pure. */
import type { TierDecision } from '../../../../core/protocol/signaling/signaling-messages.ts';
import type { PictureLimit } from '../../../../core/protocol/signaling/picture-limits.ts';
import type { DeliveryTier, TierReason } from '../../../../core/protocol/tiers.ts';
import type { LineProblem } from '../../player/create-player.ts';

export const TIER_NAMES: Record<DeliveryTier, string> = {
	webrtc: 'Real time (WebRTC)',
	'll-hls': 'Low latency (LL-HLS)',
};

const TO_VIEWER: Record<TierReason, string> = {
	fits: 'There is room for everybody in real time.',
	priority: 'You keep real time although it is crowded.',
	pinned: 'You chose low latency yourself.',
	// Also while the server cannot re-encode the picture for WebRTC: the reason does not distinguish the two.
	'mass-only':
		'This broadcast is in low latency only: the streamer chose so, or the server cannot prepare it for real time.',
	'waiting-list': 'The real-time seats are taken; you are on the waiting list and move up by yourself.',
	'seats-full': 'The real-time seats of this channel are taken; you move up by yourself when one is free.',
	'budget-consumers':
		'More people are watching than the server can serve in real time; you move up when there is room.',
	'budget-bitrate': 'The server’s line is full in real time; you move up when there is room.',
	'budget-cpu': 'The server is busy; you move up to real time when it has room.',
	'webrtc-unsupported': 'This browser cannot play in real time.',
	'webrtc-blocked': 'Your network does not let real-time video through; it is tried again now and then.',
	'line-too-poor':
		'Your line does not carry the picture in real time: low latency takes what comes, and real time is tried again now and then.',
	'switched-lately': 'You changed a moment ago; the next change comes within a minute.',
	'worker-lost': 'A part of the server failed; real time is tried again soon.',
	'session-ended': 'Real time ended with the last broadcast; it is tried again in some seconds.',
	'sfu-unavailable': 'The server’s real-time part does not answer; it is tried again soon.',
};

const TO_STREAMER: Record<TierReason, string> = {
	fits: 'there is room',
	priority: 'kept by role or by talking in chat',
	pinned: 'chose it themselves',
	'mass-only': 'low latency only: your setting, or the picture cannot be re-encoded for real time',
	'waiting-list': 'on the waiting list for a seat',
	'seats-full': 'your real-time seats are taken',
	'budget-consumers': 'the server’s viewer budget is used up',
	'budget-bitrate': 'the server’s bandwidth is used up',
	'budget-cpu': 'the server’s CPU is used up',
	'webrtc-unsupported': 'their browser cannot do WebRTC',
	'webrtc-blocked': 'their network blocks WebRTC',
	'line-too-poor': 'their line is too slow for the picture',
	'switched-lately': 'changed within the last minute',
	'worker-lost': 'an SFU worker failed',
	'session-ended': 'their session ended with the last broadcast; tried again within seconds',
	'sfu-unavailable': 'the SFU does not answer',
};

const LINE_PROBLEMS: Record<LineProblem, string> = {
	'real-time-given-up': 'Your line does not carry the picture in real time: changing to low latency.',
	starved: 'Your line brings less than this broadcast needs: it stops to load from time to time, and falls behind.',
};

/** None for what the viewer has chosen, nor for a picture that fills its place. */
const PICTURE_LIMITS: Partial<Record<PictureLimit, string>> = {
	seats:
		'The server’s limit for real time is reached, so the picture is smaller for now. The large one comes back by itself.',
	line: 'Your line carries a smaller picture in real time. The large one is tried again by itself.',
};

/** Why the picture in real time is smaller; undefined where nothing needs saying. */
export function formatPictureLimit(limit: PictureLimit): string | undefined {
	return PICTURE_LIMITS[limit];
}

export function formatLineProblem(problem: LineProblem): string {
	return LINE_PROBLEMS[problem];
}

export function formatReason({ reason, waitingPosition }: Pick<TierDecision, 'reason' | 'waitingPosition'>): string {
	if (waitingPosition !== undefined) {
		return `The real-time seats are taken; you are number ${waitingPosition} on the waiting list and move up by yourself.`;
	}
	// A newer server may send a reason that this page does not know.
	return (TO_VIEWER as Partial<Record<string, string>>)[reason] ?? 'The server chose this way for you.';
}

/** A phrase after a number of viewers. */
export function formatReasonToStreamer(reason: TierReason): string {
	return (TO_STREAMER as Partial<Record<string, string>>)[reason] ?? `another reason (${reason})`;
}
