/** What the plan and the stage of a hand-over exchange (readings and actions), and the events for pages. */
import type { ChannelState } from '../../../../core/protocol/api/channel-description.ts';
import type { DeliveryTier } from '../../../../core/protocol/tiers.ts';
import type { SwapKind } from './hand-over-state.ts';
import type { LineVerdict } from '../measure/line-judge.ts';
import type { PlaybackError, PlaybackState } from '../playback/playback-state.ts';
import type { TierFailureCause } from '../signaling/signaling-client.ts';
import type { DelayControl, DelayTarget, TimeShift } from '../playback/playback.ts';

export type PlaybackStart = {
	/** WebRTC: how long sound and picture are held back at first. */
	delayMs?: number;
	/** LL-HLS: start here instead of at the live edge, the server's epoch milliseconds; paused until it is swapped in. */
	fromCaptureTimeMs?: number;
};

/**
 * What is wrong with the viewer's line. `real-time-given-up`: the WebRTC picture froze, and LL-HLS is opening.
 * `starved`: the line is too poor for LL-HLS too.
 */
export type LineProblem = 'real-time-given-up' | 'starved';

/** What the plan sees of one leg. Positions are capture times: the server's epoch milliseconds. */
export type LegReading = {
	readonly tier: DeliveryTier;
	readonly state: PlaybackState;
	readonly error: PlaybackError | undefined;
	/** Of the last frame that was shown, however long ago. With the sound alone, all of these are of the sound. */
	readonly latestMs: number | undefined;
	/** On the screen now; undefined while nothing moves. */
	readonly positionMs: number | undefined;
	readonly isSteady: boolean;
	/** WebRTC: in the sound that plays now; undefined without sound. */
	readonly soundMs: number | undefined;
	readonly latencyMs: number | undefined;
	/** WebRTC: why the picture is frozen, if it is. */
	readonly lineVerdict: LineVerdict | undefined;
	readonly delay: Pick<DelayControl, 'lastMediaAtMs' | 'hasConnected' | 'isSoundAlone'> | undefined;
	readonly timeShift: Pick<TimeShift, 'isShifted' | 'isStarved' | 'hasLiveEdge' | 'reaches'> | undefined;
	readonly isElsewhere: boolean;
	/** In an iPhone's native full screen, to which only a gesture can bring another element. */
	readonly fillsScreen: boolean;
};

export type StageReading = {
	/** Monotonic. */
	readonly nowMs: number;
	readonly channelState: ChannelState;
	readonly isPageVisible: boolean;
	readonly shown: LegReading | undefined;
	/** The second leg, hidden and silent. */
	readonly pending: LegReading | undefined;
};

/** What the stage does. An action on a leg that is not there does nothing. */
export type StageAction =
	/** Plays in this tier at once; the leg shown before is closed. */
	| { do: 'show'; tier: DeliveryTier; isPaused: boolean }
	| { do: 'open'; tier: DeliveryTier; start: PlaybackStart }
	| { do: 'close-pending' }
	| { do: 'swap'; isPaused: boolean; reason: string }
	/** Closes the shown leg's connection; its last picture stays. */
	| { do: 'rest' }
	/** Ends picture-in-picture and native full screen of the shown leg. */
	| { do: 'leave-elsewhere' }
	| { do: 'pause'; isPaused: boolean }
	/** The shown leg keeps its distance to the live edge from now on. */
	| { do: 'hold-position' }
	| { do: 'go-live' }
	/** The shown leg plays from there on, behind live. */
	| { do: 'seek'; captureTimeMs: number }
	/** No repair of the shown leg's picture is tried any more. */
	| { do: 'give-up-picture' }
	/** The second leg loads whole segments from the start. */
	| { do: 'expect-poor-line' }
	/** How long a WebRTC leg holds sound and picture back. */
	| { do: 'slide'; leg: 'shown' | 'pending'; target: DelayTarget }
	/** The second leg aligns with a picture that is this much further from live. */
	| { do: 'align-with'; aheadMs: number };

export type HandOverEvents = {
	/** The screen, its state, or the change under way may have changed. */
	changed: [];
	swapped: [tier: DeliveryTier];
	/** The change to a tier was given up; the other tier still plays. */
	switchFailed: [tier: DeliveryTier, error: PlaybackError | undefined];
	/** A tier does not work here and now. The other one takes over by itself. */
	tierFailed: [tier: DeliveryTier, cause: TierFailureCause];
	/** Nothing comes from where the viewer wanted to play; undefined: it only took too long. */
	rewindFailed: [error: PlaybackError | undefined];
	/** What the viewer watches behind live is over, or broke off: the listener goes to live. */
	rewindOver: [];
	/** Back at the live edge, or out of native full screen: the listener chooses the tier now. */
	mayChange: [];
	/** The browser plays sound only after a click. */
	soundBlocked: [];
};

/** One of {@link HandOverEvents}, in order with the actions. */
export type Notice = {
	[Name in keyof HandOverEvents]: { do: 'notify'; event: Name; args: HandOverEvents[Name] };
}[keyof HandOverEvents];

export type PlanAction = StageAction | Notice;

/** A request for a tier. `isEmergency`: aligning may be skipped. */
export type TierRequest = { tier: DeliveryTier; reason: string; isEmergency: boolean };

/** The second leg during a hand-over, from its opening to the swap. */
export type PendingLeg = {
	tier: DeliveryTier;
	kind: SwapKind;
	reason: string;
	/** Opened without an order, because the first leg seemed to fail: given up when that recovers. */
	isPrecaution: boolean;
	playsSinceMs: number | undefined;
	/** `resume`: the wanted picture. */
	fromCaptureTimeMs: number | undefined;
};

export type PlanOptions = {
	/** LL-HLS may take over in an emergency. */
	canHls: boolean;
	/** LL-HLS can begin behind live. */
	canRewind: boolean;
	/** What the viewer wants at the start. */
	isPaused: boolean;
};
