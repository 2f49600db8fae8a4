/** Notices within half a second that a tier has stopped to work, and says why. Decides nothing else. */
import type { Clock } from '../../../../core/lifecycle/clock.ts';
import type { ChannelState } from '../../../../core/protocol/api/channel-description.ts';
import type { Playback } from '../playback/playback.ts';

/** Why a tier does not work, in the words of the signaling socket. */
export type TierFailureCause =
	'unsupported' | 'blocked' | 'connection-lost' | 'undecodable' | 'refused' | 'line-too-poor';

/** Without media for so long, a WebRTC connection is doubted. */
export const MEDIA_MISSED_MS = 400;
/** A blocked path is told by the browser only after 15 s and more. A slow one may still win: who shows a picture first plays. */
const FIRST_FRAME_PATIENCE_MS = 1500;

/** What is read of a playback. */
export type WatchedPlayback = Pick<Playback, 'tier' | 'state' | 'error' | 'delay' | 'shownMoments' | 'lineVerdict'>;

/** One per player; watches whatever is shown. */
export class EmergencyWatch {
	readonly #clock: Clock;
	#beganAtMs: number;
	#cause: TierFailureCause | undefined;

	constructor(clock: Clock) {
		this.#clock = clock;
		this.#beganAtMs = clock.monotonicMs();
	}

	/** Something else is shown from now on. */
	begin(): void {
		this.#beganAtMs = this.#clock.monotonicMs();
		this.#cause = undefined;
	}

	/** What is wrong with what is shown; `recovered` once when it is not wrong any more. Call it some ten times a second. */
	check(
		playback: WatchedPlayback,
		channelState: ChannelState,
		sourceFrameRate?: number,
	): TierFailureCause | 'recovered' | undefined {
		// Without a publisher no tier plays, and the other is no better.
		const cause = channelState === 'live' ? this.#causeOf(playback, sourceFrameRate) : undefined;
		const hasRecovered = cause === undefined && this.#cause !== undefined;
		this.#cause = cause;
		return hasRecovered ? 'recovered' : cause;
	}

	/** The cause found by the last {@link check}. */
	get cause(): TierFailureCause | undefined {
		return this.#cause;
	}

	#causeOf(playback: WatchedPlayback, sourceFrameRate: number | undefined): TierFailureCause | undefined {
		const { tier, state, error, delay, shownMoments } = playback;
		if (state === 'error' && error !== undefined && (error.fatal || tier === 'webrtc')) {
			return error.kind === 'unreachable' ? 'connection-lost' : error.kind;
		}
		if (tier !== 'webrtc' || delay === undefined || ['offline', 'ended', 'stopped', 'idle'].includes(state)) {
			return undefined;
		}
		if (playback.lineVerdict(sourceFrameRate) === 'line-too-poor') {
			return 'line-too-poor';
		}
		const nowMs = this.#clock.monotonicMs();
		if (shownMoments.latest === undefined && state !== 'playing') {
			const isLate = nowMs - this.#beganAtMs > FIRST_FRAME_PATIENCE_MS;
			return isLate ? (delay.hasConnected ? 'connection-lost' : 'blocked') : undefined;
		}
		const { lastMediaAtMs } = delay;
		return lastMediaAtMs !== undefined && nowMs - lastMediaAtMs > MEDIA_MISSED_MS ? 'connection-lost' : undefined;
	}
}
