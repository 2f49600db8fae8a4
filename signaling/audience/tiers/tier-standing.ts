/** Judges one viewer alone: whether they may have WebRTC, how strong their claim is, whether they may be moved now. */
import type { ChannelPolicy } from '../../../core/protocol/api/channel-description.ts';
import type { TierViewer } from './tier-input.ts';
import type { TierReason } from '../../../core/protocol/tiers.ts';

/**
 * A viewer is moved at most this often, except by their own wish. A hand-over takes about 2 s to WebRTC and about 10 s
 * to LL-HLS, so half is too soon.
 */
const MIN_SWITCH_INTERVAL_MS = 60_000;
/** Players say this often what their line carries. */
const LINE_REPORT_MS = 5000;
/** A dead worker is replaced within a second; one that keeps dying interrupts its viewers at most this often. */
const WORKER_RETURN_MS = 10_000;
/** A viewer who wrote within this time is a chatter and may take the place of a silent viewer. */
const CHATTER_ENTRY_MS = 300_000;
/** A chatter with a place keeps their claim for this long, so that they are not moved between two messages. */
const CHATTER_STAY_MS = 600_000;
type Failure = { reason: TierReason; firstPauseMs: number; maxPauseMs: number };

/** An attempt is invisible to the viewer and costs the server a transport for 15 s. */
const MAX_PAUSE_MS = 900_000;
/** Networks change (Wi-Fi to mobile) within minutes. */
const BLOCKED: Failure = { reason: 'webrtc-blocked', firstPauseMs: 60_000, maxPauseMs: MAX_PAUSE_MS };
/** A browser does not get a codec within a minute; but the next publisher may send another one. */
const UNSUPPORTED: Failure = { reason: 'webrtc-unsupported', firstPauseMs: MAX_PAUSE_MS, maxPauseMs: MAX_PAUSE_MS };
/** The reason for LL-HLS after WebRTC failed, and the pause before the next attempt, doubled with each failure. */
const FAILURES: Readonly<Record<NonNullable<TierViewer['failureCause']>, Failure>> = {
	blocked: BLOCKED,
	'connection-lost': BLOCKED,
	refused: { ...BLOCKED, reason: 'sfu-unavailable' },
	unsupported: UNSUPPORTED,
	undecodable: UNSUPPORTED,
	// The next session needs only a moment.
	'session-ended': { reason: 'session-ended', firstPauseMs: 5000, maxPauseMs: 5000 },
	// Lines recover sooner than networks change.
	'line-too-poor': { reason: 'line-too-poor', firstPauseMs: 30_000, maxPauseMs: 600_000 },
};

/** The lower class has the better claim to WebRTC. Within a class by join time, and no viewer displaces another. */
export const VIEWER_CLASSES = { staff: 0, guest: 1, subscriber: 2, chatter: 3, plain: 4, unproven: 5 } as const;

/** `validUntilMs`: when time alone changes the standing. */
export type ViewerStanding =
	| { kind: 'excluded'; reason: TierReason; isEmergency: boolean; validUntilMs: number }
	/** In the WebRTC tier. `overstays`: must leave (mass-only), but was moved less than a minute ago. */
	| { kind: 'incumbent'; viewerClass: number; canMove: boolean; overstays: boolean; validUntilMs: number }
	/** Wants WebRTC. `keptReason`: replaces the crowd's reason while they cannot be moved. */
	| {
			kind: 'candidate';
			viewerClass: number;
			canMove: boolean;
			keptReason: TierReason | undefined;
			validUntilMs: number;
	  };

/** What orders viewers within the tier and within the queue for it. */
export type Precedence = { viewerClass: number; joinedAtMs: number; id: string };

