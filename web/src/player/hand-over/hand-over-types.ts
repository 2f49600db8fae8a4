/**
 * What the plan and the stage of a hand-over pass to each other: readings in, actions out. Also what pages hear of it.
 */
import type { ChannelState } from '../../../../core/protocol/api/channel-description.ts';
import type { DeliveryTier } from '../../../../core/protocol/tiers.ts';
import type { LineVerdict } from '../measure/line-judge.ts';
import type { PlaybackError, PlaybackState } from '../playback/playback-state.ts';
import type { DelayControl, DelayTarget, TimeShift } from '../playback/playback.ts';

/** How a playback is to begin. */
export type PlaybackStart = {
	/** WebRTC: sound and picture are held back for so long at first. */
	delayMs?: number;
	/** LL-HLS: begin here instead of at the live edge, the server's epoch milliseconds. */
	fromCaptureTimeMs?: number;
};

/** Why a tier does not work, in the words of the signaling socket. */
export type TierFailureCause =
	'unsupported' | 'blocked' | 'connection-lost' | 'undecodable' | 'refused' | 'line-too-poor';

/**
 * What was found out about the viewer's line. `real-time-given-up`: the WebRTC picture stood, and LL-HLS is on its way.
 * `starved`: LL-HLS does not get what it needs either.
 */
export type LineProblem = 'real-time-given-up' | 'starved';

/** What the plan sees of one leg. Positions are capture times: the server's epoch milliseconds. */
export type LegReading = {
	readonly tier: DeliveryTier;
	readonly state: PlaybackState;
	readonly error: PlaybackError | undefined;
	/** The last frame that was shown, however long ago. */
	readonly latestMs: number | undefined;
	/** What is on the screen now; undefined while nothing moves. */
	readonly positionMs: number | undefined;
	/** The picture goes on at the pace of the clock. */
	readonly isSteady: boolean;
	/** WebRTC: what is heard now; undefined without sound. */
	readonly soundMs: number | undefined;
	readonly latencyMs: number | undefined;
	/** WebRTC: why the picture stands, if it does. */
	readonly lineVerdict: LineVerdict | undefined;
	readonly delay: Pick<DelayControl, 'lastMediaAtMs' | 'hasConnected'> | undefined;
	readonly timeShift: Pick<TimeShift, 'isShifted' | 'isStarved'> | undefined;
	/** Its element is shown outside the page. */
	readonly isElsewhere: boolean;
	/** An iPhone's own full screen: only a gesture fills it with another element. */
	readonly fillsScreen: boolean;
};

/** What the plan sees of the stage. */
export type StageReading = {
	/** Monotonic. */
	readonly nowMs: number;
	readonly channelState: ChannelState;
	readonly isPageVisible: boolean;
	/** The leg that is watched. */
	readonly shown: LegReading | undefined;
	/** The second leg, hidden and silent. */
	readonly pending: LegReading | undefined;
};

/** What the stage does at the plan's word. Without the leg that an action is about, it does nothing. */
export type StageAction =
	/** Plays in this tier at once; what was shown before is closed. */
	| { do: 'show'; tier: DeliveryTier; isPaused: boolean }
	/** Opens the second leg, hidden and silent. */
	| { do: 'open'; tier: DeliveryTier; start: PlaybackStart }
	| { do: 'close-pending' }
	/** The second leg is watched from now on. */
	| { do: 'swap'; isPaused: boolean; reason: string }
	/** Closes the connection of what is shown; its last picture stands. */
	| { do: 'rest' }
	/** Lets what is shown go from wherever it is shown outside the page. */
	| { do: 'leave-elsewhere' }
	| { do: 'pause'; isPaused: boolean }
	/** What is shown keeps its distance to the edge from now on. */
	| { do: 'hold-position' }
	| { do: 'go-live' }
	/** The picture of what is shown is not mended any more. */
	| { do: 'give-up-picture' }
	/** The second leg gets whole segments from the beginning. */
	| { do: 'expect-poor-line' }
	/** How long a WebRTC leg holds sound and picture back. */
	| { do: 'slide'; leg: 'shown' | 'pending'; target: DelayTarget }
	/** The second leg waits for a picture that is this much further from live. */
	| { do: 'wait-for'; aheadMs: number };

/** What a hand-over reports. */
export type HandOverEvents = {
	/** Something that the page shows may be different: the screen, its state, or a change under way. */
	changed: [];
	/** Another tier is watched now. */
	swapped: [tier: DeliveryTier];
	/** The change to a tier was given up; the other one plays on. */
	switchFailed: [tier: DeliveryTier, error: PlaybackError | undefined];
	/** A tier does not work here and now. The other one takes over by itself. */
	tierFailed: [tier: DeliveryTier, cause: TierFailureCause];
	/** At the front again, or out of the video element's full screen: the listener chooses the tier now. */
	mayChange: [];
	/** The browser wants a click before it gives sound. */
	soundBlocked: [];
};

/** One of {@link HandOverEvents}, in its turn between the actions. */
export type Notice = {
	[Name in keyof HandOverEvents]: { do: 'notify'; event: Name; args: HandOverEvents[Name] };
}[keyof HandOverEvents];

/** What the plan wants, to be carried out in order. */
export type PlanAction = StageAction | Notice;
