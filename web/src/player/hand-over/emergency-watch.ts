/** Notices within half a second that a tier has stopped to work, and says why. Pure. */
import type { ChannelState } from '../../../../core/protocol/api/channel-description.ts';
import type { LegReading, TierFailureCause } from './hand-over-types.ts';

/** Without media for so long, a WebRTC connection is doubted. */
const MEDIA_MISSED_MS = 400;
/**
 * A blocked path is told by the browser only after 15 s and more. A slow one may still win: who shows a picture first
 * plays.
 */
const FIRST_FRAME_PATIENCE_MS = 1500;

/** What is read of a leg. @internal for tests */
export type WatchedLeg = Pick<LegReading, 'tier' | 'state' | 'error' | 'delay' | 'latestMs' | 'lineVerdict'>;

/** One per player; watches whatever is shown. */
export class EmergencyWatch {
	#beganAtMs = 0;
	#cause: TierFailureCause | undefined;

	/** Something else is shown from now on. */
	begin(nowMs: number): void {
		this.#beganAtMs = nowMs;
		this.#cause = undefined;
	}

	/**
	 * What is wrong with what is shown; `recovered` once when it is not wrong any more. Call it some ten times a
	 * second.
	 */
	check(leg: WatchedLeg, channelState: ChannelState, nowMs: number): TierFailureCause | 'recovered' | undefined {
		// Without a publisher no tier plays, and the other is no better.
		const cause = channelState === 'live' ? this.#causeOf(leg, nowMs) : undefined;
		const hasRecovered = cause === undefined && this.#cause !== undefined;
		this.#cause = cause;
		return hasRecovered ? 'recovered' : cause;
	}

	/** The cause found by the last {@link check}. */
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
		if (tier !== 'webrtc' || delay === undefined || ['offline', 'ended', 'stopped', 'idle'].includes(state)) {
			return undefined;
		}
		if (lineVerdict === 'line-too-poor') {
			return 'line-too-poor';
		}
		if (latestMs === undefined && state !== 'playing') {
			const isLate = nowMs - this.#beganAtMs > FIRST_FRAME_PATIENCE_MS;
			return isLate ? (delay.hasConnected ? 'connection-lost' : 'blocked') : undefined;
		}
		const { lastMediaAtMs } = delay;
		return lastMediaAtMs !== undefined && nowMs - lastMediaAtMs > MEDIA_MISSED_MS ? 'connection-lost' : undefined;
	}
}
