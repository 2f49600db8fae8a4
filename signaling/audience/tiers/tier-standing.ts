/**
 * Where one viewer stands, by what is known of them alone: may they have WebRTC, how urgent are they, may they be moved
 * now.
 */
import type { ChannelPolicy } from '../../../core/protocol/api/channel-description.ts';
import type { TierViewer } from './tier-input.ts';
import type { TierReason } from '../../../core/protocol/tiers.ts';

/**
 * A viewer is moved at most this often, their own wishes aside. A hand-over takes 5–40 s: half of it would move people
 * who have just arrived.
 */
const MIN_SWITCH_INTERVAL_MS = 60_000;
/** A dead worker is replaced within a second; one that keeps dying takes its viewers along no more often than this. */
const WORKER_RETURN_MS = 10_000;
/** Who wrote within this time is a recent chatter and may take the place of somebody silent. */
const CHATTER_ENTRY_MS = 300_000;
/**
 * Who has a place keeps a chatter's claim to it for this long, so that nobody slides in and out between two sentences.
 */
const CHATTER_STAY_MS = 600_000;
/**
 * First pause after WebRTC failed; doubled with each further failure. Networks change (Wi-Fi to mobile) within minutes.
 */
const RETRY_FIRST_MS = 60_000;
/**
 * After a line that was too poor: lines recover sooner than networks change, and a trial costs what is watched
 * meanwhile.
 */
const POOR_LINE_RETRY_FIRST_MS = 30_000;
/** Longest pause after it. */
const POOR_LINE_RETRY_MAX_MS = 600_000;
/** Longest pause; each attempt costs the viewer nothing that they see, and us a transport for 15 s. */
const RETRY_MAX_MS = 900_000;

/**
 * Places in the order of who keeps WebRTC; the lower goes first. Same class: by join time, and nobody displaces
 * anybody.
 */
export const VIEWER_CLASSES = { staff: 0, guest: 1, subscriber: 2, chatter: 3, plain: 4, unproven: 5 } as const;

/** What the controller does with a viewer; `validUntilMs` is when time alone changes it. */
export type ViewerStanding =
	| { kind: 'excluded'; reason: TierReason; isEmergency: boolean; validUntilMs: number }
	/** In the WebRTC tier. `overstays`: should leave (mass-only), but was moved less than a minute ago. */
	| { kind: 'incumbent'; viewerClass: number; canMove: boolean; overstays: boolean; validUntilMs: number }
	/** Not in it, wants it. `keptReason`: told instead of the crowd's reason while they cannot be moved. */
	| {
			kind: 'candidate';
			viewerClass: number;
			canMove: boolean;
			keptReason: TierReason | undefined;
			validUntilMs: number;
	  };

/** The order of viewers within the tier and within the queue for it. */
export type Precedence = { viewerClass: number; joinedAtMs: number; id: string };

/** Negative when `a` has the better claim. A total order, so that two nodes and two runs agree. */
export function comparePrecedence(a: Precedence, b: Precedence): number {
	return a.viewerClass - b.viewerClass || a.joinedAtMs - b.joinedAtMs || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/** Judges one viewer. `isEmergency`: their worker has just died. */
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
		// Somebody else's accident is over as soon as the caller no longer names them.
		return { kind: 'excluded', reason: 'worker-lost', isEmergency: isInWebRtc, validUntilMs: Infinity };
	}
	const own = ownObstacle(viewer, nowMs);
	if (own !== undefined) {
		// A failed connection shows nothing: jump. A pin is a wish: hand over softly.
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

// How long a viewer stays where they were moved to for this reason.
function stayMs(reason: TierReason | undefined): number {
	switch (reason) {
		case 'line-too-poor':
			// The pause before the next trial is counted by itself.
			return 0;
		case 'pinned':
			// Who takes their own pin back asks for the move themselves.
			return 0;
		case 'worker-lost':
			return WORKER_RETURN_MS;
		default:
			return MIN_SWITCH_INTERVAL_MS;
	}
}

/** When a viewer whose WebRTC failed is tried again; undefined when it did not fail. */
function retryAtMs(viewer: TierViewer): number | undefined {
	if (viewer.webRtcFailedAtMs === undefined) {
		return undefined;
	}
	// A browser does not learn a codec within a minute; but the next publisher may send another one.
	const isLasting = viewer.failureCause === 'unsupported' || viewer.failureCause === 'undecodable';
	const exponent = Math.min(10, Math.max(0, viewer.failureCount - 1));
	if (viewer.failureCause === 'line-too-poor') {
		return viewer.webRtcFailedAtMs + Math.min(POOR_LINE_RETRY_MAX_MS, POOR_LINE_RETRY_FIRST_MS * 2 ** exponent);
	}
	return viewer.webRtcFailedAtMs + (isLasting ? RETRY_MAX_MS : Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** exponent));
}

// What of their own keeps a viewer out of the WebRTC tier. A viewer who cannot play LL-HLS cannot pin it.
function ownObstacle(viewer: TierViewer, nowMs: number): { reason: TierReason; validUntilMs: number } | undefined {
	if (!viewer.canWebRtc) {
		return { reason: 'webrtc-unsupported', validUntilMs: Infinity };
	}
	if (viewer.isPinnedToHls && viewer.canHls) {
		return { reason: 'pinned', validUntilMs: Infinity };
	}
	const untilMs = retryAtMs(viewer);
	if (untilMs === undefined || nowMs >= untilMs) {
		return undefined;
	}
	switch (viewer.failureCause) {
		case 'unsupported':
		case 'undecodable':
			return { reason: 'webrtc-unsupported', validUntilMs: untilMs };
		case 'line-too-poor':
			return { reason: 'line-too-poor', validUntilMs: untilMs };
		case 'refused':
			return { reason: 'sfu-unavailable', validUntilMs: untilMs };
		default:
			return { reason: 'webrtc-blocked', validUntilMs: untilMs };
	}
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