/** Negative when `a` has the better claim. A total order, so that nodes and runs agree. */
export function comparePrecedence(a: Precedence, b: Precedence): number {
	return a.viewerClass - b.viewerClass || a.joinedAtMs - b.joinedAtMs || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/** `isEmergency`: the viewer's worker has just died. */
export function viewerStanding(
	viewer: TierViewer,
	nowMs: number,
	mode: ChannelPolicy['mode'],
	isEmergency: boolean,
): ViewerStanding {
	const isInWebRtc = viewer.decided?.tier === 'webrtc';
	const movableAtMs = (viewer.decided?.switchedAtMs ?? -Infinity) + stayMs(viewer.decided?.reason);
	const canMove = nowMs >= movableAtMs;
	const untilMovableMs = canMove ? Infinity : movableAtMs;
	if (isEmergency) {
		// The emergency ends as soon as the caller no longer names the viewer.
		return { kind: 'excluded', reason: 'worker-lost', isEmergency: isInWebRtc, validUntilMs: Infinity };
	}
	const own = ownObstacle(viewer, nowMs);
	if (own !== undefined) {
		// A failed connection shows no picture: an emergency. A pin is a wish: a planned hand-over.
		return { kind: 'excluded', ...own, isEmergency: isInWebRtc && own.reason !== 'pinned' };
	}
	if (mode === 'mass-only') {
		return isInWebRtc && !canMove
			? { kind: 'incumbent', viewerClass: 0, canMove: false, overstays: true, validUntilMs: movableAtMs }
			: { kind: 'excluded', reason: 'mass-only', isEmergency: false, validUntilMs: Infinity };
	}
	const { viewerClass, untilMs } = viewerClassOf(viewer, nowMs, isInWebRtc ? CHATTER_STAY_MS : CHATTER_ENTRY_MS);
	const validUntilMs = Math.min(untilMs, untilMovableMs);
	if (isInWebRtc) {
		return { kind: 'incumbent', viewerClass, canMove, overstays: false, validUntilMs };
	}
	const keptReason = !canMove && viewer.decided?.reason === 'worker-lost' ? 'worker-lost' : undefined;
	return { kind: 'candidate', viewerClass, canMove, keptReason, validUntilMs };
}

// How long a viewer stays in a tier that they were moved to for this reason.
function stayMs(reason: TierReason | undefined): number {
	switch (reason) {
		// FAILURES bounds the next attempt.
		case 'line-too-poor':
		case 'session-ended':
		// Removing the pin is the viewer's wish to be moved.
		case 'pinned':
			return 0;
		case 'worker-lost':
			return WORKER_RETURN_MS;
		default:
			return MIN_SWITCH_INTERVAL_MS;
	}
}

// What keeps this viewer alone out of the WebRTC tier. A viewer who cannot play LL-HLS cannot pin it.
function ownObstacle(viewer: TierViewer, nowMs: number): { reason: TierReason; validUntilMs: number } | undefined {
	if (!viewer.canWebRtc) {
		return { reason: 'webrtc-unsupported', validUntilMs: Infinity };
	}
	if (viewer.isPinnedToHls && viewer.canHls) {
		return { reason: 'pinned', validUntilMs: Infinity };
	}
	const { webRtcFailedAtMs = -Infinity, failureCount, failureCause = 'blocked' } = viewer;
	const { reason, firstPauseMs, maxPauseMs } = FAILURES[failureCause];
	const exponent = Math.min(10, Math.max(0, failureCount - 1));
	const validUntilMs = webRtcFailedAtMs + Math.min(maxPauseMs, firstPauseMs * 2 ** exponent);
	if (nowMs < validUntilMs) {
		return { reason, validUntilMs };
	}
	// An attempt takes from such a line what plays over it.
	const isHopeless = failureCause === 'line-too-poor' && viewer.isLineShort && viewer.canHls;
	return isHopeless ? { reason, validUntilMs: nowMs + LINE_REPORT_MS } : undefined;
}

function viewerClassOf(viewer: TierViewer, nowMs: number, windowMs: number): { viewerClass: number; untilMs: number } {
	switch (viewer.role) {
		case 'broadcaster':
		case 'moderator':
			return { viewerClass: VIEWER_CLASSES.staff, untilMs: Infinity };
		case 'guest':
			return { viewerClass: VIEWER_CLASSES.guest, untilMs: Infinity };
		case 'subscriber':
			return { viewerClass: VIEWER_CLASSES.subscriber, untilMs: Infinity };
		case 'viewer': {
			if (viewer.isUnproven) {
				return { viewerClass: VIEWER_CLASSES.unproven, untilMs: Infinity };
			}
			const untilMs = (viewer.lastChatAtMs ?? -Infinity) + windowMs;
			return nowMs < untilMs
				? { viewerClass: VIEWER_CLASSES.chatter, untilMs }
				: { viewerClass: VIEWER_CLASSES.plain, untilMs: Infinity };
		}
	}
}
