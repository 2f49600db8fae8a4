/** Detects within half a second that a tier has stopped working, and why. Pure. */
import type { ChannelState } from '../../../../core/protocol/api/channel-description.ts';
import type { TierFailureCause } from '../signaling/signaling-client.ts';
import type { LegReading } from './hand-over-types.ts';

/** Without media for this long, a WebRTC connection counts as lost. */
const MEDIA_MISSED_MS = 400;
/** The sound alone: a publisher that saves bits in silence sends it every 400 ms. */
const SOUND_MISSED_MS = 1000;
/** The browser reports a blocked path only after 15 s or more. A slow path may still win: the first picture plays. */
const FIRST_FRAME_PATIENCE_MS = 1500;

/** The used part of a leg's reading. @internal for tests */
export type WatchedLeg = Pick<LegReading, 'tier' | 'state' | 'error' | 'delay' | 'latestMs' | 'lineVerdict'>;

/** One per player; watches the leg that is shown. */
export class EmergencyWatch {
	/** The server may send a smaller picture: it judges the line, and the leg does not fail yet. */
	hasSmallerPicture = false;
	#beganAtMs = 0;
	#cause: TierFailureCause | undefined;

	/** Another leg is shown from now on. */
	begin(nowMs: number): void {
		this.#beganAtMs = nowMs;
		this.#cause = undefined;
	}

	/** Another broadcast has begun, and the leg connects again. */
	restart(nowMs: number): void {
		this.#beganAtMs = nowMs;
	}

	/** Why the shown leg fails; `recovered` once when it stops failing. Call it about ten times a second. */
	check(leg: WatchedLeg, channelState: ChannelState, nowMs: number): TierFailureCause | 'recovered' | undefined {
		if (channelState !== 'live' || (!isAwaited(leg) && this.#cause === undefined)) {
			this.#beganAtMs = nowMs;
		}
		// Without a publisher neither tier plays.
		const cause = channelState === 'live' ? this.#causeOf(leg, nowMs) : undefined;
		const hasRecovered = cause === undefined && this.#cause !== undefined;
		this.#cause = cause;
		return hasRecovered ? 'recovered' : cause;
	}

	get cause(): TierFailureCause | undefined {
		return this.#cause;
	}

	#causeOf(
		{ tier, state, error, delay, latestMs, lineVerdict }: WatchedLeg,
		nowMs: number,
	): TierFailureCause | undefined {
		if (state === 'error' && error !== undefined && (error.fatal || tier === 'webrtc')) {
			return error.kind === 'unreachable' ? 'connection-lost' : error.kind;
		}
		if (tier !== 'webrtc' || delay === undefined || isAtRest(state)) {
			return undefined;
		}
		if (lineVerdict === 'line-too-poor' && !this.hasSmallerPicture) {
			return 'line-too-poor';
		}
		if (isAwaited({ state, latestMs })) {
			const isLate = nowMs - this.#beganAtMs > FIRST_FRAME_PATIENCE_MS;
			return isLate ? (delay.hasConnected ? 'connection-lost' : 'blocked') : undefined;
		}
		const { lastMediaAtMs, isSoundAlone } = delay;
		const missedMs = isSoundAlone ? SOUND_MISSED_MS : MEDIA_MISSED_MS;
		return lastMediaAtMs !== undefined && nowMs - lastMediaAtMs > missedMs ? 'connection-lost' : undefined;
	}
}

function isAtRest(state: WatchedLeg['state']): boolean {
	return ['offline', 'ended', 'stopped', 'idle'].includes(state);
}

/** True while its connection is to bring the first picture. */
function isAwaited({ state, latestMs }: Pick<WatchedLeg, 'state' | 'latestMs'>): boolean {
	return latestMs === undefined && state !== 'playing' && !isAtRest(state);
}
